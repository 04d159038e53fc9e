//! A daemon that is killed in the middle of its work, and one that is stopped.

mod common;

use common::traffic::{Traffic, assert_stored};
use common::{Daemon, verify};

#[test]
fn nothing_acknowledged_is_lost_or_doubled_by_kills_under_load() {
    let mut daemon = Daemon::start();
    let mut acknowledged = Vec::new();
    for round in 0..5 {
        let traffic = Traffic::start(&daemon, &format!("round{round}"), 4);
        traffic.more(500);
        let root = daemon.kill();
        acknowledged.extend(traffic.finish());
        daemon = Daemon::start_in(root, "");
        daemon.settle();
        assert_stored(daemon.root(), &acknowledged);
        assert_eq!(daemon.records("recovered").len(), round + 1);
    }
    let stopped = daemon.stop();
    let (code, said) = verify(stopped.daemon.root());
    assert_eq!(code, Some(5), "{said}");
    assert!(said.starts_with("INCOMPLETE: the daemon was killed or crashed"), "{said}");
    assert!(!said.contains("TAMPERED"), "{said}");
}

#[test]
fn a_restart_after_a_stop_leaves_no_doubt() {
    let daemon = Daemon::start();
    let traffic = Traffic::start(&daemon, "before", 4);
    let acknowledged = traffic.finish();
    let stopped = daemon.stop();
    assert_eq!(verify(stopped.daemon.root()).0, Some(0));
    let daemon = Daemon::start_in(stopped.daemon.kill(), "");
    daemon.settle();
    assert_stored(daemon.root(), &acknowledged);
    assert!(daemon.records("recovered").is_empty());
    let (code, said) = verify(daemon.root());
    assert_eq!(code, Some(0), "{said}");
}
