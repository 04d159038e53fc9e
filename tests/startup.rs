//! When the daemon refuses to start, what it does about a database that cannot be used, and how it ends.

mod common;

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use common::traffic::indexed;
use common::{Daemon, eventually, refused, tool, verify};
use serde_json::Value;

/// Fails unless the daemon ends with 1 and says each of these.
fn assert_refused(root: &Path, config: &str, reasons: &[&str]) {
    let (status, said) = refused(root, config);
    assert_eq!(status.code(), Some(1), "{said}");
    for reason in reasons {
        assert!(said.contains(reason), "{reason:?} is missing in {said}");
    }
}

#[test]
fn a_second_daemon_on_the_same_directory_is_told_who_has_it() {
    let daemon = Daemon::start();
    let state = daemon.root().join("var/lib/auditlogd");
    let holder = format!("(process {})", daemon.pid());
    assert_refused(daemon.root(), "", &[state.to_str().expect("utf-8"), "is in use", &holder]);
    daemon.greeted().store("{}", 1);
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let root = tempfile::tempdir().expect("temporary directory");
    let file = root.path().join("file");
    fs::write(&file, "").expect("writes");
    let dir = file.join("log").display().to_string();
    assert_refused(root.path(), &format!("log_dir = {dir:?}\n"), &[&dir, "could not be created"]);
}

#[test]
fn a_key_with_a_typo_is_refused_with_a_suggestion() {
    let root = tempfile::tempdir().expect("temporary directory");
    let reasons = ["auditlogd.toml` line 2", "epoch_second", "did you mean", "epoch_seconds"];
    assert_refused(root.path(), "[ledger]\nepoch_second = 5\n", &reasons);
}

fn check(root: &Path, config: &str) -> Output {
    let file = root.join("check.toml");
    fs::write(&file, config).expect("writes");
    let mut command = Command::new(env!("CARGO_BIN_EXE_auditlogd"));
    command.env_clear().arg("--check").arg("--root").arg(root).arg("--config").arg(file);
    command.output().expect("auditlogd runs")
}

#[test]
fn check_prints_a_configuration_that_loads_again_and_writes_nothing() {
    let root = tempfile::tempdir().expect("temporary directory");
    let first = check(root.path(), "[fields]\npreset = \"ecs\"\n[ledger]\nepoch_seconds = 5\n");
    assert_eq!(first.status.code(), Some(0));
    let printed = String::from_utf8(first.stdout).expect("utf-8");
    assert!(printed.contains("epoch_seconds = 5\n"), "{printed}");
    let again = check(root.path(), &printed);
    assert_eq!((again.status.code(), again.stdout), (Some(0), printed.into_bytes()));
    assert_eq!(fs::read_dir(root.path()).expect("reads").count(), 1);
}

#[test]
fn check_of_a_broken_configuration_ends_with_1() {
    let root = tempfile::tempdir().expect("temporary directory");
    for config in ["[ledger]\nepoch_seconds = 0\n", "[nothing]\n", "log_level = \n"] {
        let output = check(root.path(), config);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{config}");
        assert!(!output.stderr.is_empty(), "{config}");
    }
}

#[test]
fn keys_that_others_can_read_are_refused() {
    let stopped = Daemon::start().stop();
    let state = fs::read_dir(stopped.daemon.root().join("var/lib/auditlogd")).expect("reads");
    let state = state
        .map(|entry| entry.expect("reads").path())
        .find(|path| path.file_name().is_some_and(|name| name == "ledger.state"))
        .expect("the key state");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o640)).expect("changes the mode");
    assert_refused(stopped.daemon.root(), "", &[state.to_str().expect("utf-8"), "mode 640"]);
}

#[test]
fn a_log_without_its_keys_is_refused() {
    let stopped = Daemon::start().stop();
    let root = stopped.daemon.root();
    fs::remove_file(root.join("var/lib/auditlogd/ledger.state")).expect("deletes");
    assert_refused(root, "", &["its key state", "ledger.state", "is missing"]);
}

/// A daemon with 2,000 events in its database.
fn filled() -> Daemon {
    let daemon = Daemon::start();
    daemon
        .greeted()
        .store("{\"event_type\":\"old\",\"actor\":\"alice\"}\n".repeat(2000).trim(), 2000);
    daemon.settle();
    daemon
}

fn found(root: &Path, event_type: &str) -> usize {
    let output = tool(root, &["query", "--type", event_type, "--format", "jsonl"]);
    output.stdout.iter().filter(|byte| **byte == b'\n').count()
}

fn index_error(daemon: &Daemon) -> Option<String> {
    let status = daemon.tool(&["status", "--format", "json"]);
    let status: Value = serde_json::from_slice(&status.stdout).expect("json");
    status["daemon"]["index_error"].as_str().map(str::to_owned)
}

/// Starts the daemon on a database that was made unusable; fails unless events are stored, everybody is
/// told, and a rebuild brings all events back, by the daemon or without one.
fn assert_survives(harm: &dyn Fn(&Path)) {
    for online in [true, false] {
        let stopped = filled().stop();
        harm(&stopped.daemon.database());
        let daemon = Daemon::start_in(stopped.daemon.kill(), "");
        daemon.greeted().store("{\"event_type\":\"new\"}", 1);
        assert_told(&daemon);
        assert_repaired(daemon, online);
    }
}

/// Fails unless status and log say what is wrong with the index and what to do.
fn assert_told(daemon: &Daemon) {
    let error = eventually("the status has the error", || index_error(daemon));
    assert!(error.contains("`auditlog reindex`"), "{error}");
    // The status has it a moment before the log.
    let said = format!("the index stands still: {error}");
    eventually("the log has the error", || daemon.log().contains(&said).then_some(()));
}

fn assert_repaired(daemon: Daemon, online: bool) {
    let rebuilt = |root: &Path| {
        let output = tool(root, &["reindex"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!((found(root, "old"), found(root, "new")), (2000, 1));
        assert_eq!(verify(root).0, Some(0), "{}", verify(root).1);
    };
    if online {
        rebuilt(daemon.root());
        daemon.greeted().store("{\"event_type\":\"newer\"}", 1);
        daemon.settle();
        assert_eq!((found(daemon.root(), "newer"), index_error(&daemon)), (1, None));
    } else {
        rebuilt(daemon.stop().daemon.root());
    }
}

#[test]
fn a_file_of_garbage_in_place_of_the_database_is_survived_and_repaired() {
    assert_survives(&|path| fs::write(path, "garbage ".repeat(5000)).expect("writes"));
}

#[test]
fn a_database_with_garbage_in_its_middle_is_survived_and_repaired() {
    assert_survives(&|path| {
        let mut file = File::options().read(true).write(true).open(path).expect("opens");
        // All pages but the first, which says that it is our index.
        let len = file.metadata().expect("known").len();
        file.seek(SeekFrom::Start(4096)).expect("seeks");
        std::io::copy(&mut std::io::repeat(0xa5).take(len - 4096), &mut file).expect("writes");
        file.flush().expect("writes");
    });
}

#[test]
fn a_database_of_a_newer_version_is_survived_and_repaired() {
    assert_survives(&|path| {
        let database = rusqlite::Connection::open(path).expect("opens");
        database.pragma_update(None, "user_version", 99).expect("updates");
    });
}

#[test]
fn a_stop_with_idle_clients_is_quick_and_ends_with_a_seal_and_without_a_socket() {
    let daemon = Daemon::start_with("stop_seconds = 20\n");
    let mut clients: Vec<_> = (0..5).map(|_| daemon.greeted()).collect();
    clients[0].store("{\"event_id\":\"last\"}", 1);
    let _never_greeted = daemon.connect();
    let start = Instant::now();
    let stopped = daemon.stop();
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert_eq!(stopped.status.code(), Some(0), "{}", stopped.daemon.log());
    let last = stopped.daemon.lines().pop().expect("lines");
    assert_eq!(last["seal"]["reason"], "stop", "{last}");
    assert!(!stopped.daemon.socket().exists());
    assert!(indexed(stopped.daemon.root()).contains("last"));
}
