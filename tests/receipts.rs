//! `auditlog emit --receipts FILE`: what was acknowledged, kept by the client.

mod common;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use auditlogd::ledger::anchor::{self, Anchor};
use common::Daemon;
use serde_json::Value;

/// `auditlog emit --receipts FILE` with these lines.
fn emit(daemon: &Daemon, receipts: &Path, lines: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_auditlog"));
    command.arg("--root").arg(daemon.root()).arg("emit").arg("--receipts").arg(receipts);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("auditlog runs");
    // It may have ended already.
    let _ = child.stdin.take().expect("a pipe").write_all(lines.as_bytes());
    child.wait_with_output().expect("waits")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn receipts_are_those_of_lines_in_the_ledger_and_the_last_one_is_of_the_last_event() {
    let daemon = Daemon::start();
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("receipts.jsonl");
    for lines in ["{\"n\":1}\n{\"n\":2}\n".repeat(500), "{\"n\":3}".into()] {
        let output = emit(&daemon, &path, &lines);
        assert!(output.status.success(), "{}", said(&output));
    }
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&path).expect("text");
    let anchors = anchor::read(&text).expect("receipts").list;
    let ledger = daemon.lines();
    let log_id = ledger[0]["log_id"].as_str().expect("an id");
    assert!(!anchors.is_empty());
    for anchor in &anchors {
        let Anchor::Receipt(receipt) = anchor else { panic!("no receipt: {anchor:?}") };
        let line = ledger.iter().find(|line| line["seq"] == receipt.seq).expect("in the ledger");
        let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
        assert_eq!(
            (line["mac"].as_str(), log_id),
            (Some(&*hex(&receipt.mac)), &*hex(&receipt.log_id))
        );
    }
    let last: Value = serde_json::from_str(text.lines().last().expect("a line")).expect("json");
    let event = daemon.events().pop().expect("stored");
    assert_eq!((&last["seq"], &event["event"]["n"]), (&event["seq"], &3.into()));
    let received: jiff::Timestamp =
        last["received"].as_str().expect("a time").parse().expect("RFC 3339");
    assert!(received.as_second() > 1_700_000_000);
}

#[test]
fn a_line_that_a_crash_cut_does_not_spoil_the_next_one() {
    let daemon = Daemon::start();
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("receipts.jsonl");
    for (cut, left) in [("{\"auditlog_receipt\":1,\"log_id\":\"ab", ""), ("a remark", "a remark\n")]
    {
        fs::write(&path, format!("before\n{cut}")).expect("written");
        assert!(emit(&daemon, &path, "{}").status.success());
        let text = fs::read_to_string(&path).expect("text");
        let rest = text.strip_prefix(&format!("before\n{left}")).expect("what was there");
        assert_eq!(
            (anchor::read(&text).expect("a receipt").list.len(), rest.lines().count()),
            (1, 1)
        );
    }
}

#[test]
fn without_a_file_for_receipts_nothing_is_sent() {
    let daemon = Daemon::start();
    let output = emit(&daemon, Path::new("/nonexistent/receipts"), "{}");
    assert_eq!(output.status.code(), Some(3));
    let said = said(&output);
    assert!(said.contains("cannot write the receipts to '/nonexistent/receipts'"), "{said}");
    assert!(daemon.events().is_empty());
}

#[test]
fn receipts_that_cannot_be_written_end_the_command_and_it_says_what_is_stored() {
    let daemon = Daemon::start();
    let output = emit(&daemon, Path::new("/dev/full"), "{}\n");
    assert_eq!(output.status.code(), Some(3));
    let said = said(&output);
    assert!(said.contains("'/dev/full': No space left"), "{said}");
    assert!(said.contains("1 events are acknowledged all the same"), "{said}");
    assert_eq!(daemon.events().len(), 1);
}
