//! `auditlog emit` while the daemon comes and goes.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use auditlogd::client::Client;

use super::{Daemon, assert_once, event, eventually, fs, new_root, spooling, start, stored};

fn spawn(root: &Path, args: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_auditlog"));
    command.env_clear().arg("--root").arg(root).arg("emit").args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("auditlog runs")
}

/// `auditlog emit` with these events; its exit code, and what it said.
fn emit(root: &Path, args: &[&str], events: std::ops::RangeInclusive<u64>) -> (i32, String) {
    let mut child = spawn(root, args);
    let lines: String = events.map(|n| event(n) + "\n").collect();
    // It may have ended already.
    let _ = child.stdin.take().expect("a pipe").write_all(lines.as_bytes());
    said(&child.wait_with_output().expect("waits"))
}

fn said(output: &Output) -> (i32, String) {
    let text = [&output.stdout[..], &output.stderr].concat();
    (output.status.code().expect("no signal"), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn events_of_several_commands_wait_in_the_spool_and_are_sent_by_the_next() {
    let root = new_root();
    let spool = root.path().join("spool");
    let args = ["--spool", spool.to_str().expect("text")];
    let (code, text) = emit(root.path(), &args, 1..=2);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("2 events kept in '") && text.contains("next `auditlog emit"), "{text}");
    let (code, text) = emit(root.path(), &args, 3..=3);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("holds 2 events of before") && text.contains("3 events kept"), "{text}");

    let daemon = start(root);
    let (code, text) = emit(daemon.root(), &args, 4..=4);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("4 accepted, 0 rejected, last seq "), "{text}");
    assert_once(daemon.root(), 4);
    assert_eq!(fs::metadata(&spool).expect("there").len(), 0);
    let json = [&args[..], &["--format", "json", "--quiet"]].concat();
    let (code, text) = emit(daemon.root(), &json, 5..=5);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains(r#""spooled":0}"#), "{text}");
}

#[test]
fn a_full_spool_fails_and_says_from_where_to_send_again() {
    let root = new_root();
    let spool = root.path().join("spool");
    let args = ["--spool", spool.to_str().expect("text"), "--spool-bytes", "131072"];
    let (code, text) = emit(root.path(), &args, 1..=5_000);
    assert_eq!(code, 3, "{text}");
    let from = text.trim_end().rsplit(' ').next().and_then(|n| n.parse::<u64>().ok());
    let from = from.unwrap_or_else(|| panic!("{text}"));
    assert!(text.contains("is full") && text.contains(" events kept in '"), "{text}");
    let daemon = start(root);
    let (code, text) = emit(daemon.root(), &args, from..=5_000);
    assert_eq!(code, 0, "{text}");
    assert_once(daemon.root(), 5_000);
}

#[test]
fn a_wait_bridges_the_time_without_a_daemon() {
    let root = new_root();
    let mut child = spawn(root.path(), &["--wait", "600"]);
    let mut input = child.stdin.take().expect("a pipe");
    let mut send = |n: u64| input.write_all((event(n) + "\n").as_bytes()).expect("read");
    send(1);
    let daemon = start(root);
    eventually("the first is stored", || (stored(daemon.root()) == [1]).then_some(()));
    let root = daemon.kill();
    send(2);
    let daemon = start(root);
    send(3);
    drop(input);
    let (code, text) = said(&child.wait_with_output().expect("waits"));
    assert_eq!((code, text.contains("3 accepted, 0 rejected")), (0, true), "{text}");
    assert_once(daemon.root(), 3);
}

#[test]
fn a_wait_has_an_end() {
    let root = new_root();
    let (code, text) = emit(root.path(), &["--wait", "1"], 1..=2);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("run/auditd.sock") && text.contains("start auditlogd"), "{text}");
}

#[test]
fn a_spool_that_another_has_is_waited_for() {
    let daemon = Daemon::start();
    let log = Client::open(spooling(daemon.root())).expect("opens");
    let spool = daemon.root().join("spool");
    let mut child = spawn(daemon.root(), &["--spool", spool.to_str().expect("text")]);
    // It is read only once the spool is there.
    child.stdin.take().expect("a pipe").write_all(event(1).as_bytes()).expect("fits into the pipe");
    assert!(child.try_wait().expect("waits").is_none());
    assert!(stored(daemon.root()).is_empty());
    drop(log);
    let (code, text) = said(&child.wait_with_output().expect("waits"));
    assert_eq!(code, 0, "{text}");
    assert_once(daemon.root(), 1);
}

#[test]
fn a_line_that_is_longer_than_anything_is_named_and_the_others_are_stored() {
    let daemon = Daemon::start();
    let mut child = spawn(daemon.root(), &[]);
    let mut input = child.stdin.take().expect("a pipe");
    let lines = [event(1), "x".repeat(3_000_000), event(2)].join("\n");
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().expect("waits");
    writer.join().expect("joins").expect("read");
    let (code, text) = said(&output);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("line 2 rejected (too_long): longer than 1048576 bytes"), "{text}");
    assert!(text.contains("2 accepted, 1 rejected"), "{text}");
    assert_once(daemon.root(), 2);
}
