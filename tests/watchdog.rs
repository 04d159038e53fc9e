//! The watchdog is about the disk: the writer's loop comes round only if the disk has taken what was to be written.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::time::Duration;

use auditlogd::fs::faulty::{Fault, Faulty};
use common::eventually;
use common::lab::{event, new_root, now, paths};
use common::running::Running;

/// Between two turns of a writer that has nothing to do, nanoseconds.
const EVERY_NS: u64 = 5_000_000;

#[test]
fn a_writer_that_waits_for_the_disk_does_not_come_round_and_an_idle_one_does() {
    let (root, disk) = (new_root(), Faulty::sound());
    let turns = Arc::new(AtomicU64::new(0));
    let counted = turns.clone();
    let on_turn = Box::new(move |now: auditlogd::clock::Now| {
        counted.fetch_add(1, SeqCst);
        Some(now.boot_ns + EVERY_NS)
    });
    let fs = Arc::new(disk.clone());
    let running = Running::start_watched(fs, root.path(), 1, now(0), |_| {}, on_turn);
    let running = running.expect("the engine starts");
    let comes_round = |more: u64| {
        let so_far = turns.load(SeqCst);
        eventually("the writer comes round", || {
            (turns.load(SeqCst) >= so_far + more).then_some(())
        });
    };
    comes_round(3);

    disk.hang();
    let (told, answer) = channel();
    let on_commit = Box::new(move |result| told.send(result).expect("the test waits"));
    running.submit(&[event("a")], on_commit).expect("there is room");
    eventually("the writer waits for the disk", || (disk.waiting() > 0).then_some(()));
    let so_far = turns.load(SeqCst);
    let waited = answer.recv_timeout(Duration::from_nanos(20 * EVERY_NS));
    assert!(waited.is_err(), "nothing is acknowledged");
    assert_eq!(turns.load(SeqCst), so_far);

    disk.go_on();
    answer.recv().expect("an answer").expect("it is stored");
    comes_round(3);
    running.engine.stop("SIGTERM", Duration::from_secs(60)).expect("it stops");
}

#[test]
fn a_start_whose_first_sync_fails_is_no_start() {
    let start = |fails_at| {
        let root = new_root();
        let disk = Faulty::new(fails_at, Fault::NotDone, std::io::ErrorKind::Other);
        let running = Running::start_on(Arc::new(disk), root.path(), 1, now(0)).ok();
        (running, root)
    };
    let mut last = None;
    for fails_at in 0.. {
        let (running, root) = start(fails_at);
        if running.is_some() {
            break;
        }
        last = Some(root);
    }
    let root = last.expect("a start takes some steps");
    let log = std::fs::read_to_string(paths(root.path()).active()).expect("a log");
    assert!(log.contains("auditlogd.started"), "written, and only the sync was left to do: {log}");
}
