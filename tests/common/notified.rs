//! A service manager that only listens, and keeps no descriptors: what a daemon tells it.

use std::ffi::OsStr;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::{Daemon, LONG};

/// The socket that `$NOTIFY_SOCKET` names.
pub struct Notified {
    socket: UnixDatagram,
    path: PathBuf,
    _dir: TempDir,
}

impl Notified {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("binds");
        Self { socket, path, _dir: dir }
    }

    /// Starts a daemon below a directory that tells it, with more in its environment.
    pub fn start_in(&self, root: TempDir, config: &str, env: &[(&str, &str)]) -> Daemon {
        let mut all = self.env().to_vec();
        all.extend(env.iter().map(|(name, value)| (*name, OsStr::new(*value))));
        Daemon::start_with_env(root, config, &all)
    }

    /// The same below a fresh directory.
    pub fn start(&self, config: &str, env: &[(&str, &str)]) -> Daemon {
        self.start_in(tempfile::tempdir().expect("temporary directory"), config, env)
    }

    /// What a daemon that it starts has in its environment.
    pub fn env(&self) -> [(&str, &OsStr); 2] {
        [("NOTIFY_SOCKET", self.path.as_os_str()), ("FDSTORE", OsStr::new("0"))]
    }

    /// The next message; none if there is none within this time.
    pub fn next_within(&self, time: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(time)).expect("sets a timeout");
        let mut buffer = [0; 8192];
        let n = self.socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8(buffer[..n].to_vec()).expect("utf-8"))
    }

    /// All messages up to the first one for which this holds, and that one.
    pub fn until(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let mut heard = Vec::new();
        loop {
            let Some(message) = self.next_within(LONG) else { panic!("never heard: {heard:?}") };
            let last = wanted(&message);
            heard.push(message);
            if last {
                return heard;
            }
        }
    }

    /// Waits for a message with this line in it.
    pub fn hears(&self, line: &str) -> String {
        let is_there = |message: &str| message.lines().any(|found| found.starts_with(line));
        self.until(is_there).pop().expect("the last one")
    }

    /// What has been sent and not yet heard.
    pub fn rest(&self) -> Vec<String> {
        std::iter::from_fn(|| self.next_within(Duration::from_millis(1))).collect()
    }
}
