//! While the daemon runs.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::common::Daemon;
use crate::{event, events, receipt};

fn status(daemon: &Daemon) -> Value {
    let output = daemon.tool(&["status", "--format", "json"]);
    serde_json::from_slice::<Value>(&output.stdout).expect("JSON")["daemon"].clone()
}

fn counter(daemon: &Daemon, name: &str) -> u64 {
    status(daemon)["metrics"][name].as_u64().unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn a_repeat_is_acknowledged_with_the_first_line_on_any_connection() {
    let daemon = Daemon::start();
    let mut client = daemon.greeted();
    client.store(event("other").trim_end(), 1);
    let first = client.store(event("a").trim_end(), 2);
    client.store(event("later").trim_end(), 3);
    let same = client.store(event("a").trim_end(), 4);
    let another = daemon.greeted().store(event("a").trim_end(), 1);
    // One that wants no replies.
    daemon.connect().send(event("a"));
    client.store(event("end").trim_end(), 5);
    for again in [&same, &another] {
        assert_eq!(receipt(&again["ack"]), receipt(&first["ack"]));
    }
    let ids: Vec<_> = daemon.events().iter().map(|line| line["id"].clone()).collect();
    assert_eq!(ids, ["other", "a", "later", "end"]);
    assert_eq!(receipt(&daemon.events()[1]), receipt(&first["ack"]));
}

#[test]
fn repeats_within_one_write_are_found_and_the_last_ones_receipt_is_sent() {
    let daemon = Daemon::start();
    let mut client = daemon.greeted();
    client.send(events(["a", "b", "a", "a", "c", "b"]));
    let replies = client.replies_to(6);
    let lines = daemon.events();
    let ids: Vec<_> = lines.iter().map(|line| line["id"].clone()).collect();
    assert_eq!(ids, ["a", "b", "c"]);
    assert_eq!(receipt(&replies.last().expect("an ack")["ack"]), receipt(&lines[1]));
    // Nothing but repeats, and repeats before a new one.
    let written = counter(&daemon, "commits");
    client.send(events(["c", "a"]));
    let replies = client.replies_to(8);
    assert_eq!(receipt(&replies.last().expect("an ack")["ack"]), receipt(&lines[0]));
    assert_eq!(counter(&daemon, "commits"), written);
    client.send(events(["c", "a", "d"]));
    let replies = client.replies_to(11);
    assert_eq!(receipt(&replies.last().expect("an ack")["ack"]), receipt(&daemon.events()[3]));
    assert_eq!((counter(&daemon, "events_stored"), counter(&daemon, "events_repeated")), (4, 7));
}

#[test]
fn an_id_with_another_text_is_another_event_and_counted() {
    let daemon = Daemon::start();
    let mut client = daemon.greeted();
    let texts = [
        r#"{"event_type":"test","event_id":"a"}"#,
        r#"{"event_type":"test", "event_id":"a"}"#,
        r#"{"event_type":"test","event_id":"a","n":1}"#,
        r#"{"event_type":"test","event_id":"\u0061"}"#,
    ];
    for round in 0..2 {
        for (nth, text) in (1..).zip(texts) {
            client.store(text, round * 4 + nth);
        }
    }
    let found: Vec<_> = daemon.events().iter().map(|line| line["event"].clone()).collect();
    let sent: Vec<Value> = texts.iter().map(|t| serde_json::from_str(t).expect("JSON")).collect();
    assert_eq!(found, sent);
    assert_eq!(counter(&daemon, "event_ids_reused"), 3);
    assert_eq!(counter(&daemon, "events_repeated"), 4);
    assert_eq!(counter(&daemon, "events_stored"), 4);
    let said = String::from_utf8_lossy(&daemon.tool(&["status"]).stdout).into_owned();
    assert!(said.contains("4 repeated"), "{said}");
    assert!(said.contains("event_id"), "{said}");
}

#[test]
fn what_has_no_id_or_is_refused_is_never_a_repeat() {
    let daemon = Daemon::start_with("[ingest]\nrequire = [\"event_type\"]\n");
    let mut client = daemon.greeted();
    let without_id = r#"{"event_type":"test","n":1}"#;
    let empty_id = r#"{"event_type":"test","event_id":""}"#;
    let refused = r#"{"event_id":"r"}"#;
    client.send(format!("{without_id}\n{without_id}\n{empty_id}\n{empty_id}\n"));
    client.send(format!("{refused}\n{refused}\n{without_id}\n"));
    let replies = client.replies_to(7);
    assert_eq!(replies.iter().filter(|reply| reply["reject"].is_object()).count(), 2);
    assert_eq!(daemon.events().len(), 5);
    assert_eq!(daemon.records("rejected").len(), 2);
    assert_eq!(counter(&daemon, "events_repeated"), 0);
    // The id of a line that was refused is as good as new.
    let stored = client.store(r#"{"event_type":"test","event_id":"r"}"#, 8);
    assert_eq!(receipt(&stored["ack"]), receipt(&daemon.events()[5]));
}

#[test]
fn the_database_has_one_row_and_the_receipt_of_a_repeat_anchors_the_log() {
    let daemon = Daemon::start();
    let dir = tempfile::tempdir().expect("a directory");
    let receipts = dir.path().join("receipts.jsonl");
    emit(&daemon, &receipts, &events(["a", "b"]));
    emit(&daemon, &receipts, &event("a"));
    let text = fs::read_to_string(&receipts).expect("text");
    let last: Value = serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
    assert_eq!(receipt(&last), receipt(&daemon.events()[0]));
    daemon.settle();
    let database = rusqlite::Connection::open(daemon.database()).expect("opens");
    let rows: i64 = database
        .query_row("SELECT count(*) FROM events WHERE id IN ('a', 'b')", [], |row| row.get(0))
        .expect("counts");
    assert_eq!(rows, 2);
    let path = receipts.to_str().expect("UTF-8");
    let output = daemon.tool(&["verify", "--anchor", path]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("receipt"), "{said}");
    // It is of that line and no other.
    let forged = text.replace(last["mac"].as_str().expect("text"), &"0".repeat(64));
    fs::write(&receipts, forged).expect("written");
    let output = daemon.tool(&["verify", "--anchor", path]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("TAMPERED"), "{said}");
}

fn emit(daemon: &Daemon, receipts: &Path, lines: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_auditlog"));
    command.arg("--root").arg(daemon.root()).arg("emit").arg("--receipts").arg(receipts);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("runs");
    child.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("it reads");
    assert!(child.wait().expect("waits").success());
}
