//! Maintenance by the daemon itself: its timer, `auditlog maintain`, restarts, and what stops it.

mod common;

use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use auditlogd::clock::{Clock, Now, parse_rfc3339};
use auditlogd::fs::Real;
use auditlogd::ledger::open::open;
use auditlogd::ledger::seal::Reason;
use common::lab::{commit, event, new_root, paths, setup};
use common::{Daemon, eventually, tool, verify};
use serde_json::Value;
use tempfile::TempDir;

const DAY_NS: i64 = 86_400_000_000_000;
/// No run but those that are asked for.
const NEVER: &str = "[maintenance]\ninterval_seconds = 604800\nmin_free_bytes = 0\n";

/// A log whose first segment was closed so many days ago.
fn old_log(days: i64) -> TempDir {
    let root = new_root();
    let wall_ns = Clock::System.now().wall_ns - days * DAY_NS;
    let now = Now { wall_ns, boot_ns: 1_000_000_000 };
    let opened = open(setup(root.path(), Arc::new(Real::default())), now);
    let mut ledger = opened.expect("a new log").ledger;
    commit(&mut ledger, now, &[event("old")]).expect("stored");
    let active = paths(root.path()).active();
    fs::rename(&active, old_segment(root.path())).expect("renamed");
    ledger.close_epoch(Reason::Rotate, now).expect("sealed");
    ledger.open_segment(now).expect("opened");
    commit(&mut ledger, now, &[event("newer")]).expect("stored");
    ledger.close_epoch(Reason::Stop, now).expect("sealed");
    root
}

fn old_segment(root: &Path) -> std::path::PathBuf {
    paths(root).active().with_extension("jsonl-0")
}

/// Whether the first segment is there in any form.
fn old_is_there(root: &Path) -> bool {
    let compressed = old_segment(root).with_extension("jsonl-0.zst");
    old_segment(root).exists() || compressed.exists()
}

fn status(root: &Path) -> Value {
    let output = tool(root, &["status", "--format", "json"]);
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn text(output: &Output) -> (Option<i32>, String) {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code(), String::from_utf8_lossy(&both).into_owned())
}

fn maintain(root: &Path) -> (Option<i32>, String) {
    text(&tool(root, &["maintain"]))
}

/// A daemon whose run has come to an archive that takes nothing and does not end; and what whoever asked for that
/// run gets.
fn stuck_at_an_archive() -> (Daemon, JoinHandle<(Option<i32>, String)>) {
    let root = old_log(200);
    let mark = root.path().join("mark");
    let script = format!("touch {}; exec sleep 600", mark.display());
    let config = format!(
        "{NEVER}\n[[archive]]\ntype = \"exec\"\ncommand = [\"/bin/sh\", \"-c\", \"{script}\", \"sh\"]\n"
    );
    let daemon = Daemon::start_in(root, &config);
    let dir = daemon.root().to_owned();
    let asked = std::thread::spawn(move || maintain(&dir));
    eventually("the run is at the archive", || mark.exists().then_some(()));
    (daemon, asked)
}

#[test]
fn the_timer_runs_soon_after_the_start_and_goes_on_after_a_restart() {
    let daemon = Daemon::start_with("[maintenance]\ninterval_seconds = 60\n");
    let first = eventually("the timer makes a run", || daemon.records("maintained").pop());
    let data = &first["event"]["data"];
    assert_eq!((&data["trigger"], &data["errors"]), (&"timer".into(), &Value::Array(vec![])));
    assert_eq!(data["retention"], r#"{"keep_days":90}"#);
    let began = eventually("it is remembered", || {
        status(daemon.root())["maintenance"]["began"].as_str().map(str::to_owned)
    });

    let root = daemon.kill();
    let without = text(&tool(root.path(), &["status"]));
    assert_eq!(without.0, Some(3));
    assert!(without.1.contains("\nlast run "), "{}", without.1);

    let daemon = Daemon::start_in(root, "[maintenance]\ninterval_seconds = 60\n");
    let after = status(daemon.root())["maintenance"].clone();
    assert_eq!(after["began"], began.as_str(), "it waits for its time");
    let at = |text: &str| parse_rfc3339(text).expect("a time");
    let wait = at(after["next"].as_str().expect("a time")) - at(&began);
    // An interval with a tenth of jitter, a second after the start at least.
    assert!((50..=70).contains(&(wait / 1_000_000_000)), "{wait}");
}

#[test]
fn what_has_expired_goes_when_the_configuration_says_so_and_somebody_asks() {
    let daemon = Daemon::start_in(old_log(20), NEVER);
    daemon.settle();
    assert_eq!(maintain(daemon.root()).0, Some(0));
    assert!(old_is_there(daemon.root()), "90 days are not over");
    daemon.configure(&format!("{NEVER}keep_days = 10\n"));
    daemon.reload();
    let (code, said) = maintain(daemon.root());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("deleted 1 segment"), "{said}");
    assert!(!old_is_there(daemon.root()));
    let run = daemon.records("maintained").pop().expect("a record");
    let data = &run["event"]["data"];
    assert_eq!((&data["trigger"], &data["pruned"]["count"]), (&"request".into(), &1.into()));
    let (code, said) = verify(daemon.root());
    assert_eq!(code, Some(0), "{said}");
    let (_, said) = text(&daemon.tool(&["status"]));
    assert!(said.contains("some are gone in 1 place"), "{said}");
}

#[test]
fn two_who_ask_at_once_are_both_served_and_never_by_two_runs_at_a_time() {
    let daemon = Daemon::start_in(old_log(200), NEVER);
    daemon.settle();
    let ask = || maintain(daemon.root());
    let said = std::thread::scope(|scope| {
        let both = [scope.spawn(ask), scope.spawn(ask)];
        both.map(|one| one.join().expect("it ends"))
    });
    for (code, said) in &said {
        assert_eq!(*code, Some(0), "{said}");
    }
    let runs = daemon.records("maintained");
    let deleted = runs.iter().filter(|run| run["event"]["data"]["pruned"]["count"] == 1);
    assert_eq!((deleted.count(), runs.len() <= 2), (1, true), "{runs:?}");
}

#[test]
fn with_holds_that_cannot_be_read_nothing_is_deleted_and_that_is_said() {
    let daemon = Daemon::start_in(old_log(200), NEVER);
    daemon.settle();
    let holds = daemon.root().join("var/lib/auditlogd/holds.json");
    fs::write(&holds, "{").expect("written");
    let (code, said) = maintain(daemon.root());
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("nothing is deleted until they can"), "{said}");
    assert!(old_is_there(daemon.root()));
    let (_, said) = text(&daemon.tool(&["status"]));
    assert!(said.contains("failing     to delete segments since "), "{said}");
    let run = daemon.records("maintained").pop().expect("a record");
    assert_eq!(run["event"]["data"]["errors"].as_array().map(Vec::len), Some(1), "{run}");

    fs::remove_file(&holds).expect("removed");
    assert_eq!(maintain(daemon.root()).0, Some(0));
    assert!(!old_is_there(daemon.root()));
    let (_, said) = text(&daemon.tool(&["status"]));
    assert!(!said.contains("failing"), "{said}");
}

#[test]
fn holds_that_are_lost_stop_all_deletion_until_somebody_says_what_is_held() {
    let daemon = Daemon::start_in(old_log(200), NEVER);
    daemon.settle();
    let add = |reason| text(&daemon.tool(&["hold", "add", "--all", "--reason", reason]));
    let (code, said) = add("a case");
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(maintain(daemon.root()).0, Some(0));
    let holds = daemon.root().join("var/lib/auditlogd/holds.json");
    fs::remove_file(&holds).expect("removed");
    // A restart knows it, too.
    let daemon = Daemon::start_in(daemon.stop().daemon.kill(), NEVER);
    for args in [&["maintain"][..], &["maintain", "--dry-run"], &["maintain"]] {
        let (code, said) = text(&daemon.tool(args));
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains("holds.json\" are missing, though there were 1"), "{said}");
        assert!(old_is_there(daemon.root()));
    }
    let add = |what: &str| daemon.tool(&["hold", "add", "--type", what, "--reason", "another"]);
    let (code, said) = text(&add("something.else"));
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(maintain(daemon.root()).0, Some(0));
    assert!(!old_is_there(daemon.root()));
}

#[test]
fn a_stop_ends_a_run_at_once_and_the_log_says_so() {
    let (daemon, asked) = stuck_at_an_archive();
    let (_, said) = text(&daemon.tool(&["status"]));
    assert!(said.contains("next run    now: handing segments to archives"), "{said}");
    let start = Instant::now();
    let stopped = daemon.stop();
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    assert!(stopped.status.success());
    let run = stopped.daemon.records("maintained").pop().expect("a record");
    let errors = run["event"]["data"]["errors"].to_string();
    assert!(errors.contains("the daemon stopped before everything was done"), "{errors}");
    assert!(old_is_there(stopped.daemon.root()), "the archive does not have it");
    assert_eq!(asked.join().expect("it ends").0, Some(3));

    // What is left is not for the time of the next run, in a week: the start makes it soon.
    let daemon = Daemon::start_in(stopped.daemon.kill(), NEVER);
    let next = status(daemon.root())["maintenance"]["next"].clone();
    let next = next.as_str().and_then(parse_rfc3339).expect("a time");
    assert!(next - Clock::System.now().wall_ns < DAY_NS, "{next}");
}

#[test]
fn a_disk_that_is_nearly_full_does_not_wait_for_the_next_run() {
    let everything = 1_u64 << 50;
    let low = NEVER.replace("min_free_bytes = 0", &format!("min_free_bytes = {everything}"));
    // Nor is the second segment, which is old too, closed by the start while this looks into it.
    let config = format!("[ledger]\nrotate_seconds = 0\n{low}");
    let daemon = Daemon::start_in(old_log(20), &config);
    let run = eventually("the disk calls for a run", || daemon.records("maintained").pop());
    let data = &run["event"]["data"];
    assert_eq!((&data["trigger"], &data["compressed"]["count"]), (&"low_space".into(), &1.into()));
}

#[test]
fn after_a_kill_in_the_middle_the_next_run_does_the_rest() {
    let (daemon, asked) = stuck_at_an_archive();
    let root = daemon.kill();
    assert_eq!(asked.join().expect("it ends").0, Some(3));
    assert!(old_is_there(root.path()));
    fs::create_dir(paths(root.path()).log_dir.join(".maintenance")).ok();
    fs::write(paths(root.path()).log_dir.join(".maintenance/x"), "half").expect("written");

    let daemon = Daemon::start_in(root, NEVER);
    daemon.settle();
    let (code, said) = maintain(daemon.root());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("deleted 1 segment"), "{said}");
    assert!(!paths(daemon.root()).log_dir.join(".maintenance/x").exists());
    // The kill is in the log, and nothing else is wrong with it.
    let (code, said) = verify(daemon.root());
    assert_eq!(code, Some(5), "{said}");
}

#[test]
fn without_the_daemon_there_is_no_run() {
    let root = old_log(1);
    let (code, said) = maintain(root.path());
    assert_eq!(code, Some(3));
    assert!(said.contains("is it running?"), "{said}");
}
