//! The descriptors that the service manager passes at the start (sd_listen_fds(3)).

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// A descriptor and its name.
pub type Passed = (String, OwnedFd);

/// Takes what was passed to this process; nothing without a service manager. Later calls, and calls by child
/// processes, find the same numbers: it is called once, before the process opens anything of its own.
pub fn passed() -> io::Result<Vec<Passed>> {
    let fds = sd_notify::listen_fds_with_names()?;
    // SAFETY: LISTEN_PID names this very process, so the service manager opened these descriptors for it, and
    // nothing else in it knows their numbers: each gets its one owner here.
    Ok(fds.map(|(fd, name)| (name, unsafe { OwnedFd::from_raw_fd(fd) })).collect())
}
