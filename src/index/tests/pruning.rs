//! Rows go when their time is over, each by its own rule, and none before.

mod random;
mod space;

use std::collections::BTreeSet;

use super::*;
use crate::retention::{Facts, Hold, Match, Rule, Rules};

const DAY: i64 = 86_400_000_000_000;
/// Numbers of a block.
const BLOCK: u64 = 1 << super::super::schema::BLOCK_SHIFT;

/// Everything is kept for so many days, but logins for others.
fn rules(keep_days: u64, logins: Option<u64>) -> Rules {
    let rule = |keep_days| Rule { what: logins_only(), keep_days };
    Rules { keep_days, rules: logins.map(rule).into_iter().collect() }
}

fn logins_only() -> Match {
    Match { event_type: vec!["auth.login".into()], ..Match::default() }
}

fn hold(what: Match) -> Hold {
    Hold {
        id: "case".into(),
        what,
        since_ns: None,
        until_ns: None,
        reason: "a test".into(),
        by_uid: 0,
        added: String::new(),
    }
}

/// A job that looks at the rules alone, so many days after [`START`].
fn job(rules: Rules, days: i64) -> PruneRows {
    PruneRows { rules, believed_ns: START + days * DAY, holds: Vec::new(), gone: Vec::new() }
}

/// Does a job to its end.
fn prune(writer: &mut Writer, what: PruneRows) -> RowsPruned {
    let mut job = Pruning::new(what);
    while !job.step(writer).expect("a step") {}
    job.done()
}

/// One event a day, in blocks of their own.
fn daily(days: u64) -> impl Iterator<Item = (u64, i64)> {
    (0..days).map(|day| (day * BLOCK, START + day as i64 * DAY))
}

/// A database with one event a day, in a block each; types take turns, as [`fields`] says.
fn of_days(days: u64) -> (Place, Writer) {
    let place = Place::new();
    let mut writer = place.writer();
    put_at(&mut writer, daily(days), days * BLOCK);
    (place, writer)
}

/// The days whose events are there.
fn days(place: &Place) -> Vec<u64> {
    assert_eq!(
        numbers(
            place,
            "SELECT count(*) FROM postings p, json_each(p.places) j
        WHERE NOT EXISTS (SELECT 1 FROM event_rows WHERE seq = (p.block << 13) + j.value)"
        ),
        [0]
    );
    assert_eq!(place.reader().wrong_postings(9).expect("checks"), Vec::<String>::new());
    all(&place.reader()).iter().map(|row| row.seq / BLOCK).collect()
}

fn blocks(place: &Place) -> Vec<u64> {
    numbers(place, "SELECT block FROM blocks ORDER BY block")
}

fn numbers(place: &Place, sql: &str) -> Vec<u64> {
    let db = place.other();
    let mut select = db.prepare(sql).expect("prepares");
    let rows = select.query_map([], |row| row.get::<_, i64>(0)).expect("a query");
    rows.map(|n| n.expect("a row").unsigned_abs()).collect()
}

fn is_login(day: u64) -> bool {
    fields(day * BLOCK).event_type.as_deref() == Some("auth.login")
}

#[test]
fn what_is_as_old_as_the_default_goes_and_its_block_with_it() {
    let (place, mut writer) = of_days(10);
    let done = prune(&mut writer, job(rules(5, None), 7));
    // Days 0, 1 and 2: the last of them is five days old to the nanosecond.
    assert_eq!((done.rows, days(&place)), (3, (3..10).collect()));
    assert_eq!(blocks(&place), (3..10).collect::<Vec<_>>());
    let again = prune(&mut writer, job(rules(5, None), 7));
    assert_eq!((again.rows, again.judged), (0, 0));
    prune(&mut writer, job(rules(5, None), 8));
    assert_eq!(days(&place), (4..10).collect::<Vec<_>>());
}

#[test]
fn rules_that_are_shorter_or_longer_than_the_default_count_for_what_they_match() {
    for (keep, logins) in [(5, 2), (5, 8), (5, 1_000)] {
        let (place, mut writer) = of_days(12);
        prune(&mut writer, job(rules(keep, Some(logins)), 10));
        let kept = |day: &u64| day + if is_login(*day) { logins } else { keep } > 10;
        let kept: Vec<_> = (0..12).filter(kept).collect();
        assert_eq!(days(&place), kept, "{logins}");
    }
}

#[test]
fn rows_with_a_longer_time_are_judged_once_for_each_time_there_is() {
    let (place, mut writer) = of_days(30);
    let logins = (0..30).filter(|day| is_login(*day)).count() as u64;
    let of = |days| job(rules(5, Some(100)), days);
    assert_eq!(prune(&mut writer, of(50)).judged, 30);
    for day in 51..100 {
        let done = prune(&mut writer, of(day));
        assert_eq!((done.rows, done.judged), (0, 0), "day {day}");
    }
    // Other rules are another question.
    assert_eq!(prune(&mut writer, job(rules(6, Some(100)), 50)).judged, logins);
    assert_eq!(
        prune(&mut writer, of(104)).rows,
        (0..5).filter(|day| is_login(*day)).count() as u64
    );
    let left = days(&place).len() as u64;
    assert_eq!((prune(&mut writer, of(200)).rows, days(&place).len()), (left, 0));
}

#[test]
fn a_hold_keeps_what_it_matches_until_it_is_released_and_is_counted_each_time() {
    let (place, mut writer) = of_days(10);
    let logins: Vec<_> = (0..10).filter(|day| is_login(*day)).collect();
    let of = |holds| PruneRows { holds, ..job(rules(1, None), 90) };
    let held = vec![hold(logins_only())];
    for _ in 0..2 {
        let done = prune(&mut writer, of(held.clone()));
        assert_eq!((days(&place), done.kept_by_hold), (logins.clone(), logins.len() as u64));
    }
    let other = Match { actor: vec!["nobody".into()], ..Match::default() };
    let more = [held, vec![hold(other.clone())]].concat();
    assert_eq!(prune(&mut writer, of(more)).rows, 0);
    prune(&mut writer, of(vec![hold(other)]));
    assert_eq!(days(&place), [0; 0]);
}

#[test]
fn a_hold_for_a_time_keeps_no_other_time() {
    let (place, mut writer) = of_days(10);
    let (since_ns, until_ns) = (Some(START + 3 * DAY), Some(START + 6 * DAY));
    let hold = Hold { since_ns, until_ns, ..hold(Match::default()) };
    prune(&mut writer, PruneRows { holds: vec![hold], ..job(rules(1, None), 90) });
    assert_eq!(days(&place), [3, 4, 5]);
}

#[test]
fn a_new_hold_needs_no_other_look_at_what_is_known() {
    let (_place, mut writer) = of_days(10);
    let of = |holds| PruneRows { holds, ..job(rules(5, Some(100)), 50) };
    assert_eq!(prune(&mut writer, of(Vec::new())).judged, 10);
    assert_eq!(prune(&mut writer, of(vec![hold(Match::default())])).judged, 0);
}

#[test]
fn rows_that_came_with_an_old_time_are_not_missed() {
    let place = Place::new();
    let mut writer = place.writer();
    put_at(&mut writer, daily(4), 3 * BLOCK + 1);
    let of = |days| job(rules(5, Some(100)), days);
    prune(&mut writer, of(20));
    let before = days(&place);
    // The clock was set back while the last block was filled, and in the next one set ahead for a while.
    let late = [1, 2, 3].map(|n| (3 * BLOCK + n, START));
    put_at(&mut writer, late.into_iter(), 3 * BLOCK + 4);
    let ahead = [(4 * BLOCK, START + 900 * DAY), (4 * BLOCK + 1, START), (5 * BLOCK, START)];
    put_at(&mut writer, ahead.into_iter(), 6 * BLOCK);
    let goes = [late.as_slice(), &ahead[1..]].concat();
    let goes =
        goes.iter().filter(|(seq, _)| fields(*seq).event_type.as_deref() != Some("auth.login"));
    assert_eq!(prune(&mut writer, of(20)).rows, goes.count() as u64);
    assert!(before.iter().all(|day| days(&place).contains(day)));
    prune(&mut writer, of(300));
    assert_eq!(days(&place), [4], "what says that it comes from the future");
}

#[test]
fn everything_about_leaves_that_are_gone_goes_whatever_is_held() {
    let place = Place::new();
    let mut writer = place.writer();
    let end = 3 * BLOCK + 100;
    put(&mut writer, 0..end, end);
    let mut batch = writer.begin().expect("begins");
    for (number, first_seq) in [(0, 0), (1, 200), (2, 2 * BLOCK), (3, 3 * BLOCK)] {
        let (opened, host) = ("2026-11-21T01:23:45Z", "h");
        batch.segment(&SegmentRow { number, first_seq, opened, host }).expect("inserts");
        batch.seal(&seal_row(first_seq + 50)).expect("inserts");
    }
    batch.commit(end).expect("commits");
    // The first segment and the third.
    let gone = vec![0..=199, 2 * BLOCK..=3 * BLOCK - 1];
    let holds = vec![hold(Match::default())];
    let what = PruneRows { gone, holds, ..job(rules(36_500, None), 0) };
    let done = prune(&mut writer, what.clone());
    assert_eq!((done.rows, done.seals), (200 + BLOCK, 2));
    assert!(done.steps > done.rows / 1024, "{done:?}");
    assert_eq!(numbers(&place, "SELECT count(*) FROM events"), [end - 200 - BLOCK]);
    assert_eq!(numbers(&place, "SELECT min(seq) FROM events"), [200]);
    assert_eq!(numbers(&place, "SELECT seq FROM seals"), [250, 3 * BLOCK + 50]);
    assert_eq!(numbers(&place, "SELECT number FROM segments"), [1, 3]);
    assert_eq!(blocks(&place), [0, 1, 3]);
    let again = prune(&mut writer, what);
    assert_eq!((again.rows, again.seals), (0, 0));
}

#[test]
fn the_span_of_a_block_stays_as_long_as_something_is_in_it_or_may_still_come() {
    let place = Place::new();
    let mut writer = place.writer();
    put_at(&mut writer, [(0, START), (1, START + DAY)].into_iter(), 2);
    let spans = || numbers(&place, "SELECT last_ts_ns - first_ts_ns FROM blocks");
    prune(&mut writer, job(rules(1, None), 1));
    assert_eq!((days(&place), spans()), (vec![0], vec![DAY as u64]));
    prune(&mut writer, job(rules(1, None), 2));
    assert_eq!((days(&place).len(), spans()), (0, vec![DAY as u64]), "it may still grow");
    put_at(&mut writer, [(2, START + 2 * DAY), (BLOCK, START + 3 * DAY)].into_iter(), BLOCK + 1);
    assert_eq!(spans(), [2 * DAY as u64, 0]);
    prune(&mut writer, job(rules(1, None), 3));
    assert_eq!(spans(), [0]);
}

#[test]
fn a_job_that_was_cut_short_is_done_by_the_next_one() {
    let place = Place::new();
    let end = 2 * BLOCK;
    let mut writer = place.writer();
    put(&mut writer, 0..end, end);
    let what = job(rules(1, Some(100)), 90);
    let mut first = Pruning::new(what.clone());
    while first.done().rows == 0 {
        assert!(!first.step(&mut writer).expect("a step"));
    }
    let before = first.done().rows;
    // As a kill would leave it.
    drop(writer);
    let mut writer = place.writer();
    put(&mut writer, end..end + 10, end + 10);
    let rest = prune(&mut writer, what).rows;
    let goes = |seq: &u64| fields(*seq).event_type.as_deref() != Some("auth.login");
    assert!(before > 0 && rest > 0, "{before} {rest}");
    assert_eq!(before + rest, (0..end + 10).filter(goes).count() as u64);
}

#[test]
fn a_lock_ends_a_job_and_the_next_one_works() {
    let (place, mut writer) = of_days(10);
    let other = place.other();
    other.execute_batch("BEGIN IMMEDIATE").expect("locks");
    let error = Pruning::new(job(rules(5, None), 90)).step(&mut writer).expect_err("locked");
    assert!(matches!(error, IndexError::Busy { .. }), "{error}");
    other.execute_batch("ROLLBACK").expect("unlocks");
    assert_eq!(prune(&mut writer, job(rules(5, None), 90)).rows, 10);
}

fn seal_row(seq: u64) -> SealRow<'static> {
    SealRow {
        seq,
        ts_ns: START,
        epoch: 0,
        first_seq: 0,
        size: seq,
        root: "aa",
        prev: "bb",
        next_pub: "cc",
        reason: "time",
        boot_id: "b",
        boottime_ns: 1,
        line: "{}",
    }
}
