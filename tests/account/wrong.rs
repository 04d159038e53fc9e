//! What does not add up is found, in a copy of a log.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::account_with;
use crate::common::Daemon;

/// The active segment of a log that was stopped after some events and a refused line, twice.
fn segment() -> Vec<String> {
    let mut root = tempfile::tempdir().expect("a directory");
    for _ in 0..2 {
        let daemon = Daemon::start_in(root, "");
        let mut client = daemon.greeted();
        client.send("{\"n\":1}\n{\"n\":2}\nbad\n{\"n\":3}\n");
        client.finish();
        root = daemon.stop().daemon.kill();
    }
    let text = fs::read_to_string(root.path().join("var/log/auditlogd/audit.jsonl"));
    text.expect("reads").lines().map(str::to_owned).collect()
}

fn account_of(lines: &[String]) -> (i32, Value) {
    let dir: TempDir = tempfile::tempdir().expect("a directory");
    let path: PathBuf = dir.path().join("audit.jsonl");
    fs::write(path, lines.join("\n") + "\n").expect("written");
    account_with(Path::new("/nowhere"), &[dir.path().to_str().expect("text")])
}

fn with(lines: &[String], part: &str) -> Vec<usize> {
    (0..lines.len()).filter(|at| lines[*at].contains(part)).collect()
}

#[test]
fn a_line_that_is_another_one_than_it_was_does_not_add_up() {
    let lines = segment();
    let (code, said) = account_of(&lines);
    assert_eq!(code, 0, "{said:#}");
    assert!(said["daemon"].is_null());
    let events = with(&lines, "\"event\":{\"n\":");
    let refused = with(&lines, "\"auditlogd.rejected\"");
    let sums = with(&lines, "\"auditlogd.account\"");
    assert_eq!((events.len(), refused.len(), sums.len()), (6, 2, 2));

    let change = |at: usize, from: &str, to: &str| {
        let mut changed = lines.clone();
        changed[at] = changed[at].replace(from, to);
        assert_ne!(changed[at], lines[at]);
        changed
    };
    let uid = format!("\"uid\":{}", nix::unistd::getuid());
    for (what, changed) in [
        ("another user", change(events[0], &uid, "\"uid\":77777")),
        (
            "no event any more",
            change(events[5], "\"event\":{", "\"event\":{\"event_type\":\"auditlogd.x\","),
        ),
        ("an event", change(refused[1], "auditlogd.rejected", "rejected")),
        ("other sums", change(sums[0], "\"stored\":3", "\"stored\":2")),
        ("sums that shrink", change(sums[0], "\"stored\":3", "\"stored\":9")),
        ("a line too many", change(sums[1], "\"lines\":8", "\"lines\":9")),
    ] {
        let (code, said) = account_of(&changed);
        assert_eq!((code, &said["verdict"]), (4, &"contradiction".into()), "{what}: {said:#}");
    }
    // Repeated lines are in no line of the log; what waits at a stop is not dealt with.
    let (code, said) = account_of(
        &change(sums[1], "\"waiting\":0", "\"waiting\":2")
            .iter()
            .map(|line| line.replace("\"lines\":8", "\"lines\":10"))
            .collect::<Vec<_>>(),
    );
    assert_eq!((code, &said["findings"][0]["kind"]), (5, &"incomplete".into()), "{said:#}");
}

#[test]
fn sums_that_begin_anew_vouch_for_nothing_before_them() {
    let lines = segment();
    let sums = with(&lines, "\"auditlogd.account\"");
    let mut changed = lines.clone();
    changed[sums[0]] = changed[sums[0]].replace("auditlogd.account", "auditlogd.nothing");
    let (code, said) = account_of(&changed);
    assert_eq!(code, 0, "the next sums cover it: {said:#}");

    let mut changed = lines.clone();
    changed[sums[1]] = changed[sums[1]].replace("\"from_seq\":0", "\"from_seq\":5");
    let (code, said) = account_of(&changed);
    assert_eq!((code, &said["verdict"]), (6, &"unverifiable".into()), "{said:#}");
}
