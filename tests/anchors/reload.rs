//! What a reload and a wrong configuration do to anchors.

use std::fs;

use serde_json::json;

use super::common::{Daemon, refused};
use super::helpers::*;

#[test]
fn a_reload_adds_and_removes_anchors_and_records_that() {
    let elsewhere = tempfile::tempdir().expect("a directory");
    let (a, b) = (elsewhere.path().join("a"), elsewhere.path().join("b"));
    let file = |path: &std::path::Path| {
        format!("[[anchor]]\ntype = \"file\"\npath = \"{}\"\n", path.display())
    };
    let daemon = Daemon::start_with(&file(&a));
    let first = seal(&daemon);
    delivered(&daemon, &first);
    assert!(status(&daemon)["anchors"][1].is_null());

    daemon.configure(&format!("{}{}", file(&b), file(&a)));
    let second = seal(&daemon);
    delivered(&daemon, &second);
    let anchors = status(&daemon)["anchors"].clone();
    assert_eq!(anchors[0]["anchor"], format!("file {}", b.display()));
    assert_eq!(anchors[1]["anchor"], format!("file {}", a.display()));
    let changed = daemon.records("config_changed").pop().expect("recorded");
    let data = &changed["event"]["data"];
    assert_eq!((&data["applied"], &data["restart"]), (&json!(["anchor"]), &json!([])));

    daemon.configure(&file(&b));
    daemon.reload();
    let third = seal(&daemon);
    delivered(&daemon, &third);
    let stopped = daemon.stop().daemon;
    let last = checkpoint(&stopped);
    assert!(fs::read_to_string(&b).expect("text").contains(&last));
    let left = fs::read_to_string(&a).expect("text");
    assert!(!left.contains(&third) && !left.contains(&last), "{left}");
}

#[test]
fn an_anchor_that_cannot_be_used_keeps_the_daemon_from_starting_and_a_reload_from_happening() {
    let bad = "[[anchor]]\ntype = \"witness\"\nurl = \"https://w.example\"\nvkey = \"w+00+x\"\n";
    let root = tempfile::tempdir().expect("a directory");
    let (status, said) = refused(root.path(), bad);
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("the anchor `witness w+00`: vkey"), "{said}");

    let daemon = Daemon::start();
    daemon.configure(bad);
    daemon.reload();
    assert!(daemon.log().contains("the old one stays in force"), "{}", daemon.log());
    let checked = daemon.tool(&["config", "check"]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&checked.stderr).contains("`witness w+00`"));
}

#[test]
fn without_anchors_the_status_says_that_nobody_vouches() {
    let daemon = Daemon::start();
    let text = daemon.tool(&["status"]).stdout;
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains("nothing outside this host vouches for the log"), "{text}");
    assert_eq!(status(&daemon)["anchors"], json!([]));
}
