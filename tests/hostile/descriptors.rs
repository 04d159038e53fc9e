//! Descriptors: those that clients take up, and those that they pass.

use std::io::{ErrorKind, IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::common::manager::Manager;
use crate::common::{Client, Daemon, eventually};
use crate::{open_files, stops_clean};

/// What the daemon may have open.
const LIMIT: usize = 128;

/// `auditlog` does what it is asked for.
fn does(daemon: &Daemon, args: &[&str]) {
    let output = daemon.tool(args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {said}\n{}", daemon.log());
}

#[test]
fn clients_that_open_all_they_can_leave_the_daemon_what_it_needs_itself() {
    let prlimit = format!("--nofile={LIMIT}:{LIMIT}");
    let root = tempfile::tempdir().expect("temporary directory");
    let daemon = Daemon::start_under(&["prlimit", &prlimit], root, "[quota]\nconnections = 4096\n");
    let mut served = daemon.greeted();
    let crowd: Vec<_> = (0..400).map(|_| daemon.connect()).collect();
    eventually("it says so", || daemon.log().contains("raise LimitNOFILE=").then_some(()));
    for round in 0..3 {
        served.store("{\"event_type\":\"served\"}", round * 2 + 1);
        does(&daemon, &["rotate"]);
        does(&daemon, &["maintain"]);
        does(&daemon, &["reload"]);
        does(&daemon, &["status"]);
        does(&daemon, &["query", "--type", "served"]);
        served.store("{\"event_type\":\"served\"}", round * 2 + 2);
    }
    daemon.settle();
    let open = open_files(&daemon).len();
    assert!(open < LIMIT - 16, "{open}");
    let said = daemon.log();
    assert!(!said.contains("Too many open files"), "{said}");
    assert_eq!(said.matches("no more connections").count(), 1, "{said}");

    drop(crowd);
    daemon.greeted().store("{\"event_type\":\"served\"}", 1);
    stops_clean(daemon);
}

/// A start needs no more descriptors than a daemon that runs.
#[test]
fn a_daemon_with_few_descriptors_recovers_from_a_kill_among_its_clients() {
    let prlimit = ["prlimit", "--nofile=72:72"];
    let root = tempfile::tempdir().expect("temporary directory");
    let daemon = Daemon::start_under(&prlimit, root, "[quota]\nconnections = 4096\n");
    let mut client = daemon.greeted();
    client.store("{\"event_type\":\"before\"}", 1);
    let crowd: Vec<_> = (0..100).map(|_| daemon.connect()).collect();
    let daemon = Daemon::start_under(&prlimit, daemon.kill(), "[quota]\nconnections = 4096\n");
    drop(crowd);
    daemon.greeted().store("{\"event_type\":\"after\"}", 1);
    assert_eq!(daemon.records("recovered").len(), 1);
    does(&daemon, &["rotate"]);
}

/// Sends an event, and with it a descriptor of which the test has no copy any more.
fn pass(client: &Client, line: &str) -> UnixStream {
    let (passed, kept) = UnixStream::pair().expect("a pair");
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let fds = [passed.as_fd(), client.stream.as_fd()];
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&fds)));
    let bytes = [IoSlice::new(line.as_bytes())];
    let sent = sendmsg(&client.stream, &bytes, &mut ancillary, SendFlags::empty());
    assert_eq!(sent, Ok(line.len()));
    kept
}

fn passed_descriptors_are_closed(daemon: &Daemon) {
    let mut client = daemon.greeted();
    let before = open_files(daemon).len();
    let mut kept = Vec::new();
    for n in 0..200 {
        kept.push(pass(&client, &format!("{{\"event_type\":\"passed\",\"n\":{n}}}\n")));
        kept.push(pass(&client, "\n"));
    }
    // Half a line is not consumed as the others are.
    kept.push(pass(&client, "{\"event_type\":\"passed\","));
    kept.push(pass(&client, "\"n\":200}\n"));
    client.replies_to(201);
    for mut other in kept {
        other.set_nonblocking(true).expect("sets the mode");
        eventually("nobody has the other end", || match other.read(&mut [0]) {
            Ok(0) => Some(()),
            Err(e) if e.kind() == ErrorKind::WouldBlock => None,
            read => panic!("{read:?}"),
        });
    }
    // The index may have opened a file meanwhile; of what was passed there are hundreds.
    assert!(open_files(daemon).len() < before + 10);
    let numbers: Vec<_> = daemon.events().iter().map(|e| e["event"]["n"].as_u64()).collect();
    assert_eq!(numbers, (0..=200).map(Some).collect::<Vec<_>>());
}

#[test]
fn descriptors_that_clients_pass_are_closed_and_cost_no_event() {
    let daemon = Daemon::start();
    passed_descriptors_are_closed(&daemon);
    stops_clean(daemon);
    passed_descriptors_are_closed(&Manager::start_new());
}
