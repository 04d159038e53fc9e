//! What an end that is none may have cost is a record of its own, and nothing else is.

use std::io::Write;
use std::time::{Duration, Instant};

use auditlogd::record::Record;

use crate::common::lab::{self, PEER};
use crate::common::manager::{End, Manager, Unit};
use crate::common::running::Running;
use crate::common::{Daemon, eventually};
use crate::{account, assert_adds_up, gaps, sums};

#[test]
fn a_kill_without_a_service_manager_is_a_gap_with_bounds_and_a_stop_is_none() {
    let daemon = Daemon::start();
    let ack = daemon.greeted().store("{}", 1);
    let daemon = Daemon::start_in(daemon.stop().daemon.kill(), "");
    daemon.greeted().store("{}", 1);
    assert_eq!(gaps(&account(daemon.root()).1), []);

    let daemon = Daemon::start_in(daemon.kill(), "");
    let (code, said) = account(daemon.root());
    assert_eq!(code, 5, "{said:#}");
    assert_adds_up(&said);
    let found = gaps(&said);
    assert!(matches!(&found[..], [(reason, 1..)] if reason == "killed"), "{found:?}");
    assert_eq!(sums(&said["total"]), [2, 0, 0, 0, 0], "what may be missing is in no sum");
    let records = daemon.records("gap");
    let gap = &records[0]["event"];
    assert_eq!((&gap["data"]["exact"], &gap["priority"]), (&false.into(), &"warning".into()));
    let (since, until) = (gap["data"]["since"].as_str(), gap["data"]["until"].as_str());
    assert!(since < until, "{gap}");
    // It begins with the last line that is durable.
    let lines = daemon.lines();
    let last = lines.iter().rev().find(|line| line["event"] == serde_json::json!({}));
    assert_eq!(last.expect("the event")["ts"].as_str(), since);
    assert!(ack["ack"]["seq"].is_u64());
}

#[test]
fn a_kill_over_which_all_connections_are_kept_is_no_gap() {
    let mut manager = Manager::start_new();
    let mut client = manager.greeted();
    manager.await_kept(1);
    client.store("{}", 1);
    manager.end(End::Kill);
    client.send("{}\n");
    manager.start();
    client.replies_to(2);
    let (code, said) = account(manager.root());
    assert_eq!((code, gaps(&said)), (0, vec![]), "{said:#}");
    assert_eq!(sums(&said["total"]), [2, 0, 0, 0, 0]);
}

#[test]
fn a_connection_that_was_not_kept_is_the_bound_of_the_gap() {
    let mut manager = Manager::with(Unit { store_max: 2, ..Unit::default() });
    let _kept = manager.greeted();
    manager.await_kept(1);
    let bound = |manager: &mut Manager, beyond: usize| {
        let mut clients: Vec<_> = (0..beyond).map(|_| manager.greeted()).collect();
        clients.iter_mut().for_each(|client| drop(client.store("{}", 1)));
        manager.again(End::Kill);
        gaps(&account(manager.root()).1).last().map(|(_, events)| *events)
    };
    let (one, three) =
        (bound(&mut manager, 1).expect("a gap"), bound(&mut manager, 3).expect("one"));
    assert!(one < three, "{one} events of one connection, {three} of three");
    let found = gaps(&account(manager.root()).1).len();
    assert_eq!(bound(&mut manager, 0), Some(three), "no connection, no other gap");
    assert_eq!(gaps(&account(manager.root()).1).len(), found);
}

#[test]
fn refused_lines_that_no_summary_counts_after_a_kill_are_a_gap() {
    let config = "[ingest]\nreject_records_burst = 1\nreject_records_per_second = 1\n";
    let mut manager = Manager::with_config(config);
    let mut client = manager.greeted();
    manager.await_kept(1);
    client.send("bad\n".repeat(100) + "{}\n");
    client.replies_to(101);
    manager.end(End::Kill);
    let [.., summarised] = {
        let (_, said) = account(manager.root());
        let [stored, _, refused, summarised, _] = sums(&said["total"]);
        assert_eq!(stored, 1);
        [refused, summarised]
    };
    manager.start();
    let (code, said) = account(manager.root());
    let [_, _, refused, ..] = sums(&said["total"]);
    let left = 100 - refused - summarised;
    assert_eq!((code, gaps(&said)), (5, vec![("not_summarised".into(), left)]), "{said:#}");
    // It is told once.
    manager.again(End::Kill);
    assert_eq!(gaps(&account(manager.root()).1).len(), 1);
}

#[test]
fn a_crash_of_the_host_is_a_gap_from_the_last_line_to_the_start() {
    let mut lab = lab::Lab::new();
    lab.open();
    lab.store(0..3);
    let since = lab.clock.wall_ns;
    lab.reboot();
    let (root, now) = (lab.root().to_owned(), lab.clock);
    let running = Running::start(&root, 77, now);
    running.stop().expect("stopped");
    let (code, said) = account(&root);
    assert_eq!(code, 5, "{said:#}");
    let gap = &said["gaps"][0];
    assert_eq!(gap["reason"], "host_crash");
    assert!(gap["because"].as_str().expect("text").starts_with("the host went down"), "{gap}");
    assert_eq!(gap["until"], auditlogd::clock::rfc3339(now.wall_ns));
    assert_eq!(gap["since"], auditlogd::clock::rfc3339(since));
}

#[test]
fn events_that_are_known_to_be_missing_are_in_the_sums_of_their_user() {
    let root = lab::new_root();
    let running = Running::start(root.path(), 1, lab::now(0));
    running.metrics.accounts.of(0).lines.add(8);
    running.store_all(&["{}"; 3]).expect("stored");
    let (since, until) =
        ("2026-11-21T01:23:45.000000000Z".to_owned(), "2026-11-21T01:23:46.000000000Z");
    let gap = |uid, exact| Record::Gap {
        reason: "disk_full",
        uid,
        events: 5,
        bytes: 500,
        exact,
        since: since.clone(),
        until: until.into(),
    };
    for record in [gap(Some(0), true), gap(Some(0), false), gap(None, true)] {
        assert!(running.writer().record_durably(record));
    }
    running.stop().expect("stopped");
    let (code, said) = account(root.path());
    assert_eq!((code, sums(&said["total"])), (5, [3, 0, 0, 0, 5]), "{said:#}");
    assert_adds_up(&said);
    assert_eq!(gaps(&said).len(), 3);
    assert!(said["sentence"].as_str().expect("text").contains("5 events"), "{said:#}");
    assert!(PEER.contains("\"uid\":0"));
}

#[test]
fn a_client_that_reads_no_replies_loses_what_it_sent_since_and_that_is_a_gap_of_its_user() {
    let daemon = Daemon::start();
    let client = daemon.greeted();
    client.stream.set_nonblocking(true).expect("set");
    let mut full = Instant::now();
    eventually("no more is taken in", || {
        while (&client.stream).write(b"x\nx\nx\nx\n").is_ok() {
            full = Instant::now();
        }
        (full.elapsed() > Duration::from_secs(1)).then_some(())
    });
    let ended = daemon.stop().daemon;
    assert_eq!(ended.records("disconnected").len(), 1);
    let (code, said) = account(ended.root());
    let found = gaps(&said);
    assert!(matches!(&found[..], [(reason, 1..)] if reason == "replies_not_read"), "{said:#}");
    assert_eq!((code, &said["gaps"][0]["uid"]), (5, &nix::unistd::getuid().as_raw().into()));
    assert_adds_up(&said);
}
