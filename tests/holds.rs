//! `auditlog hold`: as an operator uses it, with the daemon and without.

mod common;

use std::fs;

use common::{Daemon, tool, verify};
use serde_json::Value;

/// Runs the tool; its exit code and all that it says.
fn run(root: &std::path::Path, args: &[&str]) -> (Option<i32>, String) {
    let output = tool(root, args);
    let text = [&output.stdout[..], &output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

const ADD: [&str; 2] = ["hold", "add"];

#[test]
fn holds_are_added_listed_and_removed_and_each_is_a_record() {
    let daemon = Daemon::start();
    let root = daemon.root();
    let named = ["--actor", "alice", "--type", "auth.*", "--name", "case-4711", "--reason", "why"];
    let (code, said) = run(root, &[&ADD[..], &named].concat());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("held by case-4711: event_type auth.* and actor alice\n"), "{said}");
    let (code, said) = run(
        root,
        &[&ADD[..], &["--all", "--since", "2026-10-01T00:00:00Z", "--reason", "b"]].concat(),
    );
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("hold-1: all events since 2026-10-01T00:00:00Z"), "{said}");

    let (code, said) = run(root, &["hold", "list"]);
    assert_eq!((code, said.lines().count()), (Some(0), 3), "{said}");
    assert!(said.lines().nth(1).is_some_and(|line| line.starts_with("case-4711  ")), "{said}");
    let (_, said) = run(root, &["hold", "list", "--format", "json"]);
    let list: Value = serde_json::from_str(&said).expect("json");
    assert_eq!(list[0]["match"]["actor"][0], "alice");
    assert_eq!((&list[0]["id"], &list[1]["id"]), (&"case-4711".into(), &"hold-1".into()));

    let (code, said) = run(root, &[&ADD[..], &named].concat());
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("there is a hold case-4711 already"), "{said}");
    let (code, said) = run(root, &["hold", "remove", "case-4711", "--reason", "closed"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("released case-4711: "), "{said}");
    let (code, said) = run(root, &["hold", "remove", "case-4711", "--reason", "closed"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("there is no hold case-4711"), "{said}");

    let added = daemon.records("hold_added");
    assert_eq!(added.len(), 2);
    assert_eq!(added[0]["event"]["data"]["reason"], "why");
    let removed = daemon.records("hold_removed");
    assert_eq!(removed[0]["event"]["data"]["removed_because"], "closed");
    let (code, said) = verify(root);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn without_the_daemon_holds_are_listed_and_not_changed() {
    let daemon = Daemon::start();
    run(daemon.root(), &[&ADD[..], &["--uid", "root", "--reason", "r"]].concat());
    let root = daemon.kill();
    let (code, said) = run(root.path(), &["hold", "list"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("hold-1") && said.contains("uid 0"), "{said}");
    for args in [
        &["hold", "add", "--actor", "a", "--reason", "r"][..],
        &["hold", "remove", "hold-1", "--reason", "r"],
    ] {
        let (code, said) = run(root.path(), args);
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains("is it running?") || said.contains("does not"), "{said}");
    }
    // A hold outlives the daemon.
    let daemon = Daemon::start_in(root, "");
    let (_, said) = run(daemon.root(), &["hold", "list"]);
    assert!(said.contains("hold-1"), "{said}");
}

#[test]
fn a_hold_whose_record_is_missing_gets_it_at_the_next_start() {
    let daemon = Daemon::start();
    run(daemon.root(), &[&ADD[..], &["--actor", "a", "--reason", "r"]].concat());
    let root = daemon.kill();
    let path = root.path().join("var/lib/auditlogd/holds.json");
    let text = fs::read_to_string(&path).expect("reads");
    fs::write(&path, text.replace(r#""recorded": true"#, r#""recorded": false"#)).expect("writes");
    let daemon = Daemon::start_in(root, "");
    assert_eq!(daemon.records("hold_added").len(), 2);
    let text = fs::read_to_string(&path).expect("reads");
    assert!(text.contains(r#""recorded": true"#), "{text}");
}

#[test]
fn nothing_held_is_said_and_holds_that_cannot_be_read_are_an_error() {
    let daemon = Daemon::start();
    let (code, said) = run(daemon.root(), &["hold", "list"]);
    assert_eq!((code, said.as_str()), (Some(0), "nothing is held\n"));
    fs::write(daemon.root().join("var/lib/auditlogd/holds.json"), "x").expect("writes");
    for args in [&["hold", "list"][..], &["hold", "add", "--actor", "a", "--reason", "r"]] {
        let (code, said) = run(daemon.root(), args);
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains("nothing is deleted until they can"), "{said}");
    }
}
