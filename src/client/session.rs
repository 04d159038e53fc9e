//! What sending takes, one turn at a time and without waiting: the connection and its return, the window, the spool.
//! Whoever drives it decides how long to wait and what to do when there is no room.

use std::borrow::Cow;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::connection::{Away, Connection};
use super::identify::identify;
use super::reply::{Receipt, Reject, Reply};
use super::spool::{LONGEST, Spool, SpoolError};
use super::window::{Answered, Window};
use crate::backoff::Backoff;
use crate::clock::Clock;

/// Events that may wait for their answer: fewer than the daemon remembers, so that it knows all that are sent again.
const WINDOW_EVENTS: usize = 32_768;
/// The same in bytes.
const WINDOW_BYTES: usize = 8 * 1024 * 1024;
/// The first wait before connecting again, and the longest.
const RECONNECT: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(5)];

/// Where to send, and what may be done where nobody is there.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The daemon's socket.
    pub socket: PathBuf,
    /// How long to try when more connections wait than the daemon has accepted.
    pub connect: Duration,
    /// Connect again and send again what was not answered; events get ids for that.
    pub resend: bool,
}

/// An event that the daemon refused: it is not in the log, but a record of it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Which of the events it is that were taken, from 1 (for `auditlog emit` the line of its input); `None` for
    /// one that was in the spool.
    pub number: Option<u64>,
    /// Its line, without LF.
    pub event: Vec<u8>,
    /// The protocol's code for the reason.
    pub code: String,
    /// The reason.
    pub message: String,
}

/// What the daemon said.
#[derive(Debug)]
pub(crate) enum Answer<'a> {
    /// More events are on disk; the receipt is of the last of them.
    Acknowledged { log_id: Option<&'a str>, receipt: &'a Receipt },
    /// An event was refused.
    Rejected(Rejected),
}

/// What became of the events so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sums {
    pub accepted: u64,
    pub rejected: u64,
    /// The receipt of the last accepted event.
    pub receipt: Option<Receipt>,
    /// The log's id, hex, once the daemon has said it.
    pub log_id: Option<String>,
}

/// The state of it all.
#[derive(Debug)]
pub(crate) struct Session {
    settings: Settings,
    connection: Option<Connection>,
    was_connected: bool,
    /// Why there is none, or why the last one ended.
    away: Option<Away>,
    since: Instant,
    retry_at: Option<Instant>,
    backoff: Backoff,
    window: Window,
    spool: Option<Spool>,
    /// The first thing that went wrong with the spool and was not told.
    trouble: Option<SpoolError>,
    sums: Sums,
}

impl Session {
    pub fn new(settings: Settings, spool: Option<Spool>) -> Self {
        let now = Instant::now();
        let [first, longest] = RECONNECT;
        Self {
            settings,
            connection: None,
            was_connected: false,
            away: None,
            since: now,
            retry_at: Some(now),
            backoff: Backoff::new(first, longest),
            window: Window::default(),
            spool,
            trouble: None,
            sums: Sums::default(),
        }
    }

    pub fn sums(&self) -> &Sums {
        &self.sums
    }

    pub fn spool(&self) -> Option<&Spool> {
        self.spool.as_ref()
    }

    /// Since when there is no connection.
    pub fn away_since(&self) -> Option<Instant> {
        self.connection.is_none().then_some(self.since)
    }

    /// Why there is no connection, or was none the last time.
    pub fn away(&self) -> Option<&Away> {
        self.away.as_ref()
    }

    /// What went wrong with the spool since this was last asked.
    pub fn take_trouble(&mut self) -> Option<SpoolError> {
        self.trouble.take()
    }

    /// Events that are neither answered nor in the spool.
    pub fn in_memory(&self) -> u64 {
        self.window.unkept_count()
    }

    /// Events in the spool that are not answered.
    pub fn spooled(&self) -> u64 {
        self.spool.as_ref().map_or(0, Spool::events)
    }

    /// Whether everything is answered.
    pub fn is_done(&self) -> bool {
        self.window.len() == 0 && self.spool.as_ref().is_none_or(|spool| !spool.has_unread())
    }

    /// The number of the first event that was pushed and is neither answered nor in the spool.
    pub fn first_in_memory(&self) -> Option<u64> {
        self.window.first_unkept().and_then(|entry| entry.ticket)
    }

    /// Whether there ever was a connection.
    pub fn was_connected(&self) -> bool {
        self.was_connected
    }

    /// The longest event, bytes of its line.
    pub fn longest(&self) -> usize {
        self.spool.as_ref().map_or(LONGEST, Spool::longest)
    }

    /// The event as it will be sent.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn prepare<'a>(&self, line: &'a [u8]) -> io::Result<Cow<'a, [u8]>> {
        match self.settings.resend {
            true => identify(line, Clock::System.now()),
            false => Ok(Cow::Borrowed(line)),
        }
    }

    /// Takes an event to be sent; false if there is no room for it now.
    pub fn push(&mut self, line: &[u8], number: u64) -> bool {
        let unread = self.spool.as_ref().is_some_and(Spool::has_unread);
        let need = self.window.unkept() + line.len() + 1;
        // What is sent directly has a place in the spool, should the connection end.
        let kept_if_lost = self.spool.as_ref().is_none_or(|spool| spool.fits(need));
        let taken = !unread && kept_if_lost && self.has_room(line.len());
        if taken {
            self.window.push(line, Some(number), None);
        }
        taken
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.window.len() == 0
            || self.window.len() < WINDOW_EVENTS && self.window.bytes() + bytes < WINDOW_BYTES
    }

    /// Puts whole lines, so many, into the spool, after everything that is not answered. They are durable when it
    /// returns; where it fails, none of them is there.
    pub fn keep(&mut self, lines: &[u8], events: u64) -> Result<(), SpoolError> {
        self.spill()?;
        let Some(spool) = self.spool.as_mut().filter(|_| events > 0) else { return Ok(()) };
        spool.append(lines, events).map(|_| ())
    }

    /// Whether [`Self::keep`] has room for lines of so many bytes.
    pub fn can_keep(&self, bytes: usize) -> bool {
        self.spool.as_ref().is_some_and(|spool| spool.fits(self.window.unkept() + bytes))
    }

    /// Puts what is in memory only into the spool.
    pub fn spill(&mut self) -> Result<(), SpoolError> {
        let Some(spool) = self.spool.as_mut().filter(|_| self.window.unkept() > 0) else {
            return Ok(());
        };
        let first = spool.append(&self.window.unkept_lines(), self.window.unkept_count())?;
        // The window has them, and everything that is before them in the spool.
        spool.skip_to_end();
        self.window.kept_from(first);
        Ok(())
    }

    /// Connects if it is time for that, sends what can be sent and reads what was answered.
    pub fn turn(&mut self, tell: &mut dyn FnMut(Answer<'_>)) {
        self.connect();
        self.send();
        self.receive(tell);
        self.send();
    }

    fn connect(&mut self) {
        let due = self.retry_at.is_some_and(|at| at <= Instant::now());
        if self.connection.is_some() || !due {
            return;
        }
        match Connection::open(&self.settings.socket, self.settings.connect) {
            Ok(connection) => {
                self.connection = Some(connection);
                self.was_connected = true;
            }
            Err(away) => self.wait_for_it(away),
        }
    }

    fn wait_for_it(&mut self, away: Away) {
        self.away = Some(away);
        let wait = self.backoff.failed();
        self.retry_at = self.settings.resend.then(|| Instant::now() + wait);
    }

    /// The connection is gone: what it did not answer goes to the next one, and into the spool meanwhile.
    fn lost(&mut self, away: Away) {
        self.connection = None;
        self.since = Instant::now();
        self.window.rewind();
        let kept = self.spill().and_then(|()| self.spool.as_mut().map_or(Ok(()), Spool::mark));
        self.note(kept);
        self.wait_for_it(away);
    }

    fn note(&mut self, result: Result<(), SpoolError>) {
        if let Err(error) = result {
            self.trouble.get_or_insert(error);
        }
    }

    fn send(&mut self) {
        if let Err(error) = self.load() {
            self.note(Err(error));
        }
        if let Some(connection) = &mut self.connection {
            let sent = connection.send(self.window.unwritten());
            self.window.wrote(sent);
        }
    }

    /// Takes events from the spool into the window.
    fn load(&mut self) -> Result<(), SpoolError> {
        let Some(spool) = self.spool.as_mut().filter(|_| self.connection.is_some()) else {
            return Ok(());
        };
        while spool.has_unread()
            && self.window.len() < WINDOW_EVENTS / 2
            && self.window.bytes() < WINDOW_BYTES / 2
        {
            for (line, end) in spool.next()? {
                self.window.push(&line, None, Some(end));
            }
        }
        Ok(())
    }

    fn receive(&mut self, tell: &mut dyn FnMut(Answer<'_>)) {
        let Some(mut connection) = self.connection.take() else { return };
        let received = connection.receive(&mut |reply| self.take(reply, tell));
        self.connection = Some(connection);
        if let Err(away) = received {
            self.lost(away);
        }
    }

    /// False: no daemon would say that.
    fn take(&mut self, reply: Reply, tell: &mut dyn FnMut(Answer<'_>)) -> bool {
        match reply {
            Reply::Greeting(log_id) => self.sums.log_id = Some(log_id),
            Reply::Ack(ack) => {
                let Some(answered) = self.window.acknowledge(ack.line) else { return false };
                self.sums.accepted += answered.accepted;
                self.note_answered(answered);
                let log_id = self.sums.log_id.as_deref();
                tell(Answer::Acknowledged { log_id, receipt: &ack.receipt });
                self.sums.receipt = Some(ack.receipt);
            }
            Reply::Reject(Reject { line, code, message }) => {
                let Some((entry, event, answered)) = self.window.refuse(line) else { return false };
                self.sums.rejected += 1;
                self.note_answered(answered);
                tell(Answer::Rejected(Rejected { number: entry.ticket, event, code, message }));
            }
            Reply::Error(_) => return false,
        }
        self.backoff.succeeded();
        true
    }

    fn note_answered(&mut self, answered: Answered) {
        if let (Some(spool), Some(until)) = (&mut self.spool, answered.spool_until) {
            let noted = spool.answered(until, answered.kept);
            self.note(noted);
        }
    }

    /// Waits until the connection or `input` has something to do, at most so long; whether `input` has.
    pub fn wait(&self, input: Option<BorrowedFd<'_>>, longest: Duration) -> io::Result<bool> {
        let retry = self.retry_at.filter(|_| self.connection.is_none());
        let retry = retry.map_or(longest, |at| at.saturating_duration_since(Instant::now()));
        let (mut fds, mut flags) = (Vec::new(), PollFlags::POLLIN);
        fds.extend(input.map(|input| PollFd::new(input, flags)));
        if let Some(connection) = &self.connection {
            let more = connection.takes() && !self.window.unwritten().is_empty();
            flags.set(PollFlags::POLLOUT, more);
            fds.push(PollFd::new(connection.fd(), flags));
        }
        // Rounded up: a wait of none at all would be asked for again and again.
        let ms = longest.min(retry).as_micros().div_ceil(1_000);
        match poll(&mut fds, PollTimeout::try_from(ms).unwrap_or(PollTimeout::MAX)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        // An end or an error is found by reading.
        let ready = fds.first().filter(|_| input.is_some()).and_then(PollFd::revents);
        Ok(ready.is_some_and(|flags| !flags.is_empty()))
    }
}

impl Drop for Session {
    /// What is not answered stays in the spool, if there is one.
    fn drop(&mut self) {
        let kept = self.spill().and_then(|()| self.spool.as_mut().map_or(Ok(()), Spool::mark));
        // Nobody is left to be told; whoever wants to know closes.
        let _ = kept;
    }
}
