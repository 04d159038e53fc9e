//! `auditlog maintain --dry-run`: what would go, what stays and why, without changing anything.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use common::lab::Lab;
use common::{Daemon, tool};
use serde_json::Value;
use tempfile::TempDir;

const DAY: u64 = 86_400;

/// A log of 100 days with a segment a day for the first four, and its database; no daemon runs.
fn log(configuration: &str) -> TempDir {
    let mut lab = Lab::ago(100);
    for event_type in ["a", "trade", "a", "a"] {
        lab.store([event_type]);
        let now = lab.clock;
        let event = format!(r#"{{"event_type":"{event_type}","actor":"{event_type}"}}"#);
        common::lab::commit(lab.ledger(), now, &[event]).expect("stored");
        lab.rotate();
        lab.pass(DAY);
    }
    lab.stop();
    let root = lab.into_root();
    fs::create_dir_all(root.path().join("etc/auditlogd")).expect("creates");
    configure(root.path(), configuration);
    assert!(tool(root.path(), &["reindex", "--quiet"]).status.success());
    root
}

fn configure(root: &Path, configuration: &str) {
    fs::write(root.join("etc/auditlogd/auditlogd.toml"), configuration).expect("writes");
}

fn dry_run(root: &Path, args: &[&str]) -> Output {
    tool(root, &[&["maintain", "--dry-run"], args].concat())
}

fn json(root: &Path) -> Value {
    let output = dry_run(root, &["--format", "json"]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("json")
}

fn segments(list: &Value) -> Vec<u64> {
    let entries = list.as_array().expect("a list").iter();
    entries.map(|entry| entry["segment"].as_u64().expect("a number")).collect()
}

/// Every file below a directory with its content.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).expect("lists") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => all.extend(files(&path)),
            false => all.push((path.clone(), fs::read(&path).expect("reads"))),
        }
    }
    all.sort();
    all
}

#[test]
fn it_shows_what_would_go_and_changes_nothing() {
    let root = log("");
    let before = files(&root.path().join("var/log"));
    let report = json(root.path());
    assert_eq!(segments(&report["delete"]), [0, 1, 2, 3]);
    assert_eq!(segments(&report["kept_back"]), [0; 0]);
    let first = &report["delete"][0];
    assert_eq!((&first["code"], &first["why"]), (&"expired".into(), &"kept for 90 days".into()));
    assert_eq!(first["first_seq"], 0);
    let output = dry_run(root.path(), &[]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.starts_with("4 segments would be deleted, "), "{said}");
    assert!(said.contains("SEGMENT  LINES"), "{said}");
    assert_eq!(files(&root.path().join("var/log")), before);
}

#[test]
fn the_configuration_counts_as_it_is_in_the_files() {
    let root = log("[maintenance]\nkeep_days = 98");
    let report = json(root.path());
    assert_eq!((segments(&report["delete"]), segments(&report["next"])), (vec![0, 1], vec![2, 3]));
    configure(
        root.path(),
        "[[retention]]\nevent_type = \"trade\"\nkeep_days = 1826\n\
         [[archive]]\ntype = \"directory\"\npath = \"/srv/none\"\n",
    );
    let report = json(root.path());
    assert_eq!(segments(&report["delete"]), [0; 0]);
    assert_eq!(segments(&report["kept_back"]), [0, 2, 3]);
    assert_eq!(report["kept_back"][0]["why"], "not taken yet by directory /srv/none");
    assert_eq!(segments(&report["next"]), [1]);
    let output = dry_run(root.path(), &[]);
    let said = String::from_utf8_lossy(&output.stdout);
    for part in ["no segment would be deleted", "kept, though", "next:", "expires "] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn rows_go_each_by_its_own_rule_and_are_counted() {
    let events = |root: &Path| {
        let db =
            rusqlite::Connection::open(root.join("var/lib/auditlogd/audit.db")).expect("opens");
        let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("counts");
        (
            count("SELECT count(*) FROM events"),
            count("SELECT count(*) FROM events WHERE event_type = 'trade'"),
        )
    };
    let root = log("");
    let (all, trades) = events(root.path());
    let report = json(root.path());
    assert_eq!((&report["delete_rows"], &report["held_rows"]), (&all.into(), &0.into()));
    assert_eq!(events(root.path()), (all, trades), "nothing is changed");
    configure(root.path(), "[[retention]]\nevent_type = \"trade\"\nkeep_days = 1826\n");
    assert_eq!(json(root.path())["delete_rows"], all - trades);
    let said = dry_run(root.path(), &[]);
    let said = String::from_utf8_lossy(&said.stdout);
    let rows =
        format!("{} rows of the database would be deleted, each by its own rule", all - trades);
    assert!(said.contains(&rows), "{said}");
}

#[test]
fn a_clock_that_jumped_ahead_is_not_believed() {
    let keep = "[maintenance]\nkeep_days = 36500";
    let daemon = Daemon::start_in(log(keep), keep);
    let output = daemon.tool(&["maintain", "--quiet"]);
    assert!(output.status.success(), "{output:?}");
    let root = daemon.kill();
    configure(root.path(), "");
    // A moment ago it was 95 days earlier, as far as anybody can know.
    let path = root.path().join("var/lib/auditlogd/maintenance.json");
    let text = fs::read_to_string(&path).expect("reads");
    let mut state: Value = serde_json::from_str(&text).expect("json");
    let ns = state["believed"]["ns"].as_i64().expect("a time");
    state["believed"]["ns"] = (ns - 95 * DAY as i64 * 1_000_000_000).into();
    fs::write(&path, state.to_string()).expect("writes");
    let output = dry_run(root.path(), &["--format", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("json");
    assert_eq!(segments(&report["delete"]), [0; 0], "{report}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("the clock is ahead of the time that can be believed"), "{said}");
}

#[test]
fn what_cannot_be_told_is_an_error_since_a_run_would_delete_nothing_either() {
    let root = log("");
    let holds = root.path().join("var/lib/auditlogd/holds.json");
    fs::write(&holds, "{").expect("writes");
    let output = dry_run(root.path(), &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("holds.json") && said.contains("nothing is deleted until"), "{said}");
    fs::remove_file(holds).expect("removes");
    fs::remove_file(root.path().join("var/lib/auditlogd/audit.db")).expect("removes");
    let output = dry_run(root.path(), &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("with which [fields] events were read is not known"), "{said}");
    let empty = tempfile::tempdir().expect("a directory");
    assert_eq!(dry_run(empty.path(), &[]).status.code(), Some(3));
}
