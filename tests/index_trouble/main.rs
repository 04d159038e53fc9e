//! What can be done to the index, to a running daemon and to one that is stopped: events go on, `auditlog status` says what
//! is wrong, and it is repaired by itself or by `auditlog reindex`, after which `auditlog verify` finds every row.

#[path = "../common/mod.rs"]
mod common;

mod damage;
mod waits;

use std::fs;
use std::path::Path;

use common::{Daemon, eventually, tool, verify};
use damage::{DAMAGES, Damage, Shown};

const TAMPERED: i32 = 4;

/// Events before the damage, and after it.
const BEFORE: u64 = 40;
const AFTER: u64 = 20;

/// The exit code of `auditlog status --check` and its line.
fn check(root: &Path) -> (Option<i32>, String) {
    let output = tool(root, &["status", "--check"]);
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Waits until nothing is wrong, and the index is where the ledger is.
fn wait_until_sound(daemon: &Daemon, what: &str) {
    eventually(&format!("{what}: nothing is wrong"), || {
        (check(daemon.root()) == (Some(0), "ok: nothing is wrong\n".into())).then_some(())
    });
    daemon.settle();
    let (verdict, said) = verify(daemon.root());
    assert_eq!(verdict, Some(0), "{what}: {said}");
}

/// Waits until the daemon says this, in the one place and in the other.
fn wait_until_shown(daemon: &Daemon, what: &str, sentence: &str) {
    eventually(&format!("{what}: {sentence:?} is shown"), || {
        let (code, line) = check(daemon.root());
        (code == Some(1) && line.starts_with("warning: ") && line.contains(sentence)).then_some(())
    });
    let status = daemon.tool(&["status"]);
    let text = String::from_utf8_lossy(&status.stdout).into_owned();
    let first = text.lines().next().unwrap_or_default();
    assert!(first.starts_with("warning ") && first.contains(sentence), "{what}: {text}");
    assert!(first.contains("`auditlog reindex`"), "{what}: {text}");
}

fn reindex(daemon: &Daemon, what: &str) {
    let output = daemon.tool(&["reindex"]);
    assert!(output.status.success(), "{what}: {output:?}");
}

fn query(daemon: &Daemon) -> Option<i32> {
    daemon.tool(&["query", "--format", "jsonl"]).status.code()
}

fn store(daemon: &Daemon, events: u64) {
    let mut client = daemon.greeted();
    (1..=events).for_each(|line| drop(client.store(r#"{"source":"load"}"#, line)));
}

/// A database as it was some events ago, for those who put an older one in place.
fn keep_older(database: &Path) {
    let kept = database.with_file_name("older");
    let db = rusqlite::Connection::open(database).expect("opens");
    let sql = format!("VACUUM INTO '{}'", kept.display());
    db.execute_batch(&sql).expect("copies");
}

fn put_through(damage: &Damage, running: bool) {
    let Damage { name, apply, .. } = damage;
    let what = &format!("{name}, {}", if running { "running" } else { "stopped" });
    let mut daemon = Daemon::start();
    store(&daemon, BEFORE);
    daemon.settle();
    keep_older(&daemon.database());
    store(&daemon, BEFORE);
    daemon.settle();
    if running {
        apply(&daemon.database());
    } else {
        let root = daemon.stop().daemon.kill();
        apply(&root.path().join("var/lib/auditlogd/audit.db"));
        daemon = Daemon::start_in(root, "");
    }
    store(&daemon, AFTER);
    match if running { damage.running } else { damage.stopped } {
        Shown::Healed => {}
        Shown::Damaged(sentence) => {
            wait_until_shown(&daemon, what, sentence);
            assert_eq!(query(&daemon), Some(3), "{what}: no answer that may be wrong");
            reindex(&daemon, what);
        }
        Shown::Written => {
            wait_until_shown(&daemon, what, "another program wrote to the index");
            assert_eq!(query(&daemon), Some(0), "{what}");
            reindex(&daemon, what);
        }
        Shown::OnlyByVerify => {
            assert_eq!(check(daemon.root()).0, Some(0), "{what}");
            let (verdict, said) = verify(daemon.root());
            assert_eq!(verdict, Some(TAMPERED), "{what}: {said}");
            reindex(&daemon, what);
        }
    }
    wait_until_sound(&daemon, what);
    let events = daemon.events().len() as u64;
    assert_eq!(events, 2 * BEFORE + AFTER, "{what}");
    let complaints = daemon.log().lines().filter(|line| line.contains("the index ")).count();
    assert!(complaints < 12, "{what}: {}", daemon.log());
}

fn put_all_through(group: &str, running: bool) {
    let chosen: Vec<_> = DAMAGES.iter().filter(|damage| damage.group == group).collect();
    assert!(chosen.len() > 5, "{group}");
    chosen.into_iter().for_each(|damage| put_through(damage, running));
}

#[test]
fn damaged_files_of_a_running_daemon() {
    put_all_through("files", true);
}

#[test]
fn damaged_files_of_a_stopped_daemon() {
    put_all_through("files", false);
}

#[test]
fn something_else_in_its_place_while_the_daemon_runs() {
    put_all_through("place", true);
}

#[test]
fn something_else_in_its_place_while_the_daemon_is_stopped() {
    put_all_through("place", false);
}

#[test]
fn sql_of_others_while_the_daemon_runs() {
    put_all_through("sql", true);
}

#[test]
fn sql_of_others_while_the_daemon_is_stopped() {
    put_all_through("sql", false);
}

#[test]
fn the_check_says_that_no_daemon_answers() {
    let root = Daemon::start().stop().daemon.kill();
    let (code, line) = check(root.path());
    assert_eq!(code, Some(2), "{line}");
    assert!(line.starts_with("critical: "), "{line}");
    assert!(fs::metadata(root.path().join("var/lib/auditlogd/audit.db")).is_ok());
}
