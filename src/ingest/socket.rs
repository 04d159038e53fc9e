//! The Unix socket as a file: bound without harming anybody else's, removed at the stop; or the one that the
//! service manager has bound, which stays.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, getsockopt, listen,
    socket, sockopt,
};
use tokio::net::UnixListener;

/// The longest path that the kernel takes for a Unix socket, bytes.
pub const MAX_PATH: usize = 107;

/// Why there is no socket, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The kernel's limit.
    #[error(
        "the socket path {path:?} has {len} bytes, the kernel takes {MAX_PATH}: choose a shorter `socket`"
    )]
    TooLong {
        /// The configured path.
        path: PathBuf,
        /// Its bytes.
        len: usize,
    },
    /// The path holds a file, a directory, a symbolic link, …
    #[error("{path:?} exists and is not a socket: move it away or change `socket`")]
    NotASocket {
        /// The configured path.
        path: PathBuf,
    },
    /// Somebody listens there.
    #[error(
        "{path:?} is in use by a running process: stop it (`ss -xlp` shows which) or change `socket`"
    )]
    InUse {
        /// The configured path.
        path: PathBuf,
    },
    /// The service manager's is none that clients connect to.
    #[error(
        "the descriptor `events` of the service manager is not a listening stream socket: see auditlogd.socket"
    )]
    NotListening,
    /// The service manager's cannot be used.
    #[error("the socket of the service manager cannot be used: {source}")]
    Passed {
        /// What the kernel said.
        source: io::Error,
    },
    /// It is a socket, but whether anybody listens there cannot be found out.
    #[error(
        "cannot tell whether the socket {path:?} is in use ({source}): if it is not, remove it"
    )]
    Unknown {
        /// The configured path.
        path: PathBuf,
        /// What connecting to it gave.
        source: io::Error,
    },
    /// A step failed.
    #[error(
        "cannot {step} {path:?}: {source}; check the directory's permissions or change `socket`"
    )]
    Io {
        /// What was tried.
        step: &'static str,
        /// On what.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// A listening socket. Dropping it closes it and removes its file if that is still the same one.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    /// None if the file is the service manager's.
    file: Option<SocketFile>,
}

impl Socket {
    /// Binds the socket, with the directories above it, and gives it `mode`. Nobody can connect before
    /// the mode is set. A socket that nobody listens on any more is replaced. Call it inside a Tokio
    /// runtime, and while holding the lock on the state directory: two daemons that replace the same
    /// stale socket at once are not told apart here.
    pub fn bind(path: &Path, mode: u32) -> Result<Self, SocketError> {
        let io = |step, source| SocketError::Io { step, path: path.to_owned(), source };
        let len = path.as_os_str().len();
        if len > MAX_PATH {
            return Err(SocketError::TooLong { path: path.to_owned(), len });
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|e| io("create the directory of", e))?;
        }
        remove_stale(path)?;
        let addr = UnixAddr::new(path).map_err(|e| io("bind", e.into()))?;
        let fd = new_socket().map_err(|e| io("create", e.into()))?;
        bind(fd.as_raw_fd(), &addr).map_err(|e| match e {
            Errno::EADDRINUSE => SocketError::InUse { path: path.to_owned() },
            e => io("bind", e.into()),
        })?;
        let file = SocketFile::of(path).map_err(|e| io("look at", e))?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
            .map_err(|e| io("set the mode of", e))?;
        listen(&fd, Backlog::MAXCONN).map_err(|e| io("listen on", e.into()))?;
        let listener = UnixListener::from_std(fd.into()).map_err(|e| io("listen on", e))?;
        Ok(Self { listener, file: Some(file) })
    }

    /// The socket that the service manager listens on (systemd.socket(5), Accept=no). Call it inside a Tokio
    /// runtime.
    pub fn passed(fd: OwnedFd) -> Result<Self, SocketError> {
        let usable = getsockopt(&fd, sockopt::AcceptConn).is_ok_and(|listens| listens)
            && getsockopt(&fd, sockopt::SockType) == Ok(SockType::Stream);
        if !usable {
            return Err(SocketError::NotListening);
        }
        let listener = std::os::unix::net::UnixListener::from(fd);
        let listener =
            listener.set_nonblocking(true).and_then(|()| UnixListener::from_std(listener));
        let listener = listener.map_err(|source| SocketError::Passed { source })?;
        Ok(Self { listener, file: None })
    }

    /// Where clients connect.
    pub fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// Whether the service manager goes on listening when this process ends.
    pub fn outlives_the_process(&self) -> bool {
        self.file.is_none()
    }

    /// Where the service manager listens, if that is not `configured`, which is where `auditlog` looks. The one
    /// may be a symbolic link to the other.
    pub fn elsewhere_than(&self, configured: &Path) -> Option<PathBuf> {
        let address = self.listener.local_addr().ok()?;
        let path = address.as_pathname().filter(|_| self.outlives_the_process())?;
        let same = path == configured
            || fs::canonicalize(path).is_ok_and(|path| {
                fs::canonicalize(configured).is_ok_and(|configured| configured == path)
            });
        (!same).then(|| path.to_owned())
    }

    /// Removes the file, so that nobody new finds the socket; who is in its queue can still be
    /// accepted.
    pub fn close(self) -> io::Result<std::os::unix::net::UnixListener> {
        drop(self.file);
        self.listener.into_std()
    }
}

/// The file, and which one it was: another daemon may have put its own in the place.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        let meta = fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_owned(), identity: (meta.dev(), meta.ino()) })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path).map(|m| (m.dev(), m.ino()));
        if found.is_ok_and(|found| found == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = ?self.path, %error, "the socket could not be removed");
        }
    }
}

fn new_socket() -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket(AddressFamily::Unix, SockType::Stream, flags, None)
}

/// Removes a socket that refuses connections; leaves alone whatever else is there, and says so.
fn remove_stale(path: &Path) -> Result<(), SocketError> {
    let io = |step, source| SocketError::Io { step, path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(io("look at", e)),
        Ok(meta) if !meta.file_type().is_socket() => {
            return Err(SocketError::NotASocket { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    let fd = new_socket().map_err(|e| io("create", e.into()))?;
    let addr = UnixAddr::new(path).map_err(|e| io("connect to", e.into()))?;
    match connect(fd.as_raw_fd(), &addr) {
        Err(Errno::ECONNREFUSED) => fs::remove_file(path).map_err(|e| io("replace the stale", e)),
        Err(Errno::ENOENT) => Ok(()),
        // A full listen queue, or another kind of socket: somebody is there.
        Ok(()) | Err(Errno::EAGAIN | Errno::EPROTOTYPE) => {
            Err(SocketError::InUse { path: path.to_owned() })
        }
        Err(e) => Err(SocketError::Unknown { path: path.to_owned(), source: e.into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net as std_net;

    fn dir() -> tempfile::TempDir {
        tempfile::tempdir().expect("temporary directory")
    }

    #[tokio::test]
    async fn the_socket_gets_its_directory_and_mode_and_is_removed_when_dropped() {
        let dir = dir();
        let path = dir.path().join("a/b/audit.sock");
        let socket = Socket::bind(&path, 0o620).expect("binds");
        let mode = fs::metadata(&path).expect("exists").permissions().mode();
        assert_eq!(mode & 0o7777, 0o620);
        std_net::UnixStream::connect(&path).expect("connects");
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced() {
        let dir = dir();
        let path = dir.path().join("s");
        drop(std_net::UnixListener::bind(&path).expect("binds"));
        assert!(path.exists());
        let _socket = Socket::bind(&path, 0o666).expect("binds");
        std_net::UnixStream::connect(&path).expect("connects");
    }

    #[tokio::test]
    async fn a_socket_in_use_is_left_alone() {
        let dir = dir();
        let path = dir.path().join("s");
        let other = std_net::UnixListener::bind(&path).expect("binds");
        let error = Socket::bind(&path, 0o666).expect_err("in use");
        assert!(matches!(error, SocketError::InUse { .. }), "{error}");
        std_net::UnixStream::connect(&path).expect("the other one still listens");
        drop(other);
    }

    #[tokio::test]
    async fn a_socket_of_the_service_manager_is_compared_with_the_configured_path() {
        let dir = dir();
        let [path, link, other] = ["s", "link", "other"].map(|name| dir.path().join(name));
        let listener = std_net::UnixListener::bind(&path).expect("binds");
        std::os::unix::fs::symlink(&path, &link).expect("links");
        let passed = Socket::passed(listener.into()).expect("is taken");
        assert_eq!(passed.elsewhere_than(&path), None);
        assert_eq!(passed.elsewhere_than(&link), None);
        assert_eq!(passed.elsewhere_than(&other), Some(path));
        let bound = Socket::bind(&other, 0o666).expect("binds");
        assert_eq!(bound.elsewhere_than(&link), None, "nobody else made it");
    }

    #[tokio::test]
    async fn what_is_not_a_socket_is_left_alone() {
        let dir = dir();
        let path = dir.path().join("s");
        fs::write(&path, "precious").expect("writes");
        let error = Socket::bind(&path, 0o666).expect_err("a file");
        assert!(matches!(error, SocketError::NotASocket { .. }), "{error}");
        assert_eq!(fs::read_to_string(&path).expect("reads"), "precious");
    }

    #[tokio::test]
    async fn a_path_longer_than_the_kernel_takes_is_refused_with_its_length() {
        let dir = dir();
        let path = dir.path().join("x".repeat(120));
        let error = Socket::bind(&path, 0o666).expect_err("too long").to_string();
        assert!(error.contains("107") && error.contains(&path.as_os_str().len().to_string()));
    }

    #[tokio::test]
    async fn a_socket_that_took_the_place_of_ours_is_not_removed() {
        let dir = dir();
        let path = dir.path().join("s");
        let socket = Socket::bind(&path, 0o666).expect("binds");
        fs::rename(&path, dir.path().join("moved")).expect("renames");
        let _other = std_net::UnixListener::bind(&path).expect("binds");
        drop(socket);
        assert!(path.exists());
    }
}
