//! Rotation under load, by hand and by logrotate.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::traffic::{Traffic, assert_segments_follow_seals, assert_stored, segments};
use common::{Daemon, eventually, verify};
use nix::sys::signal::Signal;

/// Renames the active segment as logrotate does.
fn rename(daemon: &Daemon, suffix: &str) -> PathBuf {
    let to = daemon.segment().with_file_name(format!("audit.jsonl-{suffix}"));
    fs::rename(daemon.segment(), &to).expect("renames");
    to
}

/// Waits for the reopening at the active path.
fn reopened(daemon: &Daemon) {
    eventually("the log is reopened", || daemon.segment().exists().then_some(()));
}

fn assert_ok(root: &Path) {
    let (code, said) = verify(root);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn renaming_and_sighup_under_load_lose_and_double_nothing() {
    let daemon = Daemon::start();
    let traffic = Traffic::start(&daemon, "t", 4);
    for round in 0..5 {
        traffic.more(200);
        rename(&daemon, &round.to_string());
        daemon.reload();
        reopened(&daemon);
    }
    let acknowledged = traffic.finish();
    daemon.settle();
    assert_stored(daemon.root(), &acknowledged);
    let segments = segments(daemon.root());
    assert_eq!(segments.len(), 6);
    assert_segments_follow_seals(&segments);
    assert_ok(daemon.root());
}

#[test]
fn renaming_twice_with_no_event_in_between_makes_two_good_segments() {
    let daemon = Daemon::start();
    daemon.greeted().store("{}", 1);
    for round in ["1", "2", "3"] {
        rename(&daemon, round);
        daemon.reload();
    }
    daemon.signal(Signal::SIGHUP);
    daemon.reload();
    let segments = segments(daemon.root());
    assert_eq!(segments.len(), 4);
    assert_segments_follow_seals(&segments);
    assert_ok(daemon.root());
}

#[test]
fn sighup_without_a_rename_keeps_the_file_and_loses_nothing() {
    let daemon = Daemon::start();
    let traffic = Traffic::start(&daemon, "t", 4);
    for _ in 0..3 {
        traffic.more(200);
        daemon.reload();
    }
    let acknowledged = traffic.finish();
    daemon.settle();
    assert_stored(daemon.root(), &acknowledged);
    assert_eq!(segments(daemon.root()).len(), 1);
    assert_ok(daemon.root());
}

/// Runs logrotate with the configuration that is shipped, forced. Two rotations within a second would get
/// the same name, which logrotate refuses, so then it is asked again.
fn logrotate(root: &Path, reload: &str) {
    let logs = root.join("var/log/auditlogd");
    let shipped = include_str!("../logrotate.d/auditlogd");
    let config = shipped
        .replace("/var/log/auditlogd", logs.to_str().expect("utf-8"))
        .replace("systemctl reload auditlogd.service", reload);
    fs::write(root.join("logrotate.conf"), config).expect("writes");
    let state = root.join("logrotate.state");
    eventually("logrotate rotates", || {
        let mut command = Command::new("logrotate");
        command.arg("--force").arg("--state").arg(&state).arg(root.join("logrotate.conf"));
        let output = command.output().expect("logrotate runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() || said.contains("already exists"), "{said}");
        output.status.success().then_some(())
    });
}

#[test]
fn logrotate_with_the_shipped_configuration_loses_nothing_running_or_stopped() {
    if Command::new("logrotate").arg("--version").output().is_err() {
        eprintln!("skipped: logrotate is not installed");
        return;
    }
    let daemon = Daemon::start();
    let traffic = Traffic::start(&daemon, "running", 4);
    for segments in 2..=3 {
        traffic.more(200);
        logrotate(daemon.root(), &format!("kill -HUP {}", daemon.pid()));
        eventually("a new segment is opened", || {
            (segments_on_disk(&daemon) == segments).then_some(())
        });
    }
    let mut acknowledged = traffic.finish();
    let root = daemon.stop().daemon.kill();
    logrotate(root.path(), "true");
    let daemon = Daemon::start_in(root, "");
    acknowledged.extend(Traffic::start(&daemon, "restarted", 2).finish());
    daemon.settle();
    assert_stored(daemon.root(), &acknowledged);
    let segments = segments(daemon.root());
    assert_eq!(segments.len(), 4);
    assert_segments_follow_seals(&segments);
    assert_ok(daemon.root());
}

fn segments_on_disk(daemon: &Daemon) -> usize {
    let logs = daemon.segment();
    let files = fs::read_dir(logs.parent().expect("a directory")).expect("reads");
    files
        .filter(|file| file.as_ref().is_ok_and(|f| f.metadata().is_ok_and(|m| m.len() > 0)))
        .count()
}
