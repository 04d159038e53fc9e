//! Through the daemon that runs.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use crate::cli::daemon::{ask, unexpected};
use crate::cli::error::Error;
use crate::config::Config;
use crate::control::{ControlError, Reply, Request};
use crate::ledger::{Decommissioned, Paths};

/// How often it is looked whether the daemon is done.
const LOOK: Duration = Duration::from_millis(50);
/// What it may take beyond the time that a stop may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether there is no daemon to ask.
pub(super) fn nobody_listens(error: &ControlError) -> bool {
    let ControlError::Unreachable { source, .. } = error else { return false };
    matches!(source.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused)
}

/// Asks for it, and waits until it is done: the daemon writes the file last.
pub(super) fn decommission(
    config: &Config,
    paths: &Paths,
    reason: &str,
) -> Result<Decommissioned, Error> {
    let request = Request::Decommission { reason: reason.to_owned() };
    let Reply::Accepted = ask(&config.control_socket(), &request)? else {
        return Err(unexpected());
    };
    let limit = Duration::from_secs(config.stop_seconds) + PATIENCE;
    let asked = Instant::now();
    loop {
        let path = paths.decommissioned();
        let found = Decommissioned::of(paths);
        if let Some(ended) = found.map_err(|source| Error::File { action: "read", path, source })? {
            return Ok(ended);
        }
        if asked.elapsed() > limit {
            return Err(Error::Decommission(format!(
                "the daemon was asked, but did not end the log within {} seconds; the log goes on: look at \
                 `journalctl -u auditlogd`, and try again",
                limit.as_secs()
            )));
        }
        std::thread::sleep(LOOK);
    }
}
