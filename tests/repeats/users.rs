//! Whose event it is.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::common::Daemon;
use crate::engine::{Host, Sent};
use crate::event;

const NOBODY: u32 = 65_534;

/// Sends lines as another user and waits until they are acknowledged.
fn emit_as(uid: u32, daemon: &Daemon, lines: &str) {
    fs::set_permissions(daemon.root(), Permissions::from_mode(0o755)).expect("opened");
    let program = daemon.root().join("auditlog");
    if !program.exists() {
        fs::copy(env!("CARGO_BIN_EXE_auditlog"), &program).expect("copies");
    }
    let mut command = Command::new(&program);
    command.arg("--root").arg(daemon.root()).arg("emit").uid(uid).gid(uid);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("runs");
    child.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("it reads");
    assert!(child.wait().expect("waits").success());
}

/// The users whose event `a` is stored, in the order of the log.
fn users(daemon: &Daemon) -> Vec<u64> {
    let lines = daemon.events();
    let of_a = lines.iter().filter(|line| line["id"] == "a");
    of_a.map(|line| line["peer"]["uid"].as_u64().expect("a number")).collect()
}

#[test]
fn the_same_event_of_another_user_is_another_event_also_after_a_crash() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root can send as somebody else");
        return;
    }
    let mut daemon = Daemon::start();
    let line = event("a");
    for _ in 0..2 {
        emit_as(NOBODY, &daemon, &line);
        emit_as(NOBODY - 1, &daemon, &line);
    }
    let root: TempDir = daemon.kill();
    daemon = Daemon::start_in(root, "");
    emit_as(NOBODY - 1, &daemon, &line);
    emit_as(NOBODY, &daemon, &line);
    emit_as(0, &daemon, &line);
    emit_as(0, &daemon, &line);
    assert_eq!(users(&daemon), [u64::from(NOBODY), u64::from(NOBODY - 1), 0]);
}

#[test]
fn the_account_of_a_user_knows_the_repeats() {
    let host = Host::new(100, 600);
    let sent = |uid| [Sent { uid, ..Sent::of("a") }, Sent { uid, ..Sent::of("b") }];
    host.send(&sent(7));
    host.send(&sent(7));
    host.send(&sent(8));
    host.store(Sent::of("a"));
    let accounts = host.running().metrics().accounts.snapshot();
    let repeated = |uid| accounts.get(&uid).map_or(0, |account| account.repeated);
    assert_eq!((repeated(7), repeated(8)), (3, 0));
}
