//! What passes by itself: a lock, a reader, a disk with too little room. Nothing is lost meanwhile, and nobody has to
//! ask twice.

use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;

use rusqlite::Connection;

use crate::common::running::Running;
use crate::common::{Daemon, eventually, lab};
use crate::{check, store, wait_until_sound};

fn open(root: &Path) -> Connection {
    Connection::open(root.join("var/lib/auditlogd/audit.db")).expect("opens")
}

/// Waits until the list of problems says this.
fn wait_until_said(engine: &Running, sentence: &str) {
    eventually(sentence, || {
        let problems = engine.metrics.problems.list();
        problems.iter().any(|problem| problem.to_string().contains(sentence)).then_some(())
    });
}

fn wait_until_well(engine: &Running) {
    eventually("nothing is wrong", || engine.metrics.problems.list().is_empty().then_some(()));
    engine.wait_until_indexed();
}

#[test]
fn a_lock_is_named_while_it_is_held_and_events_go_on() {
    let daemon = Daemon::start();
    daemon.settle();
    let other = open(daemon.root());
    let lock = || other.execute_batch("BEGIN EXCLUSIVE").ok();
    eventually("it is locked", lock);
    store(&daemon, 50);
    eventually("the lock is named", || {
        let (code, line) = check(daemon.root());
        (code == Some(1) && line.contains("is locked by another program")).then_some(())
    });
    // However often it is tried and asked for, it is said once.
    (0..20).for_each(|_| drop(check(daemon.root())));
    assert_eq!(daemon.log().matches("the index waits").count(), 1, "{}", daemon.log());
    other.execute_batch("ROLLBACK").expect("unlocks");
    drop(other);
    wait_until_sound(&daemon, "unlocked");
    assert_eq!(daemon.log().matches("the index goes on").count(), 1, "{}", daemon.log());
}

#[test]
fn a_rebuild_that_is_asked_for_while_the_database_is_locked_comes_when_it_is_not() {
    let root = lab::new_root();
    let engine = Running::start(root.path(), 1, lab::now(0));
    engine.wait_until_indexed();
    let other = open(root.path());
    other.execute_batch("BEGIN IMMEDIATE").expect("locks");
    engine.index().reindex();
    wait_until_said(&engine, "is locked by another program");
    engine.store(r#"{"n":1}"#).expect("stored");
    assert_eq!(engine.metrics.index_rebuilds.get(), 0);
    other.execute_batch("ROLLBACK").expect("unlocks");
    eventually("it is rebuilt", || (engine.metrics.index_rebuilds.get() == 1).then_some(()));
    wait_until_well(&engine);
    engine.stop().expect("stops");
}

#[test]
fn an_index_without_room_waits_and_leaves_it_to_the_log() {
    let root = lab::new_root();
    let engine = Running::start(root.path(), 1, lab::now(0));
    engine.wait_until_indexed();
    let before = engine.reserve.swap(u64::MAX, Relaxed);
    assert!(before > 0, "something is left to the log");
    engine.store(r#"{"n":1}"#).expect("stored");
    wait_until_said(&engine, "bytes are free for the index");
    assert!(engine.metrics.index_head.get() < engine.metrics.ledger_head.get());
    engine.store(r#"{"n":2}"#).expect("stored");
    engine.reserve.store(before, Relaxed);
    wait_until_well(&engine);
    engine.stop().expect("stops");
}

#[test]
fn an_idle_daemon_is_looked_at_when_somebody_asks() {
    let root = lab::new_root();
    let engine = Running::start(root.path(), 1, lab::now(0));
    engine.wait_until_indexed();
    open(root.path()).execute_batch("UPDATE meta SET indexed = indexed + 1").expect("is accepted");
    assert_eq!(engine.metrics.problems.list(), []);
    engine.index().look();
    wait_until_said(&engine, "another program wrote");
    engine.stop().expect("stops");
}
