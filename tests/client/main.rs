//! The client for applications, against real daemons that die and come back, and against things that are none.

#[path = "../common/mod.rs"]
mod common;
mod emit;
mod stand_in;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use auditlogd::client::{Client, MIN_SPOOL_BYTES, Options, SendError, Sent, SpoolError};
use common::traffic::segments;
use common::{Daemon, LONG, eventually};
use serde_json::Value;

/// Options for the daemon below `root`, with the spool `root/spool`.
fn spooling(root: &Path) -> Options {
    Options::new(root.join("run/auditd.sock")).spool(root.join("spool"))
}

fn event(n: u64) -> String {
    format!(r#"{{"event_type":"client","n":{n}}}"#)
}

/// The `n` of the events in the ledger, in its order.
fn stored(root: &Path) -> Vec<u64> {
    let lines = segments(root).into_iter().flat_map(|segment| segment.lines);
    lines.filter_map(|line| line["event"]["n"].as_u64()).collect()
}

/// Fails unless the ledger has each event up to this one exactly once, in their order.
fn assert_once(root: &Path, events: u64) {
    let mut times = BTreeMap::<u64, u64>::new();
    let stored = stored(root);
    for n in &stored {
        *times.entry(*n).or_default() += 1;
    }
    let wrong: Vec<_> = (1..=events).filter(|n| times.get(n) != Some(&1)).take(5).collect();
    assert!(wrong.is_empty(), "not stored exactly once: {wrong:?} of {events}");
    assert!(stored.is_sorted() && stored.len() as u64 == events, "the order of {events} events");
}

/// Starts a daemon below the directory of one that was killed or never was.
fn start(root: tempfile::TempDir) -> Daemon {
    Daemon::start_in(root, "")
}

fn new_root() -> tempfile::TempDir {
    tempfile::tempdir().expect("temporary directory")
}

#[test]
fn what_was_sent_before_there_was_a_daemon_is_stored_once_there_is_one() {
    let root = new_root();
    let mut log = Client::open(Options::new(root.path().join("run/auditd.sock"))).expect("opens");
    for n in 1..=20 {
        assert_eq!(log.send(event(n)).expect("taken"), Sent::OnItsWay);
    }
    let left = log.flush(Duration::ZERO).expect_err("nobody is there");
    assert_eq!((left.in_memory, left.spooled), (20, 0));
    assert!(left.to_string().contains("no daemon answers"), "{left}");
    let daemon = start(root);
    log.flush(LONG).expect("acknowledged");
    assert_once(daemon.root(), 20);
    assert_eq!((log.counts().accepted, log.counts().in_memory), (20, 0));
    assert!(log.receipt().is_some_and(|receipt| receipt.mac.len() == 64));
    let line = daemon.events().pop().expect("stored");
    let (id, given) = (line["id"].as_str(), line["event"]["event_id"].as_str());
    assert!(id == given && id.is_some_and(|id| id.len() == 36), "{line}");
    let at: jiff::Timestamp =
        line["event"]["timestamp"].as_str().expect("a time").parse().expect("RFC 3339");
    assert!(at.as_second() > 1_700_000_000);
}

#[test]
fn a_spool_outlives_its_process_and_is_sent_first() {
    let root = new_root();
    let mut log = Client::open(spooling(root.path())).expect("opens");
    for n in 1..=5 {
        assert_eq!(log.send(event(n)).expect("taken"), Sent::Spooled);
    }
    // As if killed: nothing is done on the way out that was not done before.
    std::mem::forget(log);
    let spool = fs::read_to_string(root.path().join("spool")).expect("a spool");
    fs::remove_file(root.path().join("spool")).expect("removes");
    fs::write(root.path().join("spool"), spool + "{\"event_type\":\"torn\",\"n\":9")
        .expect("writes");

    let mut log = Client::open(spooling(root.path())).expect("opens");
    log.send(event(6)).expect("taken");
    assert_eq!((log.counts().spooled, log.counts().torn), (6, 26));
    assert_eq!(log.close(Duration::ZERO).expect("all are kept"), 6);

    let daemon = start(root);
    let mut log = Client::open(spooling(daemon.root())).expect("opens");
    log.send(event(7)).expect("taken");
    log.flush(LONG).expect("acknowledged");
    assert_once(daemon.root(), 7);
    assert_eq!(fs::metadata(daemon.root().join("spool")).expect("there").len(), 0);
}

/// Ends the sender, also where its test has failed.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Sends while the daemon is killed again and again; how many events were sent.
fn send_under_kills(options: Options, root: tempfile::TempDir) -> (Daemon, u64) {
    let (stop, sent, full) = (AtomicBool::new(false), AtomicU64::new(0), AtomicBool::new(false));
    let mut daemon = start(root);
    let daemon = std::thread::scope(|scope| {
        let end = Stop(&stop);
        let sender = scope.spawn(|| {
            let mut log = Client::open(options).expect("opens");
            while !stop.load(Relaxed) {
                // One that is not taken is tried again, as a caller would who must not lose it.
                match log.send(event(sent.load(Relaxed) + 1)) {
                    Ok(_) => drop(sent.fetch_add(1, Relaxed)),
                    Err(SendError::Full { .. }) => {
                        full.store(true, Relaxed);
                        std::thread::yield_now();
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            log.flush(LONG).expect("acknowledged");
            assert_eq!(log.counts().accepted, sent.load(Relaxed));
        });
        for _ in 0..3 {
            let wanted = sent.load(Relaxed) + 300;
            eventually("more is sent", || {
                (sent.load(Relaxed) >= wanted || sender.is_finished()).then_some(())
            });
            let root = daemon.kill();
            full.store(false, Relaxed);
            let wanted = sent.load(Relaxed) + 20;
            // A quick sender may have filled its memory before anybody looked.
            let enough = || sent.load(Relaxed) >= wanted || full.load(Relaxed);
            eventually("more is sent", || (enough() || sender.is_finished()).then_some(()));
            daemon = start(root);
        }
        drop(end);
        sender.join().expect("the sender ends well");
        daemon
    });
    (daemon, sent.into_inner())
}

#[test]
fn under_kills_each_event_is_stored_exactly_once() {
    let root = new_root();
    let options = Options::new(root.path().join("run/auditd.sock"));
    let (daemon, sent) = send_under_kills(options, root);
    assert_once(daemon.root(), sent);
}

#[test]
fn under_kills_each_event_is_stored_exactly_once_by_way_of_the_spool() {
    let root = new_root();
    let options = spooling(root.path());
    let (daemon, sent) = send_under_kills(options, root);
    assert_once(daemon.root(), sent);
    assert_eq!(fs::metadata(daemon.root().join("spool")).expect("there").len(), 0);
}

#[test]
fn a_refused_event_is_told_once_and_never_sent_again() {
    let daemon = Daemon::start();
    let mut log = Client::open(spooling(daemon.root())).expect("opens");
    log.send(event(1)).expect("taken");
    log.send("{no JSON").expect("taken");
    log.send(r#"{"event_type":"auditlogd.own"}"#).expect("taken");
    log.send(event(2)).expect("taken");
    log.flush(LONG).expect("answered");
    let rejections = log.rejections();
    let told: Vec<_> = rejections.iter().map(|r| (r.number, r.code.as_str())).collect();
    assert_eq!(told, [(Some(2), "invalid_json"), (Some(3), "reserved_type")]);
    assert_eq!(rejections[0].event, b"{no JSON");
    let daemon = start(daemon.kill());
    log.send(event(3)).expect("taken");
    log.flush(LONG).expect("answered");
    assert_eq!((log.counts().rejected, log.rejections().len()), (2, 0));
    assert_eq!(daemon.records("rejected").len(), 2);
    assert_eq!(stored(daemon.root()), [1, 2, 3]);
}

#[test]
fn a_full_spool_is_an_error_that_loses_nothing() {
    let root = new_root();
    let options = spooling(root.path()).spool_bytes(1);
    let mut log = Client::open(options).expect("opens");
    let padding = "x".repeat(10_000);
    let padded = |n| format!(r#"{{"n":{n},"padding":"{padding}"}}"#);
    let mut taken = 0;
    let error = loop {
        match log.send(padded(taken + 1)) {
            Ok(sent) => assert_eq!(sent, Sent::Spooled),
            Err(error) => break error,
        }
        taken += 1;
    };
    assert!(matches!(error, SendError::Spool(SpoolError::Full { .. })), "{error}");
    assert!(error.to_string().contains("is full"), "{error}");
    assert!(fs::metadata(root.path().join("spool")).expect("there").len() <= MIN_SPOOL_BYTES);
    assert_eq!((log.counts().failed, log.counts().spooled), (1, taken));
    // Small ones may still fit; the order stays that of what was taken.
    let daemon = start(root);
    log.flush(LONG).expect("acknowledged");
    log.send(padded(taken + 1)).expect("taken");
    log.close(LONG).expect("acknowledged");
    assert_once(daemon.root(), taken + 1);
}

#[test]
fn memory_without_a_spool_is_bounded_too() {
    let root = new_root();
    let mut log = Client::open(Options::new(root.path().join("none"))).expect("opens");
    let large = format!(r#"{{"padding":"{}"}}"#, "x".repeat(1_000_000));
    let start = Instant::now();
    let mut taken = 0;
    let error = loop {
        match log.send(&large) {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, SendError::Full { waiting, .. } if waiting == taken), "{error}");
    assert_eq!((taken, log.counts().failed), (8, 1));
    assert!(start.elapsed() < LONG);
    let left = log.close(Duration::ZERO).expect_err("lost");
    assert_eq!(left.in_memory, taken);
}

#[test]
fn an_event_that_is_none_is_an_error_at_once() {
    let root = new_root();
    let mut log = Client::open(Options::new(root.path().join("none"))).expect("opens");
    for bad in ["", " \n ", "{}\n{}"] {
        assert!(matches!(log.send(bad), Err(SendError::NotOneLine(_))), "{bad:?}");
    }
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(2_000_000));
    assert!(matches!(log.send(long), Err(SendError::TooLong { longest: 1_048_576, .. })));
    assert_eq!((log.counts().failed, log.counts().in_memory), (4, 0));
}

#[test]
fn why_there_is_no_daemon_is_told() {
    let root = new_root();
    let long = root.path().join("x".repeat(200));
    fs::write(root.path().join("file"), "").expect("writes");
    for (socket, says) in [
        (root.path().join("none"), "No such file"),
        (root.path().join("file"), "Connection refused"),
        (long, "File name too long"),
    ] {
        let mut log = Client::open(Options::new(&socket)).expect("opens");
        log.send(event(1)).expect("taken");
        let left = log.close(Duration::ZERO).expect_err("lost");
        assert!(left.to_string().contains(says), "{socket:?}: {left}");
    }
}

#[test]
fn a_spool_is_one_clients_and_nothing_else_is_taken_for_one() {
    let root = new_root();
    let log = Client::open(spooling(root.path())).expect("opens");
    let second = Client::open(spooling(root.path())).expect_err("in use");
    assert!(second.to_string().contains("is in use by another process"), "{second}");
    drop(log);
    fs::write(root.path().join("spool"), "my notes\n").expect("writes");
    let error = Client::open(spooling(root.path())).expect_err("no spool");
    assert!(error.to_string().contains("is no spool"), "{error}");
    assert_eq!(fs::read(root.path().join("spool")).expect("reads"), b"my notes\n");
}

#[test]
fn a_client_may_be_dropped_and_what_it_has_is_spooled() {
    let root = new_root();
    let listener = stand_in::Listener::below(root.path());
    let mut log = Client::open(spooling(root.path())).expect("opens");
    // On its way, to somebody who never answers.
    assert_eq!(log.send(event(1)).expect("taken"), Sent::OnItsWay);
    drop(log);
    drop(listener);
    let spool = fs::read_to_string(root.path().join("spool")).expect("a spool");
    let line: Value = serde_json::from_str(spool.lines().nth(1).expect("an event")).expect("JSON");
    assert_eq!(line["n"], 1);
}
