//! One connection to the daemon: sends while it reads replies, so that full buffers on either side
//! never make both wait.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::framer::Framer;
use super::tally::{Added, Receipt, Rejected, Tally};

/// Asks for acknowledgements.
const HELLO: &[u8] = b"{\"auditlog\":{\"ack\":true}}\n";
/// Input is read ahead of the socket up to this many bytes.
const READ_AHEAD: usize = 256 * 1024;
/// The longest reply line; real ones are far shorter.
const MAX_REPLY: usize = 64 * 1024;
/// How often the loop looks at `stop` when nothing else happens, milliseconds.
const TICK_MS: u16 = 200;

/// How an exchange ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Everything was sent and answered.
    Done,
    /// The daemon closed the connection before that.
    Lost,
    /// What answers does not speak the protocol.
    NotAuditlogd,
    /// `stop` was raised.
    Stopped,
}

/// What happens on the way.
pub(super) enum Notice<'a> {
    /// An event was refused; `line` is its number in the input.
    Rejected { line: u64, rejected: &'a Rejected },
    /// The daemon acknowledged; the receipt is of the last event so far.
    Acknowledged { log_id: Option<&'a str>, receipt: &'a Receipt },
    /// More was read or answered.
    Progress { bytes_read: u64, tally: &'a Tally },
}

/// The state of the connection.
pub(super) struct Exchange<'a> {
    socket: UnixStream,
    input: Option<BorrowedFd<'a>>,
    bytes_read: u64,
    framer: Framer,
    tally: Tally,
    out: Vec<u8>,
    /// Bytes of `out` that the socket took.
    taken: usize,
    replies: Vec<u8>,
    /// The daemon takes no more, though it may still answer.
    deaf: bool,
}

impl<'a> Exchange<'a> {
    /// Over `socket`; the events come from `input`, or are all in `event` where there is none.
    pub(super) fn new(
        socket: UnixStream,
        input: Option<BorrowedFd<'a>>,
        event: &[u8],
    ) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let (mut framer, mut out) = (Framer::new(), HELLO.to_vec());
        framer.feed(event, &mut out);
        framer.finish(&mut out);
        let (taken, bytes_read, deaf) = (0, 0, false);
        let (tally, replies) = (Tally::default(), Vec::new());
        Ok(Self { socket, input, bytes_read, framer, tally, out, taken, replies, deaf })
    }

    /// What was answered.
    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The first line of the input that was neither accepted nor refused.
    pub(super) fn resend_from(&self) -> u64 {
        self.framer.input_line(self.tally.answered() + 1)
    }

    /// Sends and reads until everything is answered or nothing more can be; an error is the input's.
    pub(super) fn run(
        &mut self,
        stop: &AtomicBool,
        notify: &mut dyn FnMut(Notice<'_>),
    ) -> io::Result<End> {
        let mut chunk = vec![0; READ_AHEAD / 4];
        loop {
            if self.all_answered() {
                return Ok(End::Done);
            }
            if stop.load(Relaxed) {
                return Ok(End::Stopped);
            }
            let (input_ready, replies_ready) = self.wait()?;
            if replies_ready && let Some(end) = self.receive(&mut chunk, notify) {
                return Ok(end);
            }
            if input_ready {
                self.read_input(&mut chunk)?;
            }
            self.send();
            notify(Notice::Progress { bytes_read: self.bytes_read, tally: &self.tally });
        }
    }

    fn all_answered(&self) -> bool {
        self.input.is_none() && self.tally.answered() >= self.framer.events()
    }

    /// Waits until something can be done; whether input and replies can be read.
    fn wait(&self) -> io::Result<(bool, bool)> {
        let waiting = self.out.len() - self.taken;
        let mut socket_flags = PollFlags::POLLIN;
        socket_flags.set(PollFlags::POLLOUT, waiting > 0 && !self.deaf);
        let mut fds = vec![PollFd::new(self.socket.as_fd(), socket_flags)];
        if let Some(input) = self.input
            && waiting < READ_AHEAD
            && !self.deaf
        {
            fds.push(PollFd::new(input, PollFlags::POLLIN));
        }
        match poll(&mut fds, PollTimeout::from(TICK_MS)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        // An error or a hang-up is found by reading.
        let ready = |fd: &PollFd<'_>, wanted: PollFlags| {
            let wanted = wanted | PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
            fd.revents().is_some_and(|flags| flags.intersects(wanted))
        };
        let input_ready = fds.get(1).is_some_and(|fd| ready(fd, PollFlags::POLLIN));
        Ok((input_ready, ready(&fds[0], PollFlags::POLLIN)))
    }

    fn read_input(&mut self, chunk: &mut [u8]) -> io::Result<()> {
        let Some(input) = self.input else { return Ok(()) };
        match nix::unistd::read(input, chunk) {
            Ok(0) => {
                self.input = None;
                self.framer.finish(&mut self.out);
            }
            Ok(n) => {
                self.bytes_read += n as u64;
                self.framer.feed(&chunk[..n], &mut self.out);
            }
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(errno) => return Err(errno.into()),
        }
        Ok(())
    }

    fn send(&mut self) {
        while self.taken < self.out.len() && !self.deaf {
            match self.socket.write(&self.out[self.taken..]) {
                Ok(n) => self.taken += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                // What it answered before it closed is still to be read.
                Err(_) => self.deaf = true,
            }
        }
        if self.taken == self.out.len() || self.taken > READ_AHEAD {
            self.out.drain(..self.taken);
            self.taken = 0;
        }
    }

    /// Reads replies; the end if there will be no more of them.
    fn receive(&mut self, chunk: &mut [u8], notify: &mut dyn FnMut(Notice<'_>)) -> Option<End> {
        loop {
            match self.socket.read(chunk) {
                Ok(0) => return Some(if self.all_answered() { End::Done } else { End::Lost }),
                Ok(n) => self.replies.extend_from_slice(&chunk[..n]),
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return None,
                Err(_) => return Some(End::Lost),
            }
            if !self.take_replies(notify) {
                return Some(End::NotAuditlogd);
            }
        }
    }

    /// Adds up whole reply lines; false if one is no reply.
    fn take_replies(&mut self, notify: &mut dyn FnMut(Notice<'_>)) -> bool {
        let mut start = 0;
        while let Some(lf) = memchr::memchr(b'\n', &self.replies[start..]) {
            match self.tally.add(&self.replies[start..start + lf]) {
                Ok(Added::Greeting | Added::Error) => {}
                Ok(Added::Ack(receipt)) => {
                    let log_id = self.tally.log_id.as_deref();
                    notify(Notice::Acknowledged { log_id, receipt: &receipt });
                }
                Ok(Added::Rejected(rejected)) => {
                    let line = self.framer.input_line(rejected.line);
                    notify(Notice::Rejected { line, rejected: &rejected });
                }
                Err(_) => return false,
            }
            start += lf + 1;
        }
        self.replies.drain(..start);
        self.framer.forget(self.tally.answered());
        self.replies.len() <= MAX_REPLY
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Seek};
    use std::thread;

    /// Runs an exchange over `input` against `serve`; the end, the exchange's sums and the lines of
    /// refused events.
    fn exchange(
        input: &str,
        serve: impl FnOnce(BufReader<UnixStream>) + Send + 'static,
    ) -> (End, (u64, u64, u64), Vec<u64>) {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(input.as_bytes()).and_then(|()| file.rewind()).expect("written");
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let server = thread::spawn(move || serve(BufReader::new(theirs)));
        let mut exchange = Exchange::new(ours, Some(file.as_fd()), b"").expect("an exchange");
        let mut refused = Vec::new();
        let end = exchange
            .run(&AtomicBool::new(false), &mut |notice| match notice {
                Notice::Rejected { line, .. } => refused.push(line),
                Notice::Progress { .. } | Notice::Acknowledged { .. } => {}
            })
            .expect("readable input");
        let sums = (exchange.tally.accepted, exchange.tally.rejected, exchange.resend_from());
        drop(exchange);
        server.join().expect("the server's own checks hold");
        (end, sums, refused)
    }

    fn reply(to: &mut BufReader<UnixStream>, text: &str) {
        to.get_mut().write_all(text.as_bytes()).expect("the client reads");
    }

    fn ack(line: u64) -> String {
        format!("{{\"ack\":{{\"line\":{line},\"seq\":{line},\"mac\":\"00\"}}}}\n")
    }

    #[test]
    fn a_daemon_that_answers_each_line_at_once_is_read_while_sending() {
        // Far more than both buffers hold, in both directions.
        let input = "{\"a\":1}\n".repeat(100_000);
        let (end, sums, _) = exchange(&input, |mut peer| {
            let (mut line, mut n) = (String::new(), 0);
            while peer.read_line(&mut line).expect("text") > 0 {
                if n > 0 {
                    assert_eq!(line, "{\"a\":1}\n");
                    reply(&mut peer, &ack(n));
                } else {
                    assert_eq!(line.as_bytes(), HELLO);
                }
                n += 1;
                line.clear();
            }
        });
        assert_eq!((end, sums), (End::Done, (100_000, 0, 100_001)));
    }

    #[test]
    fn refused_lines_are_named_by_their_number_in_the_input() {
        let reject = |n| format!(r#"{{"reject":{{"line":{n},"code":"x","message":"y"}}}}"#) + "\n";
        let (end, sums, refused) = exchange("{}\n\n\nx\n{}", move |mut peer| {
            let lines: Vec<String> = peer.by_ref().lines().take(4).map(Result::unwrap).collect();
            assert_eq!(lines[1..], ["{}", "x", "{}"]);
            reply(&mut peer, &(reject(2) + &ack(3)));
        });
        assert_eq!((end, sums, refused), (End::Done, (2, 1, 6), vec![4]));
    }

    #[test]
    fn a_lost_connection_tells_from_where_to_send_again() {
        let input = "\n".to_owned() + &"{}\n".repeat(1_000_000);
        let (end, sums, _) = exchange(&input, |mut peer| {
            let _ = peer.by_ref().lines().take(500).count();
            reply(&mut peer, &ack(99));
        });
        assert_eq!((end, sums), (End::Lost, (99, 0, 101)));
    }

    #[test]
    fn something_else_on_the_socket_is_noticed() {
        let (end, ..) = exchange("{}\n", |mut peer| reply(&mut peer, "220 ready\r\n"));
        assert_eq!(end, End::NotAuditlogd);
        let (end, ..) = exchange("{}\n", |mut peer| reply(&mut peer, &"x".repeat(MAX_REPLY + 1)));
        assert_eq!(end, End::NotAuditlogd);
    }

    #[test]
    fn the_daemons_end_is_noticed_while_the_input_is_silent() {
        let (input, _kept_open) = nix::unistd::pipe().expect("a pipe");
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        drop(theirs);
        let mut exchange = Exchange::new(ours, Some(input.as_fd()), b"").expect("an exchange");
        let end = exchange.run(&AtomicBool::new(false), &mut |_| {}).expect("readable input");
        assert_eq!(end, End::Lost);
    }
}
