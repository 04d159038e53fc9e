//! What is shown to somebody who looks on.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use tempfile::{TempDir, tempdir};

use super::common::Daemon;
use super::{TOOL, host_key, in_groups, state};

/// A program on a terminal of its own.
struct OnTerminal {
    child: Child,
    terminal: File,
    _root: TempDir,
}

impl OnTerminal {
    fn run(program: &str, root: TempDir, args: &[&str]) -> Self {
        let ends = nix::pty::openpty(None, None).expect("a pseudo-terminal");
        let end = || Stdio::from(ends.slave.try_clone().expect("clones"));
        let mut command = Command::new(program);
        command.arg("--root").arg(root.path()).args(args).env_remove("NO_COLOR");
        command.env_remove("JOURNAL_STREAM").env("TERM", "xterm-256color");
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().expect("runs");
        Self { child, terminal: File::from(ends.master), _root: root }
    }

    /// What it shows until `last` is there.
    fn shows(&mut self, last: &str) -> String {
        let mut shown = Vec::new();
        loop {
            let mut part = [0; 4096];
            let read = self.terminal.read(&mut part).expect("the program still runs");
            shown.extend_from_slice(&part[..read]);
            let text = String::from_utf8_lossy(&shown);
            if text.contains(last) {
                return text.into_owned();
            }
        }
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ended_before = self.child.kill();
        let _ended_before = self.child.wait();
    }
}

#[test]
fn a_first_start_on_a_terminal_shows_the_sheet_once() {
    let root = tempdir().expect("dir");
    let path = root.path().to_owned();
    let mut daemon = OnTerminal::run(env!("CARGO_BIN_EXE_auditlogd"), root, &[]);
    let shown = daemon.shows("ready");
    let genesis = fs::read_to_string(state(&path, "genesis.pub")).expect("reads");
    for line in in_groups(&host_key(&path)).iter().chain(&in_groups(genesis.trim())) {
        assert_eq!(shown.matches(line).count(), 1, "{line} is missing in {shown}");
    }
    assert!(shown.contains("KEEP THIS") && shown.contains("▄▄▄▄▄▄▄█"), "{shown}");
    assert!(!shown.contains("WARN"), "{shown}");
}

#[test]
fn an_export_on_a_terminal_removes_the_key_once_the_owner_says_yes() {
    let stopped = Daemon::start().stop();
    let root = stopped.daemon.kill();
    let key = host_key(root.path());
    let path = root.path().to_owned();
    let mut tool = OnTerminal::run(TOOL, root, &["keys", "export", "--auditor", "-"]);
    let shown = tool.shows("removed from this host: ");
    for line in in_groups(&key) {
        assert!(shown.contains(&line), "{shown}");
    }
    assert_eq!(host_key(&path), key);
    tool.terminal.write_all(b"yes\n").expect("types");
    assert_eq!(tool.child.wait().expect("waits").code(), Some(0));
    assert!(!state(&path, "auditor.key").exists());
}
