//! The postings against brute force, and how little a look-up reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;

use super::*;

/// Steps of SQLite's machine that a query takes, to the next thousand, and how many rows it gives.
fn steps(db: &rusqlite::Connection, sql: &str) -> (u64, usize) {
    let calls = Arc::new(AtomicU64::new(0));
    let counter = calls.clone();
    let count = move || {
        counter.fetch_add(1, Ordering::Relaxed);
        false
    };
    let mut select = db.prepare(sql).expect("prepares");
    db.progress_handler(1000, Some(count)).expect("is set");
    let mut rows = select.query([]).expect("runs");
    let mut found = 0;
    while rows.next().expect("a row").is_some() {
        found += 1;
    }
    (calls.load(Ordering::Relaxed) * 1000, found)
}

#[test]
fn values_that_are_rare_or_nowhere_are_not_looked_for_in_every_row() {
    let place = Place::with_events(50_000);
    let db = place.other();
    let one = |field: &str, value: &str| {
        steps(&db, &format!("SELECT * FROM by_{field} WHERE {field} = '{value}' LIMIT 100"))
    };
    for (field, value, rows, most) in [
        ("actor", "nobody", 0, 2_000),
        ("source", "nowhere", 0, 2_000),
        ("event_type", "never", 0, 2_000),
        ("session_id", "session-8", 1, 3_000),
        ("correlation_id", "trace-7", 1, 3_000),
        ("client_id", "client-40", 1, 3_000),
        // One block of the seven, in which every second row is of this source.
        ("source", "web", 100, 400_000),
        ("actor", "user-1", 100, 200_000),
    ] {
        let (taken, found) = one(field, value);
        assert_eq!(found, rows, "{field} {value}");
        assert!(taken <= most, "{field} {value}: {taken} steps");
    }
    let (all, _) = steps(&db, "SELECT seq FROM events WHERE actor = 'nobody'");
    assert!(all > 100_000, "a look at every row takes more: {all} steps");
}

#[test]
fn rows_that_come_again_are_found_once_and_by_their_new_values() {
    let place = Place::with_events(20);
    let mut writer = place.writer();
    let event = Event { actor: some("new"), ..Event::default() };
    let row = |seq| row(seq, &event);
    let mut batch = writer.begin().expect("begins");
    batch.events(&[row(3), row(4), row(20)]).expect("inserts");
    batch.commit(21).expect("commits");
    let reader = place.reader();
    let of = |actor: &str| {
        let filter = Filter { actor: Some(actor.into()), ..Filter::default() };
        seqs(&reader, &filter, Order::Oldest, None)
    };
    assert_eq!(of("new"), [3, 4, 20]);
    assert_eq!(of("user-3"), [8, 13, 18]);
    assert_eq!(reader.wrong_postings(9).expect("checks"), Vec::<String>::new());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn each_value_is_found_where_it_is(
        actors in prop::collection::vec(prop::option::of("[a-c\u{e9}'\\[,\"]{0,2}"), 1..60),
        cuts in prop::collection::vec(1usize..20, 0..8),
        first in 8_150u64..8_200,
    ) {
        let place = Place::new();
        let mut writer = place.writer();
        let events: Vec<_> = actors
            .iter()
            .map(|actor| Event { actor: actor.as_deref().map(Into::into), ..Event::default() })
            .collect();
        let mut rows: Vec<_> = (first..)
            .zip(&events)
            .map(|(seq, fields)| row(seq, fields))
            .collect();
        for cut in cuts.into_iter().chain([usize::MAX]) {
            let batch_rows: Vec<_> = rows.drain(..cut.min(rows.len())).collect();
            let mut batch = writer.begin().expect("begins");
            batch.events(&batch_rows).expect("inserts");
            let next = batch_rows.last().map_or(first, |row| row.seq + 1);
            batch.commit(next).expect("commits");
        }
        let reader = place.reader();
        prop_assert_eq!(reader.wrong_postings(9).expect("checks"), Vec::<String>::new());
        for wanted in actors.iter().flatten() {
            let at = (first..).zip(&actors).filter(|(_, actor)| actor.as_ref() == Some(wanted));
            let mut expected: Vec<u64> = at.map(|(seq, _)| seq).collect();
            expected.reverse();
            let filter = Filter { actor: Some(wanted.clone()), ..Filter::default() };
            prop_assert_eq!(seqs(&reader, &filter, Order::Newest, None), expected.clone());
            let sql = "SELECT seq FROM by_actor WHERE actor = ?1";
            let db = place.other();
            let mut select = db.prepare(sql).expect("prepares");
            let typed: Vec<u64> = select
                .query_map([wanted], |row| row.get::<_, i64>(0).map(i64::unsigned_abs))
                .and_then(Iterator::collect)
                .expect("reads");
            prop_assert_eq!(typed, expected);
        }
    }
}
