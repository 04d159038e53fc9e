//! CloudTrail records through the socket: found by the columns of their own vocabulary.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use common::traffic::{assert_stored, indexed};
use common::{Client, Daemon, verify};
use serde_json::Value;

const CONFIG: &str = "[fields]\npreset = \"cloudtrail\"\n";

const SIGN_IN: &str = r#"{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/ada","userName":"ada"},"eventTime":"2026-01-02T03:04:05Z","eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin","sourceIPAddress":"192.0.2.7","responseElements":{"ConsoleLogin":"Failure"},"eventID":"e-sign-in"}"#;
const DENIED: &str = r#"{"eventVersion":"1.08","userIdentity":{"type":"AWSService","invokedBy":"example.amazonaws.com"},"eventTime":"2026-01-02T03:04:06Z","eventSource":"s3.amazonaws.com","eventName":"GetObject","errorCode":"AccessDenied","requestParameters":{"bucketName":"box"},"responseElements":null,"eventID":"e-denied"}"#;
const ALLOWED: &str = r#"{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/bob"},"eventTime":"2026-01-02T03:04:07Z","eventSource":"s3.amazonaws.com","eventName":"PutObject","eventID":"e-allowed"}"#;

fn query(daemon: &Daemon, args: &[&str]) -> Vec<Value> {
    let output = daemon.tool(&[&["query", "--format", "jsonl"], args].concat());
    let lines = String::from_utf8(output.stdout).expect("utf-8");
    lines.lines().map(|line| serde_json::from_str(line).expect("json")).collect()
}

#[test]
fn cloudtrail_records_are_found_by_type_actor_source_and_outcome() {
    let daemon = Daemon::start_with(CONFIG);
    daemon.greeted().store(&[SIGN_IN, DENIED, ALLOWED].join("\n"), 3);
    daemon.settle();
    for (args, want) in [
        (["--type", "ConsoleLogin"], &["e-sign-in"][..]),
        (["--actor", "arn:aws:iam::111122223333:user/ada"], &["e-sign-in"]),
        (["--actor", "example.amazonaws.com"], &["e-denied"]),
        (["--source", "s3.amazonaws.com"], &["e-allowed", "e-denied"]),
        (["--outcome", "failure"], &["e-denied", "e-sign-in"]),
        (["--type", "GetObject"], &["e-denied"]),
    ] {
        let found = query(&daemon, &args);
        let ids: Vec<_> = found.iter().map(|line| line["id"].as_str().expect("text")).collect();
        assert_eq!(ids, want, "{args:?}");
    }
    assert_eq!(query(&daemon, &["--type", "ConsoleLogin"])[0]["event"], value(SIGN_IN));
}

fn value(json: &str) -> Value {
    serde_json::from_str(json).expect("json")
}

/// Real records, a file of them, if there is one.
fn records() -> Option<String> {
    let dir = std::env::var_os("AUDITLOGD_TEST_DATA");
    let path = dir.map(|dir| PathBuf::from(dir).join("cloudtrail.jsonl"));
    let text = path.and_then(|path| fs::read_to_string(path).ok());
    if text.is_none() {
        eprintln!("skipped: AUDITLOGD_TEST_DATA names no directory with cloudtrail.jsonl");
    }
    text
}

/// How many records have which value at a pointer.
fn counts(records: &str, pointer: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in records.lines() {
        let record: Value = serde_json::from_str(line).expect("json");
        if let Some(value) = record.pointer(pointer).and_then(Value::as_str) {
            *counts.entry(value.to_owned()).or_default() += 1;
        }
    }
    counts
}

fn assert_found(daemon: &Daemon, records: &str) {
    for (option, pointer) in
        [("--type", "/eventName"), ("--source", "/eventSource"), ("--actor", "/userIdentity/arn")]
    {
        let mut counts: Vec<_> = counts(records, pointer).into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        for (value, count) in counts.iter().take(10) {
            assert_eq!(query(daemon, &[option, value]).len(), *count, "{option} {value}");
        }
    }
}

#[test]
fn a_file_of_real_records_is_stored_found_and_verified() {
    let Some(records) = records() else { return };
    let daemon = Daemon::start_with(CONFIG);
    let lines = records.lines().count();
    daemon.greeted().store(records.trim_end(), lines as u64);
    daemon.settle();
    let stored = daemon.events();
    let is_stored = |(sent, stored): (&str, &Value)| stored["event"] == value(sent);
    assert_eq!(stored.len(), lines);
    assert!(records.lines().zip(&stored).all(is_stored));
    assert_found(&daemon, &records);
    assert_eq!(verify(daemon.root()).0, Some(0));
}

/// Sends records and returns the ids of those that were acknowledged.
fn send(client: &mut Client, records: &[&str]) -> Vec<String> {
    client.send(records.join("\n") + "\n");
    client.replies_to(records.len() as u64);
    let id = |line: &&str| {
        let record: Value = serde_json::from_str(line).expect("json");
        record["eventID"].as_str().expect("text").to_owned()
    };
    records.iter().map(id).collect()
}

#[test]
fn nothing_acknowledged_of_it_is_missing_after_a_rotation_and_a_kill() {
    let Some(records) = records() else { return };
    let lines: Vec<_> = records.lines().collect();
    let (first, rest) = lines.split_at(lines.len() / 3);
    let (second, third) = rest.split_at(rest.len() / 2);

    let daemon = Daemon::start_with(CONFIG);
    let mut acknowledged = send(&mut daemon.greeted(), first);
    fs::rename(daemon.segment(), daemon.segment().with_extension("jsonl-1")).expect("renames");
    let mut client = daemon.greeted();
    daemon.reload();
    acknowledged.extend(send(&mut client, second));
    // These may or may not be stored; they are sent again.
    client.send(third.join("\n") + "\n");
    let root = daemon.kill();
    let daemon = Daemon::start_in(root, CONFIG);
    daemon.settle();
    let unique: BTreeSet<_> = acknowledged.iter().collect();
    assert_eq!(unique.len(), acknowledged.len(), "the file has each id once");
    assert_stored(daemon.root(), &acknowledged);
    acknowledged.extend(send(&mut daemon.greeted(), third));
    daemon.settle();
    let indexed = indexed(daemon.root());
    assert!(acknowledged.iter().all(|id| indexed.contains(id)));
    let (code, said) = verify(daemon.root());
    assert!(code == Some(5) && said.starts_with("INCOMPLETE: "), "{said}");
}
