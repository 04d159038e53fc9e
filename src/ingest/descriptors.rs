//! How many connections the limit of open files leaves room for. A rotation, a seal, the database and the programs
//! that the daemon runs need descriptors too: clients that open connections must not be able to take those.

use std::io;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};

/// Descriptors that no client gets. A daemon at rest has about 25 open; a rotation, a maintenance run, eight
/// questions on the control socket and the programs of anchors and archives take the rest.
const RESERVED: u64 = 64;
/// Connections that are served however low the limit is.
const LEAST: u64 = 8;
/// A shortage that comes and goes is not logged more often than this.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// Connections that may be open at once. Asked each time: prlimit(1) changes the limit of a running process.
pub fn room() -> usize {
    let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((u64::MAX, u64::MAX));
    usize::try_from(limit.saturating_sub(RESERVED).max(LEAST)).unwrap_or(usize::MAX)
}

/// Whether accept(2) failed because something ran short, and not because of the one connection.
pub fn ran_short(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::ENOBUFS))
}

/// That clients wait to be let in, as the daemon's log is told of it.
#[derive(Default)]
pub struct Shortage {
    said: Option<Instant>,
    lasts: bool,
}

impl Shortage {
    /// Nobody is let in at the moment. `why` ends with what to do.
    pub fn begins(&mut self, why: std::fmt::Arguments<'_>) {
        let said_lately = self.said.is_some_and(|said| said.elapsed() < SAY_AGAIN);
        if self.lasts || said_lately {
            return;
        }
        (self.said, self.lasts) = (Some(Instant::now()), true);
        tracing::warn!("no more connections are accepted: {why}");
    }

    /// Somebody was let in.
    pub fn ends(&mut self) {
        if std::mem::take(&mut self.lasts) {
            tracing::info!("connections are accepted again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemons_own_files_keep_their_descriptors() {
        let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
        assert!(room() as u64 <= limit.saturating_sub(RESERVED).max(LEAST));
    }

    #[test]
    fn a_shortage_that_comes_and_goes_is_said_once() {
        let mut shortage = Shortage::default();
        shortage.begins(format_args!("one"));
        let said = shortage.said;
        assert!(said.is_some() && shortage.lasts);
        shortage.ends();
        shortage.begins(format_args!("two"));
        assert_eq!((shortage.said, shortage.lasts), (said, false));
    }
}
