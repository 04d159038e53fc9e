//! Closing a connection that is one too many of its user's. What was written to it is counted, so that its loss is
//! on record; the client that wants replies is told.

use std::io::ErrorKind;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, Shutdown, recv, shutdown};
use tokio::net::UnixStream;

use super::check;
use super::framing::{Framer, Line, Then};
use super::quota::Quotas;

/// Bytes that are looked at in one go.
const CHUNK: usize = 64 << 10;
/// Longer lines are counted as well, but not looked at.
const MAX_LINE: usize = 1024;

/// Closes it. After this its client cannot write to it any more, so the count is exact.
pub fn turn_away(stream: &UnixStream, uid: u32, quotas: &Quotas) {
    let mut sent = Sent::default();
    let shut = shutdown(stream.as_raw_fd(), Shutdown::Read);
    if let Err(error) = shut.and_then(|()| sent.look(stream)) {
        tracing::debug!(%error, "what was sent on a connection that was closed at once is not known");
    }
    if sent.greeted {
        let why = format!(
            "{{\"error\":\"uid {uid} has too many connections open; close some and connect again\"}}\n"
        );
        match stream.try_write(why.as_bytes()) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => {
                tracing::debug!(%error, "a client has gone before it was told why it was turned away");
            }
            _ => {}
        }
    }
    quotas.turned_away(uid, sent.lines, sent.bytes);
}

#[derive(Default)]
struct Sent {
    lines: u64,
    bytes: u64,
    greeted: bool,
}

impl Sent {
    /// To the end of what is there: no more comes.
    fn look(&mut self, stream: &UnixStream) -> nix::Result<()> {
        let (mut framer, mut buffer) = (Framer::default(), vec![0; CHUNK]);
        loop {
            match recv(stream.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(0) | Err(Errno::EAGAIN | Errno::ECONNRESET) => break,
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error),
                Ok(n) => {
                    self.bytes += n as u64;
                    framer.feed(&buffer[..n], MAX_LINE, |line, _| {
                        self.count(&line);
                        Then::Next
                    });
                }
            }
        }
        framer.finish(|line| self.count(&line));
        Ok(())
    }

    fn count(&mut self, line: &Line<'_>) {
        if check::is_blank(line) {
            return;
        }
        match check::greeting(line) {
            Some(acks) if self.lines == 0 && !self.greeted => self.greeted = acks,
            _ => self.lines += 1,
        }
    }
}
