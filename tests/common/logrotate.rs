//! The real logrotate, with the configuration that is shipped.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

/// Whether there is none; that is said once.
pub fn skipped() -> bool {
    let missing = Command::new("logrotate").arg("--version").output().is_err();
    if missing {
        eprintln!("skipped: logrotate is not installed");
    }
    missing
}

/// Has logrotate look at the log below `root` with the shipped configuration, changed as the test likes; its
/// `systemctl` knows one unit, of the process `pid` or not running.
pub fn logrotate(
    root: &Path,
    pid: Option<u32>,
    change: impl Fn(String) -> String,
    args: &[&str],
) -> Output {
    let logs = root.join("var/log/auditlogd");
    let mut config = include_str!("../../logrotate.d/auditlogd")
        .replace("/var/log/auditlogd", logs.to_str().expect("utf-8"));
    // Whoever runs the test owns the log.
    let owner = if nix::unistd::geteuid().is_root() { "    su root root\n" } else { "" };
    let su = "    su auditlogd auditlog\n";
    assert!(config.contains(su));
    config = config.replace(su, owner);
    let file = root.join("logrotate.conf");
    fs::write(&file, change(config)).expect("writes");
    let (active, reload) = match pid {
        Some(pid) => (0, format!("kill -HUP {pid}")),
        None => (3, "echo not active, cannot reload >&2; exit 1".into()),
    };
    let systemctl = format!(
        "#!/bin/sh\ncase \"$*\" in\n\
         '--quiet is-active auditlogd.service') exit {active};;\n\
         'reload auditlogd.service') {reload};;\n\
         *) echo \"unknown: $*\" >&2; exit 1;;\nesac\n"
    );
    let bin = root.join("bin");
    fs::create_dir_all(&bin).expect("creates");
    let program = bin.join("systemctl");
    fs::write(&program, systemctl).expect("writes");
    fs::set_permissions(&program, Permissions::from_mode(0o755)).expect("may be run");
    let path = std::env::var("PATH").expect("a path");
    let mut command = Command::new("logrotate");
    command.env("PATH", format!("{}:{path}", bin.display()));
    command.args(args).arg("--state").arg(root.join("logrotate.state")).arg(file);
    command.output().expect("logrotate runs")
}

pub fn as_shipped(config: String) -> String {
    config
}

pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
