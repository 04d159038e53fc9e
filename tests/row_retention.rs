//! Rows go by their time while the daemon's engine goes on, and a test moves the clock.

#[path = "common/mod.rs"]
mod common;

use std::path::Path;

use auditlogd::engine::{PruneRows, RowsPruned};
use auditlogd::event::FieldMap;
use auditlogd::index::{Filter, Reader};
use auditlogd::record::{Maintained, Record};
use auditlogd::retention::{Hold, Match, Rule, Rules};
use common::running::Running;
use common::{eventually, lab};

const DAY: u64 = 86_400;

fn database(root: &Path) -> std::path::PathBuf {
    lab::paths(root).state_dir.join("audit.db")
}

/// Everything for a day, trades for five years.
fn rules() -> Rules {
    Rules { keep_days: 1, rules: vec![Rule { what: trades(), keep_days: 1_826 }] }
}

fn trades() -> Match {
    Match { event_type: vec!["trade.*".into()], ..Match::default() }
}

/// The rules at the engine's own time, so many days later.
fn job(engine: &Running, rules: Rules, days: u64) -> PruneRows {
    let believed_ns = engine.now().wall_ns + (days * DAY) as i64 * 1_000_000_000;
    PruneRows { rules, believed_ns, holds: Vec::new(), gone: Vec::new() }
}

fn hold_on(actor: &str) -> Hold {
    Hold {
        id: "case-1".into(),
        what: Match { actor: vec![actor.into()], ..Match::default() },
        since_ns: None,
        until_ns: None,
        reason: "an investigation".into(),
        by_uid: 0,
        added: "2026-11-21T01:23:45Z".into(),
    }
}

fn event(event_type: &str, actor: &str) -> String {
    format!(r#"{{"event_type":"{event_type}","actor":"{actor}","action":"does something"}}"#)
}

/// Logins of alice and bob by turns.
fn logins(n: usize) -> Vec<String> {
    (0..n).map(|n| event("auth.login", ["alice", "bob"][n % 2])).collect()
}

/// How many events of an actor there are, or of anybody.
fn count(root: &Path, actor: Option<&str>) -> u64 {
    let reader = Reader::open(&database(root)).expect("opens");
    let filter = Filter { actor: actor.map(Into::into), ..Filter::default() };
    reader.count(&filter).expect("counts")
}

fn prune(engine: &Running, what: PruneRows) -> RowsPruned {
    engine.index().prune(what).expect("is done")
}

/// A running engine with these events in its index.
fn with_events(events: &[String]) -> (tempfile::TempDir, Running) {
    let root = lab::new_root();
    let engine = Running::start(root.path(), 1, lab::now(0));
    for events in events.chunks(1_000) {
        engine.store_all(events).expect("stored");
    }
    engine.wait_until_indexed();
    (root, engine)
}

#[test]
fn rows_go_each_by_its_own_rule_and_stay_as_long_as_a_hold_says() {
    let mut events = logins(10);
    events.extend((0..5).map(|_| event("trade.order", "carol")));
    let (root, engine) = with_events(&events);
    let root = root.path();
    assert_eq!(prune(&engine, job(&engine, rules(), 0)).rows, 0);
    engine.pass(DAY as i64, DAY);
    let held = PruneRows { holds: vec![hold_on("alice")], ..job(&engine, rules(), 0) };
    let done = prune(&engine, held);
    assert_eq!(done.kept_by_hold, 5);
    let of = |actor| count(root, Some(actor));
    assert_eq!([of("alice"), of("bob"), of("carol")], [5, 0, 5]);
    prune(&engine, job(&engine, rules(), 0));
    assert_eq!([of("alice"), of("bob"), of("carol")], [0, 0, 5]);
    prune(&engine, job(&engine, rules(), 1_826));
    assert_eq!(of("carol"), 0);
    engine.stop().expect("stops");
}

#[test]
fn verification_takes_what_the_record_of_a_run_explains_and_nothing_else() {
    let (root, engine) = with_events(&logins(20));
    let rules = Rules { keep_days: 0, ..rules() };
    let done = prune(&engine, job(&engine, rules.clone(), 0));
    let field_map = FieldMap::builtin().hash();
    let run = Maintained { retention: rules.definition(), field_map, ..Maintained::default() };
    assert!(engine.engine.record_durably(Record::Maintained(Box::new(run))));
    engine.pass(10, 10);
    engine.stop().expect("stops");
    assert!(done.rows >= 20);
    let (code, said) = common::verify(root.path());
    assert_eq!(code, Some(0), "{said}");
    let db = rusqlite::Connection::open(database(root.path())).expect("opens");
    let newest = "DELETE FROM event_rows WHERE seq = (SELECT max(seq) FROM events)";
    assert_eq!(db.execute(newest, []), Ok(1));
    let (code, said) = common::verify(root.path());
    assert_eq!(code, Some(4), "{said}");
}

#[test]
fn events_are_indexed_while_a_large_job_goes_on() {
    let old = logins(30_000);
    let (root, engine) = with_events(&old);
    engine.pass(2 * DAY as i64, 2 * DAY);
    let what = job(&engine, rules(), 0);
    let before = engine.metrics.index_head.get();
    let (done, new, indexed) = std::thread::scope(|scope| {
        let index = engine.index();
        let job = scope.spawn(move || index.prune(what).expect("is done"));
        let mut new = 0;
        while !job.is_finished() {
            engine.store(&event("file.read", "dave")).expect("stored");
            new += 1;
        }
        let indexed = engine.metrics.index_head.get() - before;
        (job.join().expect("is done"), new, indexed)
    });
    assert!(done.rows >= 30_000 && done.steps >= done.rows / 1_024, "{done:?}");
    assert!(indexed > 1, "{indexed} of {new}");
    engine.wait_until_indexed();
    assert_eq!(count(root.path(), Some("dave")), new);
    assert_eq!(count(root.path(), Some("alice")), 0);
    engine.stop().expect("stops");
}

#[test]
fn a_job_ends_after_its_step_once_somebody_wants_it_to() {
    let (root, engine) = with_events(&logins(5_000));
    engine.pass(2 * DAY as i64, 2 * DAY);
    let cut = engine.index().prune_until(job(&engine, rules(), 0), &|| true).expect("ends");
    // What was not deleted by then stays as long as nobody asks again.
    let left = count(root.path(), Some("alice"));
    engine.store(&event("file.read", "dave")).expect("stored");
    engine.wait_until_indexed();
    assert_eq!(count(root.path(), Some("alice")), left);
    let rest = prune(&engine, job(&engine, rules(), 0));
    assert!(cut.rows + rest.rows >= 5_000, "{} {}", cut.rows, rest.rows);
    assert_eq!(count(root.path(), Some("alice")), 0);
    engine.stop().expect("stops");
}

#[test]
fn what_a_reindex_brings_back_goes_again() {
    let (root, engine) = with_events(&logins(100));
    engine.pass(2 * DAY as i64, 2 * DAY);
    let first = prune(&engine, job(&engine, rules(), 0));
    assert_eq!(count(root.path(), None), 0);
    engine.index().reindex();
    eventually("it is built anew", || (engine.metrics.index_rebuilds.get() == 1).then_some(()));
    engine.wait_until_indexed();
    assert_eq!(count(root.path(), None), first.rows);
    assert_eq!(prune(&engine, job(&engine, rules(), 0)).rows, first.rows);
    engine.stop().expect("stops");
}

#[test]
fn a_job_that_a_stop_cuts_short_is_done_after_the_next_start() {
    let (root, engine) = with_events(&logins(20_000));
    let what = job(&engine, rules(), 2);
    let index = engine.index();
    let first = std::thread::scope(|scope| {
        let job = scope.spawn(|| index.prune(what.clone()));
        let begun = || count(root.path(), Some("alice")) < 10_000;
        eventually("it has begun", || (begun() || job.is_finished()).then_some(()));
        engine.stop().expect("stops");
        job.join().expect("ends")
    });
    assert!(first.as_ref().is_err_and(|e| e.contains("stopping")), "{first:?}");
    assert!(index.prune(what.clone()).is_err(), "nobody does it any more");
    let left = count(root.path(), Some("alice"));
    let engine = Running::start(root.path(), 1, lab::now(DAY));
    engine.wait_until_indexed();
    assert!(left > 0 && prune(&engine, what).rows >= 2 * left);
    assert_eq!(count(root.path(), Some("alice")), 0);
    engine.stop().expect("stops");
}

#[test]
fn a_database_that_is_locked_or_gone_ends_a_job_with_the_reason() {
    let (root, engine) = with_events(&logins(10));
    let what = job(&engine, rules(), 2);
    let other = rusqlite::Connection::open(database(root.path())).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("locks");
    let said = engine.index().prune(what.clone()).expect_err("it is locked");
    assert!(said.contains("locked by another program"), "{said}");
    other.execute_batch("ROLLBACK").expect("unlocks");
    assert!(prune(&engine, what.clone()).rows > 10);
    drop(other);
    std::fs::remove_file(database(root.path())).expect("deletes");
    let said = engine.index().prune(what.clone()).expect_err("it is gone");
    assert!(said.contains("was deleted or replaced"), "{said}");
    // Then it is made again by itself.
    eventually("rows are deleted again", || engine.index().prune(what.clone()).ok());
    assert!(database(root.path()).is_file());
    engine.stop().expect("stops");
}

#[test]
fn a_long_reader_neither_keeps_rows_nor_events_from_their_way_and_is_shown() {
    let (root, engine) = with_events(&logins(1));
    let held = || engine.metrics.wal_held_bytes.get();
    assert_eq!(held(), 0);
    let reader = rusqlite::Connection::open(database(root.path())).expect("opens");
    reader.execute_batch("BEGIN; SELECT count(*) FROM events").expect("reads");
    // A checkpoint is due after 60 MB.
    let pad = "x".repeat(9_000);
    let events: Vec<_> =
        (0..100).map(|n| format!(r#"{{"actor":"alice","n":{n},"pad":"{pad}"}}"#)).collect();
    for _ in 0..80 {
        engine.store_all(&events).expect("stored");
    }
    engine.wait_until_indexed();
    assert!(held() > 0, "somebody reads");
    let problems = engine.metrics.problems.list();
    assert!(problems.iter().any(|problem| problem.about == "index reader"), "{problems:?}");
    let what = PruneRows { rules: Rules::of_days(1), ..job(&engine, rules(), 2) };
    assert!(prune(&engine, what).rows > 8_000, "there is room enough");
    reader.execute_batch("COMMIT").expect("ends");
    engine.store_all(&events).expect("stored");
    eventually("nobody holds it", || (held() == 0).then_some(()));
    let space = Reader::open(&database(root.path())).and_then(|reader| reader.space());
    let space = space.expect("tells");
    assert!(space.bytes > 0 && space.free_bytes < space.bytes && space.wal_bytes > 0, "{space:?}");
    engine.stop().expect("stops");
}
