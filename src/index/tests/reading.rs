//! Queries find what matches, in order, and by an index where one was promised.

use super::*;

const N: u64 = 20_000;

/// Whether the event with this number is wanted.
type Wanted = fn(u64) -> bool;

fn cases() -> Vec<(Filter, Wanted)> {
    let none = Filter::default;
    let at = |seq: i64| Some(START + seq * 1_000_000_000);
    let text = |text: &str| Some(text.to_owned());
    vec![
        (none(), |_| true),
        (Filter { since_ns: at(15_000), ..none() }, |n| n >= 15_000),
        (Filter { until_ns: at(9_000), ..none() }, |n| n < 9_000),
        (Filter { since_ns: at(8_191), until_ns: at(8_193), ..none() }, |n| {
            n == 8_191 || n == 8_192
        }),
        (Filter { event_type: text("auth.login"), ..none() }, |n| n % 3 == 0),
        (Filter { event_type: text("auth.*"), ..none() }, |n| n % 3 != 2),
        (Filter { event_type: text("auth."), ..none() }, |n| n % 3 != 2),
        (Filter { event_type: text("auth.log*"), ..none() }, |n| n % 3 != 2),
        (Filter { event_type: text("auth"), ..none() }, |_| false),
        (Filter { actor: text("user-3"), ..none() }, |n| n % 5 == 3),
        (Filter { actor: text("user-%"), ..none() }, |_| false),
        (Filter { source: text("web"), ..none() }, |n| n % 2 == 1),
        (Filter { outcome: Some(Outcome::Failure), ..none() }, |n| n % 10 == 0),
        (Filter { outcome: Some(Outcome::Success), ..none() }, |n| n % 10 != 0),
        (Filter { outcome: Some(Outcome::Unknown), ..none() }, |_| false),
        (Filter { min_priority: Some(2), ..none() }, |n| n % 8 <= 2),
        (Filter { min_priority: Some(5), ..none() }, |n| n % 8 <= 5),
        (Filter { uid: Some(1001), ..none() }, |n| n % 2 == 1),
        (Filter { unit: text("cron.service"), ..none() }, |n| n % 6 == 0),
        (Filter { client_id: text("client-400"), ..none() }, |n| n == 400),
        (Filter { session_id: text("session-8"), ..none() }, |n| n == 8),
        (Filter { correlation_id: text("trace-7"), ..none() }, |n| n == 7),
        (Filter { text: text("nUMBER 19999 OF"), ..none() }, |n| n == 19_999),
        (Filter { text: text("of 100%"), ..none() }, |_| true),
        (Filter { text: text("_umber"), ..none() }, |_| false),
        (Filter { text: text("' OR 1 --"), ..none() }, |_| false),
        (Filter { after_seq: Some(19_990), ..none() }, |n| n > 19_990),
        (Filter { before_seq: Some(8_192), ..none() }, |n| n < 8_192),
        (
            Filter {
                actor: text("user-1"),
                source: text("web"),
                event_type: text("file.read"),
                min_priority: Some(3),
                since_ns: at(100),
                ..none()
            },
            |n| n % 5 == 1 && n % 2 == 1 && n % 3 == 2 && n % 8 <= 3 && n >= 100,
        ),
    ]
}

#[test]
fn each_filter_finds_what_matches_in_both_orders_and_counts_it() {
    let place = Place::with_events(N);
    let reader = place.reader();
    for (filter, wanted) in cases() {
        let mut expected: Vec<u64> = (0..N).filter(|n| wanted(*n)).collect();
        assert_eq!(reader.count(&filter).expect("counts"), expected.len() as u64, "{filter:?}");
        assert_eq!(seqs(&reader, &filter, Order::Oldest, None), expected, "{filter:?}");
        expected.reverse();
        assert_eq!(seqs(&reader, &filter, Order::Newest, None), expected, "{filter:?}");
        expected.truncate(7);
        assert_eq!(seqs(&reader, &filter, Order::Newest, Some(7)), expected, "{filter:?}");
    }
}

#[test]
fn each_filter_is_served_by_its_index() {
    let place = Place::with_events(10);
    let db = place.other();
    let plan = |filter: &Filter| -> String {
        let query = filter.select(Row::COLUMNS, Order::Newest, 100).expect("a query");
        let mut explain =
            db.prepare(&format!("EXPLAIN QUERY PLAN {}", query.sql)).expect("prepares");
        let rows = explain.query_map(rusqlite::params_from_iter(&query.values), |row| row.get(3));
        rows.expect("explains").collect::<Result<Vec<String>, _>>().expect("rows").join("\n")
    };
    let text = |text: &str| Some(text.to_owned());
    let none = Filter::default;
    let exact = "SEARCH p USING PRIMARY KEY (block=? AND field=? AND value=?";
    let cases = [
        (Filter { actor: text("a"), ..none() }, exact),
        (Filter { source: text("a"), ..none() }, exact),
        (Filter { event_type: text("a"), ..none() }, exact),
        (
            Filter { event_type: text("a.*"), ..none() },
            "SEARCH p USING PRIMARY KEY (block=? AND field=? AND value>? AND value<?",
        ),
        (Filter { client_id: text("a"), ..none() }, exact),
        (Filter { session_id: text("a"), ..none() }, exact),
        (Filter { correlation_id: text("a"), ..none() }, exact),
        (Filter { outcome: Some(Outcome::Failure), ..none() }, "events_failure"),
        (Filter { min_priority: Some(3), ..none() }, "events_severe"),
        (
            Filter { uid: Some(1), ..none() },
            "SEARCH e USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
        ),
    ];
    for (filter, index) in cases {
        let plan = plan(&filter);
        assert!(plan.contains(index), "{filter:?}: {plan}");
        // What is sorted is within one block.
        let sorts = plan.replace("USE TEMP B-TREE FOR LAST TERM OF ORDER BY", "");
        assert!(!sorts.contains("TEMP B-TREE"), "{filter:?}: {plan}");
    }
}

#[test]
fn what_people_type_is_served_by_an_index_too() {
    let place = Place::with_events(10);
    let db = place.other();
    let exact = "SEARCH p USING PRIMARY KEY (block=? AND field=? AND value=?";
    let cases = [
        ("SELECT ts FROM by_actor WHERE actor = 'x' LIMIT 100", exact),
        ("SELECT * FROM by_session_id WHERE session_id = 'x'", exact),
        (
            "SELECT event_type, count(*) FROM events WHERE ts_ns > 1 GROUP BY 1",
            "COVERING INDEX events_ts (ts_ns>?)",
        ),
        ("SELECT * FROM by_type_today", "COVERING INDEX events_ts (ts_ns>?)"),
        ("SELECT * FROM by_type_today", "SEARCH p USING PRIMARY KEY (block=? AND field=?)"),
        ("SELECT * FROM hourly", "COVERING INDEX events_ts (ts_ns>?)"),
        ("SELECT * FROM failures LIMIT 10", "events_failure"),
        ("SELECT * FROM severe LIMIT 10", "events_severe"),
        ("SELECT * FROM rejected LIMIT 10", exact),
        ("SELECT * FROM runs", exact),
        (
            "SELECT * FROM daemon LIMIT 10",
            "SEARCH p USING PRIMARY KEY (block=? AND field=? AND value>? AND value<?",
        ),
    ];
    for (sql, index) in cases {
        let mut explain = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("prepares");
        let rows = explain.query_map([], |row| row.get(3)).expect("explains");
        let plan = rows.collect::<Result<Vec<String>, _>>().expect("rows").join("\n");
        assert!(plan.contains(index), "{sql}: {plan}");
        let sorts = plan.replace("USE TEMP B-TREE FOR LAST TERM OF ORDER BY", "");
        assert!(!plan.contains("json_each") || !sorts.contains("TEMP B-TREE"), "{sql}: {plan}");
    }
}

#[test]
fn the_types_of_today_are_all_counted_and_no_others() {
    let place = Place::with_events(N);
    let mut writer = place.writer();
    let event = Event::default();
    let without_type = row(N, &event);
    let mut batch = writer.begin().expect("begins");
    batch.events(&[without_type]).expect("inserts");
    batch.commit(N + 1).expect("commits");
    let db = place.other();
    // Midnight falls into the second of three blocks.
    let midnight = "(unixepoch('now', 'start of day') * 1000000000 + (seq - 9000) * 1000000)";
    db.execute_batch(&format!(
        "UPDATE event_rows SET ts_ns = {midnight};
         UPDATE blocks SET first_ts_ns = (SELECT min(ts_ns) FROM events WHERE seq >> 13 = block),
            last_ts_ns = (SELECT max(ts_ns) FROM events WHERE seq >> 13 = block)"
    ))
    .expect("updates");
    let count = |sql: &str| -> i64 { db.query_row(sql, [], |row| row.get(0)).expect("a number") };
    assert_eq!(count("SELECT sum(events) FROM by_type_today"), 11_001);
    assert_eq!(count("SELECT events FROM by_type_today WHERE event_type = 'auth.login'"), 3_667);
    assert_eq!(count("SELECT events FROM by_type_today WHERE event_type IS NULL"), 1);
    assert_eq!(count("SELECT count(*) FROM by_type_today"), 4);
}

#[test]
fn a_clock_that_stepped_back_does_not_hide_events() {
    let place = Place::with_events(100);
    place
        .other()
        .execute_batch("UPDATE event_rows SET ts_ns = ts_ns - 3600000000000 WHERE seq = 50")
        .unwrap();
    place
        .other()
        .execute_batch("UPDATE blocks SET first_ts_ns = first_ts_ns - 3600000000000")
        .unwrap();
    let filter = Filter { until_ns: Some(START), ..Filter::default() };
    assert_eq!(seqs(&place.reader(), &filter, Order::Newest, None), [50]);
}

#[test]
fn a_query_in_progress_holds_nothing_open_and_ends_where_it_began() {
    let place = Place::with_events(3000);
    let reader = place.reader();
    let mut rows = reader.query(&Filter::default(), Order::Oldest, None).expect("a query");
    assert_eq!(rows.next().expect("a row").expect("reads").seq, 0);
    let mut writer = place.writer();
    put(&mut writer, 3000..4000, 4000);
    let state = writer.checkpoint().expect("checkpoints");
    assert_eq!(state.pages, state.checkpointed);
    assert_eq!(rows.last().expect("a row").expect("reads").seq, 2999);
    assert_eq!(reader.last_seq().expect("reads"), Some(3999));
}

#[test]
fn the_data_version_changes_with_each_commit_of_the_writer() {
    let place = Place::new();
    let mut writer = place.writer();
    let reader = place.reader();
    let before = reader.data_version().expect("reads");
    assert_eq!(reader.data_version().expect("reads"), before);
    put(&mut writer, 0..1, 1);
    assert_ne!(reader.data_version().expect("reads"), before);
    assert_eq!(
        (reader.indexed().expect("reads"), reader.log_id().expect("reads")),
        (1, LOG.into())
    );
}

#[test]
fn an_event_is_found_by_number_by_its_own_id_and_by_the_clients() {
    let place = Place::with_events(50);
    let reader = place.reader();
    let by_id = |id: &str| reader.get_by_id(id).expect("reads").map(|row| row.seq);
    assert_eq!(by_id("0123456789ab-5"), Some(5));
    assert_eq!(by_id("client-8"), Some(8));
    assert_eq!(by_id("0123456789ab-4"), None, "this one has the client's id");
    for id in
        ["ffffffffffff-5", "client-5", "5", "", "-", "a-99999999999999999999", "0123456789ab-50"]
    {
        assert_eq!(by_id(id), None, "{id}");
    }
    assert_eq!(reader.get(u64::MAX).expect("reads"), None);
}

#[test]
fn what_somebody_changed_by_hand_is_shown_and_not_an_error() {
    let place = Place::with_events(10);
    let changes = "UPDATE event_rows SET mac = x'00', actor = CAST(x'ff' AS TEXT) WHERE seq = 3;
        INSERT INTO event_rows (seq, ts_ns, uid, gid, pid, mac, event) VALUES (-5, 0, 0, 0, 0, x'', '')";
    place.other().execute_batch(changes).expect("is accepted");
    let reader = place.reader();
    assert_eq!(all(&reader)[3].mac.len(), 1);
    assert_eq!(reader.get(3).expect("reads").expect("is there").actor.as_deref(), Some("\u{fffd}"));
}

#[test]
fn a_text_that_cannot_be_searched_for_is_refused_by_its_length() {
    let place = Place::with_events(1);
    let reader = place.reader();
    let long = |n| Filter { text: Some("%".repeat(n)), ..Filter::default() };
    assert_eq!(reader.count(&long(16_384)).expect("the longest works"), 0);
    let error = reader.count(&long(16_385)).expect_err("one more");
    assert!(matches!(error, IndexError::TextTooLong { bytes: 16_385, .. }), "{error}");
}
