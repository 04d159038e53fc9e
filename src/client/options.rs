//! What a client is made with.

use std::path::PathBuf;
use std::time::Duration;

/// The smallest bound of a spool, bytes: the longest event that the daemon takes fits into it.
pub const MIN_SPOOL_BYTES: u64 = 128 * 1024;
/// The bound of a spool where nobody says another, bytes.
pub const SPOOL_BYTES: u64 = 64 * 1024 * 1024;

/// Where to send events, and how patiently.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) socket: PathBuf,
    pub(super) spool: Option<PathBuf>,
    pub(super) spool_bytes: u64,
    pub(super) send_timeout: Duration,
}

impl Options {
    /// To the daemon at this socket, without a spool: while the daemon is away, as many events as fit into
    /// 8 MiB wait in memory.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        let (spool, spool_bytes) = (None, SPOOL_BYTES);
        Self { socket: socket.into(), spool, spool_bytes, send_timeout: Duration::from_millis(250) }
    }

    /// A file that events wait in while the daemon is away. It is made for its owner alone, and one client has
    /// it at a time. What is left in it is sent by the next client that opens it, or by `auditlog emit --spool`.
    pub fn spool(self, file: impl Into<PathBuf>) -> Self {
        Self { spool: Some(file.into()), ..self }
    }

    /// The most bytes in the spool: 64 MiB if not said, at least 128 KiB.
    pub fn spool_bytes(self, bytes: u64) -> Self {
        Self { spool_bytes: bytes.max(MIN_SPOOL_BYTES), ..self }
    }

    /// How long a send may wait for a daemon that is slower than the application: a quarter of a second if not
    /// said. After that the event is spooled, or refused where there is no spool.
    pub fn send_timeout(self, longest: Duration) -> Self {
        Self { send_timeout: longest, ..self }
    }
}
