//! One connection to the daemon, which never waits: what it takes and says is seen when it is asked.

use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, send, socket,
};

use super::reply::{self, Reply};

/// Asks for acknowledgements.
const HELLO: &[u8] = b"{\"auditlog\":{\"ack\":true}}\n";
/// The longest reply line; real ones are far shorter.
const MAX_REPLY: usize = 64 * 1024;
const READ: usize = 64 * 1024;
/// How often a daemon that has too many connections to accept is asked again.
const AGAIN: Duration = Duration::from_millis(5);

/// Why there is no connection.
#[derive(Debug)]
pub enum Away {
    /// Nobody answers at the socket.
    Unreachable(io::Error),
    /// The daemon closed the connection.
    Closed,
    /// The daemon said that it takes no more events: why.
    Refused(String),
    /// What answers does not speak the protocol.
    NotAuditlogd,
}

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => write!(f, "no daemon answers: {error}"),
            Self::Closed => f.write_str("the daemon closed the connection"),
            Self::Refused(why) => write!(f, "the daemon takes no more events: {why}"),
            Self::NotAuditlogd => {
                f.write_str("what listens there does not answer as auditlogd does")
            }
        }
    }
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    socket: UnixStream,
    /// What of the greeting is not sent.
    hello: &'static [u8],
    replies: Vec<u8>,
    /// The daemon takes no more, though it may still answer.
    deaf: bool,
}

impl Connection {
    /// Connects; where more connections wait than the daemon has accepted, tries for so long.
    pub fn open(path: &Path, patience: Duration) -> Result<Self, Away> {
        let until = Instant::now() + patience;
        loop {
            match try_connect(path) {
                Err(Errno::EAGAIN) if Instant::now() < until => std::thread::sleep(AGAIN),
                Err(errno) => return Err(Away::Unreachable(errno.into())),
                Ok(socket) => {
                    return Ok(Self { socket, hello: HELLO, replies: Vec::new(), deaf: false });
                }
            }
        }
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Whether it would send, if there is something to.
    pub fn takes(&self) -> bool {
        !self.deaf
    }

    /// Sends what the socket takes now; how many bytes of `bytes` that was.
    pub fn send(&mut self, bytes: &[u8]) -> usize {
        while !self.hello.is_empty() && !self.deaf {
            match self.send_some(self.hello) {
                0 => return 0,
                n => self.hello = &self.hello[n..],
            }
        }
        let mut sent = 0;
        while sent < bytes.len() && !self.deaf {
            match self.send_some(&bytes[sent..]) {
                0 => break,
                n => sent += n,
            }
        }
        sent
    }

    /// Without a signal where nobody reads any more.
    fn send_some(&mut self, bytes: &[u8]) -> usize {
        loop {
            match send(self.socket.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL) {
                Ok(n) => return n,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return 0,
                // What it answered before it closed is still to be read.
                Err(_) => {
                    self.deaf = true;
                    return 0;
                }
            }
        }
    }

    /// Reads the replies that are there and hands each to `take`, which says whether it can be. An error ends
    /// the connection; the replies before it were handed over.
    pub fn receive(&mut self, take: &mut dyn FnMut(Reply) -> bool) -> Result<(), Away> {
        let mut chunk = [0; READ];
        loop {
            match self.socket.read(&mut chunk) {
                Ok(0) => return Err(Away::Closed),
                Ok(n) => self.replies.extend_from_slice(&chunk[..n]),
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(Away::Closed),
            }
            let whole = memchr::memrchr(b'\n', &self.replies).map_or(0, |lf| lf + 1);
            for line in self.replies[..whole].split_inclusive(|byte| *byte == b'\n') {
                match reply::parse(line) {
                    Some(Reply::Error(why)) => return Err(Away::Refused(why)),
                    Some(reply) => match take(reply) {
                        true => {}
                        false => return Err(Away::NotAuditlogd),
                    },
                    None => return Err(Away::NotAuditlogd),
                }
            }
            self.replies.drain(..whole);
            if self.replies.len() > MAX_REPLY {
                return Err(Away::NotAuditlogd);
            }
        }
    }
}

fn try_connect(path: &Path) -> nix::Result<UnixStream> {
    let address = UnixAddr::new(path)?;
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    connect(fd.as_raw_fd(), &address)?;
    Ok(fd.into())
}
