//! Starts the daemon with its descriptors in their places (sd_listen_fds(3)).

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};

use command_fds::{CommandFdExt, FdMapping};

use super::Unit;
use crate::common::{clean, log};

/// LISTEN_PID and WATCHDOG_PID are the daemon's own, which the shell becomes.
const BECOME: &str = r#"export LISTEN_PID=$$; ${WATCHDOG_USEC:+export WATCHDOG_PID=$$}; exec "$@""#;

/// Starts the daemon below `root` with the listening socket and what is stored.
pub fn spawn(
    root: &Path,
    unit: &Unit,
    listener: &UnixListener,
    stored: &[(String, OwnedFd)],
) -> Child {
    // systemd gives a socket as it is to be by NonBlocking=no.
    listener.set_nonblocking(false).expect("sets the mode");
    let listener = listener.try_clone().expect("duplicates").into();
    let mut names = vec!["events".to_owned()];
    names.extend(stored.iter().map(|(name, _)| name.clone()));
    let copies = stored.iter().map(|(_, fd)| fd.try_clone().expect("duplicates"));
    let map = |(at, parent_fd)| FdMapping { parent_fd, child_fd: 3 + at as i32 };
    let mappings = std::iter::once(listener).chain(copies).enumerate().map(map).collect();

    let mut command = clean("/bin/sh");
    command.args(["-c", BECOME, "sh"]).args(&unit.wrapper);
    command.args([env!("CARGO_BIN_EXE_auditlogd"), "--root"]).arg(root);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log(root));
    command.env("NOTIFY_SOCKET", root.join("notify"));
    command.env("LISTEN_FDS", names.len().to_string()).env("LISTEN_FDNAMES", names.join(":"));
    if unit.announce_store {
        command.env("FDSTORE", unit.store_max.to_string());
    }
    if let Some(usec) = unit.watchdog_usec {
        command.env("WATCHDOG_USEC", usec.to_string());
    }
    // A group of its own: what happens to a terminal that the tests run in is the tests' own affair.
    command.process_group(0).fd_mappings(mappings).expect("each has a place of its own");
    command.spawn().expect("auditlogd runs")
}
