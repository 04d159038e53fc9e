//! Asking.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Reply, Request};

/// The longest reply.
const MAX_REPLY: u64 = 1 << 20;
/// How long the daemon is waited for, beyond the time that it may take over the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens.
    #[error("the daemon does not answer on {path:?}: {source}; {}", advice(source))]
    Unreachable {
        /// The control socket.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// What came back is no reply.
    #[error(
        "the answer on {path:?} cannot be understood: {message}; is the daemon of another version?"
    )]
    Garbled {
        /// The control socket.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
}

fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => "root may ask, and the group that was given the log",
        _ => "is it running? `systemctl status auditlogd` tells",
    }
}

/// Asks the daemon whose control socket is at `path`.
pub fn request(path: &Path, request: &Request) -> Result<Reply, ControlError> {
    let unreachable = |source| ControlError::Unreachable { path: path.into(), source };
    let garbled =
        |e: serde_json::Error| ControlError::Garbled { path: path.into(), message: e.to_string() };
    let mut text = serde_json::to_vec(request).map_err(garbled)?;
    text.push(b'\n');
    let ask = || {
        let mut stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(request.limit() + PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(&text)?;
        let mut reply = String::new();
        BufReader::new(stream.take(MAX_REPLY)).read_line(&mut reply)?;
        Ok(reply)
    };
    serde_json::from_str(&ask().map_err(unreachable)?).map_err(garbled)
}
