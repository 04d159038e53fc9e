//! The daemon's own sandbox: what it keeps each part of the daemon from, and what goes on working in it.

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{Daemon, eventually};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

const NEVER: &str = "[maintenance]\ninterval_seconds = 604800\nmin_free_bytes = 0\n";

/// What is in the way of these tests, said once.
fn skipped(daemon: &Daemon) -> bool {
    let restricted = daemon.log().contains("restricted by landlock, fully");
    if !restricted {
        eprintln!("skipped: the kernel has no landlock, or an old one");
    }
    !restricted
}

fn archive(path: &Path) -> String {
    format!("[[archive]]\ntype = \"directory\"\npath = {path:?}\n")
}

fn anchor(path: &Path) -> String {
    format!("[[anchor]]\ntype = \"file\"\npath = {path:?}\n")
}

/// An empty directory.
fn make(root: &Path, name: &str) -> PathBuf {
    let dir = root.join(name);
    fs::create_dir_all(&dir).expect("creates");
    dir
}

/// Puts a link to another directory in the place of `dir`; what a defect or a race would come to.
fn exchange(dir: &Path) -> PathBuf {
    let target = dir.with_extension("elsewhere");
    fs::create_dir(&target).expect("creates");
    fs::rename(dir, dir.with_extension("before")).expect("renames");
    symlink(&target, dir).expect("links");
    target
}

fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).expect("lists").next().is_none()
}

fn status(daemon: &Daemon) -> Value {
    let output = daemon.tool(&["status", "--format", "json"]);
    serde_json::from_slice::<Value>(&output.stdout).expect("json")["daemon"].clone()
}

fn stderr(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn maintenance_and_anchors_cannot_write_where_a_link_leads_them() {
    let root = tempfile::tempdir().expect("a directory");
    let (archived, anchored) = (make(root.path(), "archive"), make(root.path(), "anchors"));
    let config = [NEVER, &archive(&archived), &anchor(&anchored.join("notes"))].concat();
    let daemon = Daemon::start_in(root, &config);
    if skipped(&daemon) {
        return;
    }
    let rotate = || {
        daemon.greeted().store("{}", 1);
        assert!(daemon.tool(&["rotate"]).status.success());
    };
    rotate();
    let done = daemon.tool(&["maintain"]);
    assert!(done.status.success(), "{}", stderr(&done));
    assert!(!is_empty(&archived));
    eventually("the anchor has a checkpoint", || (!is_empty(&anchored)).then_some(()));

    let elsewhere = [exchange(&archived), exchange(&anchored)];
    rotate();
    let refused = stderr(&daemon.tool(&["maintain"]));
    assert!(refused.contains("Permission denied"), "{refused}");
    assert!(refused.contains("be there when the daemon starts"), "{refused}");
    let error = eventually("the anchor fails", || {
        status(&daemon)["anchors"][0]["error"].as_str().map(str::to_owned)
    });
    assert!(error.contains("Permission denied"), "{error}");
    assert!(elsewhere.iter().all(|dir| is_empty(dir)));
}

#[test]
fn the_writer_cannot_be_led_elsewhere_either() {
    let daemon = Daemon::start();
    if skipped(&daemon) {
        return;
    }
    daemon.greeted().store("{}", 1);
    let elsewhere = exchange(&daemon.root().join("var/log/auditlogd"));
    daemon.signal(Signal::SIGHUP);
    eventually("the writer says that it cannot", || {
        daemon.log().contains("could not be created: Permission denied").then_some(())
    });
    assert!(is_empty(&elsewhere));
}

#[test]
fn a_reload_does_not_widen_it_and_says_what_waits_for_a_restart() {
    let root = tempfile::tempdir().expect("a directory");
    let known = make(root.path(), "known");
    let config = [NEVER, &anchor(&known.join("a"))].concat();
    let daemon = Daemon::start_in(root, &config);
    if skipped(&daemon) {
        return;
    }
    let new = make(daemon.root(), "new");
    daemon.configure(&[NEVER, &anchor(&known.join("b"))].concat());
    let reloaded = daemon.tool(&["reload"]);
    assert_eq!(reloaded.stdout, b"reloaded: anchor\n", "{}", stderr(&reloaded));

    let config = [NEVER, &anchor(&new.join("b")), &archive(&new)].concat();
    daemon.configure(&config);
    let reloaded = daemon.tool(&["reload"]);
    assert_eq!(reloaded.status.code(), Some(0));
    assert_eq!(stderr(&reloaded), "only after a restart: anchor, archive\n");
    let anchors = &status(&daemon)["anchors"];
    assert_eq!(anchors[0]["anchor"], format!("file {}", known.join("b").display()));
    let record = daemon.records("config_changed").pop().expect("recorded");
    let data = &record["event"]["data"];
    assert_eq!((&data["applied"], &data["restart"]), (&json!([]), &json!(["anchor", "archive"])));

    let daemon = Daemon::start_in(daemon.stop().daemon.kill(), &config);
    assert!(daemon.tool(&["rotate"]).status.success());
    assert!(daemon.tool(&["maintain"]).status.success());
    eventually("the anchor has a checkpoint", || new.join("b").exists().then_some(()));
    assert!(fs::read_dir(&new).expect("lists").count() > 1);
}

#[test]
fn it_can_be_switched_off() {
    let daemon = Daemon::start_with("landlock = false\n");
    assert!(daemon.log().contains("the daemon does not restrict itself"), "{}", daemon.log());
    let new = make(daemon.root(), "new");
    daemon.configure(&["landlock = false\n", NEVER, &archive(&new)].concat());
    let reloaded = daemon.tool(&["reload", "--quiet"]);
    assert!(reloaded.stdout.is_empty() && reloaded.stderr.is_empty());
    assert!(daemon.tool(&["rotate"]).status.success());
    assert!(daemon.tool(&["maintain"]).status.success());
    assert!(!is_empty(&new));
}

/// Where the program of that name is, without links.
fn program(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .find_map(|dir| fs::canonicalize(dir.join(name)).ok())
}

#[test]
fn processes_of_other_users_are_still_known_by_their_executable() {
    let socat = program("socat").filter(|_| nix::unistd::geteuid().is_root());
    let Some(socat) = socat else {
        eprintln!("skipped: it needs root and socat");
        return;
    };
    let root = tempfile::tempdir().expect("a directory");
    fs::set_permissions(root.path(), Permissions::from_mode(0o755)).expect("opens to others");
    let daemon = Daemon::start_in(root, "");
    let address = format!("UNIX-CONNECT:{}", daemon.socket().display());
    let mut other = Command::new(&socat);
    other.args(["-", &address]).uid(65_534).gid(65_534).stdin(Stdio::piped());
    let mut other = other.spawn().expect("socat runs");
    let mut input = other.stdin.take().expect("a pipe");
    std::io::Write::write_all(&mut input, b"{\"event_type\":\"x\"}\n").expect("writes");
    let event = eventually("the event is stored", || daemon.events().pop());
    drop(input);
    other.wait().expect("ends");
    assert_eq!(event["peer"]["uid"], 65_534, "{event}");
    assert_eq!(event["peer"]["exe"], socat.to_str().expect("utf-8"), "{event}");
}
