//! The daemon as process 1, as in a container.

mod common;

use std::process::{Command, Stdio};

use common::{Daemon, eventually, only_child, verify};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// In a namespace of its own it is process 1; everything in there ends with `unshare`.
const UNSHARE: [&str; 5] = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];

fn may_unshare() -> bool {
    let mut command = Command::new(UNSHARE[0]);
    let command = command.args(&UNSHARE[1..]).arg("true").stderr(Stdio::null());
    let may = command.status().is_ok_and(|status| status.success());
    if !may {
        eprintln!("skipped: running as process 1 needs root and unshare (util-linux)");
    }
    may
}

struct Container {
    daemon: Daemon,
    /// Process 1, by its number out here.
    init: u32,
}

impl Container {
    fn start(config: &str) -> Self {
        let root = tempfile::tempdir().expect("temporary directory");
        let daemon = Daemon::start_under(&UNSHARE, root, config);
        let init = only_child(daemon.pid()).expect("it is process 1");
        Self { daemon, init }
    }

    fn signal(&self, pid: u32, signal: Signal) {
        kill(Pid::from_raw(pid as i32), signal).expect("signals");
    }
}

#[test]
fn it_passes_signals_on_and_ends_as_the_daemon_does() {
    if !may_unshare() {
        return;
    }
    let container = Container::start("");
    container.daemon.greeted().store("{}", 1);
    for reloads in 1..=2 {
        container.signal(container.init, Signal::SIGHUP);
        eventually("the daemon has reloaded", || {
            (container.daemon.log().matches(" reloaded\n").count() == reloads).then_some(())
        });
    }
    container.signal(container.init, Signal::SIGTERM);
    let stopped = container.daemon.wait();
    assert_eq!(stopped.status.code(), Some(0), "{}", stopped.daemon.log());
    let lines = stopped.daemon.lines();
    assert_eq!(lines.last().expect("a line")["seal"]["reason"], "stop");
    assert_eq!(verify(stopped.daemon.root()).0, Some(0));
}

#[test]
fn it_reaps_what_programs_leave_behind() {
    if !may_unshare() {
        return;
    }
    let dir = tempfile::tempdir().expect("temporary directory");
    let marker = dir.path().join("orphan");
    // It goes on until it has been handed to process 1, which is when its parent has ended.
    let orphan = format!(
        r#"while [ "$(cut -d" " -f4 /proc/$$/stat)" != 1 ]; do :; done; echo > {}"#,
        marker.display()
    );
    let config = format!(
        "[ledger]\nepoch_seconds = 1\n[[anchor]]\ntype = \"exec\"\ncommand = [\"/bin/sh\", \"-c\", '''sh -c '{orphan}' & ''']\n",
    );
    let container = Container::start(&config);
    eventually("there was an orphan", || marker.exists().then_some(()));
    eventually("the daemon is the only child", || only_child(container.init));
}

#[test]
fn a_daemon_that_was_killed_shows_in_the_status() {
    if !may_unshare() {
        return;
    }
    let container = Container::start("");
    let daemon = eventually("the daemon is its child", || only_child(container.init));
    container.signal(daemon, Signal::SIGKILL);
    assert_eq!(container.daemon.wait().status.code(), Some(128 + 9));
}
