//! The input on its way to the daemon: read as fast as events are taken, and no faster. Where the daemon is away the
//! session waits for it as long as it was told to, and then puts what comes into the spool, if there is one.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use nix::errno::Errno;

use super::framer::{Framer, Line};
use crate::client::{Answer, Receipt, Rejected, Session, SpoolError};

/// Read at a time, bytes.
const READ: usize = 64 * 1024;
/// How often the loop looks at `stop` when nothing else happens.
const TICK: Duration = Duration::from_millis(200);

/// How an exchange ended.
#[derive(Debug)]
pub(super) enum End {
    /// Everything was sent and answered.
    Done,
    /// The daemon is away, and everything that it has not answered is in the spool.
    Spooled,
    /// The daemon is away, and there is no spool.
    Lost,
    /// The daemon is away, and the spool takes no more.
    NotSpooled(SpoolError),
    /// `stop` was raised.
    Stopped,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    /// Input.
    Nothing,
    /// The daemon is there and has not answered everything.
    Answer,
    /// There is no daemon.
    Daemon,
}

/// What happens on the way.
pub(super) enum Notice<'a> {
    /// An event was refused; its number is its line in the input.
    Rejected(Rejected),
    /// The daemon acknowledged; the receipt is of the last event so far.
    Acknowledged { log_id: Option<&'a str>, receipt: &'a Receipt },
    /// More was read or answered, or time has passed.
    Progress { bytes_read: u64, accepted: u64, waits: Waits },
}

/// The state of it.
pub(super) struct Exchange<'a> {
    session: Session,
    input: Option<BorrowedFd<'a>>,
    bytes_read: u64,
    framer: Framer,
    /// What there was no room for: an event, or what the spool did not take; and the number of the first line.
    held: Option<(Vec<u8>, u64)>,
    /// Lines that were never sent.
    too_long: u64,
    /// How long to wait for the daemon.
    patience: Duration,
}

impl<'a> Exchange<'a> {
    /// The events come from `input`, or are all in `event` where there is none.
    pub(super) fn new(
        session: Session,
        input: Option<BorrowedFd<'a>>,
        event: &[u8],
        patience: Duration,
    ) -> Self {
        let mut framer = Framer::new(session.longest());
        framer.feed(event);
        if input.is_none() {
            framer.finish();
        }
        let (bytes_read, held, too_long) = (0, None, 0);
        Self { session, input, bytes_read, framer, held, too_long, patience }
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// Events that were refused, here or by the daemon.
    pub(super) fn rejected(&self) -> u64 {
        self.session.sums().rejected + self.too_long
    }

    /// The first line of the input that was neither accepted nor refused nor spooled.
    pub(super) fn resend_from(&self) -> u64 {
        let in_memory = self.session.first_in_memory();
        let held = self.held.as_ref().map(|(_, number)| *number);
        in_memory.or(held).unwrap_or_else(|| self.framer.number())
    }

    /// Puts what is not answered into the spool, if there is one: what went wrong with that.
    pub(super) fn close(&mut self) -> [Option<SpoolError>; 2] {
        let spilled = self.session.spill().err();
        [self.session.take_trouble(), spilled]
    }

    /// Sends and reads until everything is answered or nothing more can be; an error is the input's, or that of
    /// the system's random bytes.
    pub(super) fn run(
        &mut self,
        stop: &AtomicBool,
        notify: &mut dyn FnMut(Notice<'_>),
    ) -> io::Result<End> {
        loop {
            self.session.turn(&mut |answer| {
                notify(match answer {
                    Answer::Rejected(rejected) => Notice::Rejected(rejected),
                    Answer::Acknowledged { log_id, receipt } => {
                        Notice::Acknowledged { log_id, receipt }
                    }
                });
            });
            let (bytes_read, accepted) = (self.bytes_read, self.session.sums().accepted);
            let waits = match self.session.away_since() {
                Some(_) => Waits::Daemon,
                None if self.session.is_done() => Waits::Nothing,
                None => Waits::Answer,
            };
            notify(Notice::Progress { bytes_read, accepted, waits });
            if stop.load(Relaxed) {
                return Ok(End::Stopped);
            }
            let gives_up = self.gives_up();
            let spools = gives_up && self.session.spool().is_some();
            let all_taken = match spools {
                true => match self.spool(notify)? {
                    Ok(()) => true,
                    Err(error) => return Ok(End::NotSpooled(error)),
                },
                false => self.send(notify)?,
            };
            let at_end = all_taken && self.input.is_none();
            match () {
                () if at_end && self.session.is_done() && self.session.was_connected() => {
                    return Ok(End::Done);
                }
                () if at_end && spools => return Ok(End::Spooled),
                () if gives_up && !spools => return Ok(End::Lost),
                () => {}
            }
            if self.session.wait(self.input.filter(|_| all_taken), TICK)? {
                self.read_input()?;
            }
        }
    }

    /// Whether the daemon has been away for too long.
    fn gives_up(&self) -> bool {
        self.session.away_since().is_some_and(|since| since.elapsed() >= self.patience)
    }

    /// The next event as it will be sent.
    fn next(&mut self, notify: &mut dyn FnMut(Notice<'_>)) -> io::Result<Option<(Vec<u8>, u64)>> {
        if let Some(held) = self.held.take() {
            return Ok(Some(held));
        }
        let longest = self.session.longest();
        while let Some(line) = self.framer.next() {
            let number = match line {
                Line::Event(line, number) => {
                    let line = self.session.prepare(line)?;
                    if line.len() <= longest {
                        return Ok(Some((line.into_owned(), number)));
                    }
                    number
                }
                Line::TooLong(number) => number,
            };
            self.too_long += 1;
            let message = format!("longer than {longest} bytes, so it was not sent");
            let (number, code, event) = (Some(number), "too_long".into(), Vec::new());
            notify(Notice::Rejected(Rejected { number, event, code, message }));
        }
        Ok(None)
    }

    /// Hands over what was read; false if there is no room for all of it now.
    fn send(&mut self, notify: &mut dyn FnMut(Notice<'_>)) -> io::Result<bool> {
        while let Some((line, number)) = self.next(notify)? {
            if !self.session.push(&line, number) {
                self.held = Some((line, number));
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Puts what was read into the spool, and what was sent and not answered before it: as much as fits.
    fn spool(&mut self, notify: &mut dyn FnMut(Notice<'_>)) -> io::Result<Result<(), SpoolError>> {
        let (mut lines, mut events, mut first) = (Vec::new(), 0, 0);
        loop {
            let next = self.next(notify)?;
            let more = next.as_ref().map_or(0, |(line, _)| line.len() + 1);
            // Everything at once, for each write is synced.
            if next.is_none() || events > 0 && !self.session.can_keep(lines.len() + more) {
                if let Err(error) = self.session.keep(&lines, events) {
                    self.held = (events > 0).then_some((lines, first));
                    return Ok(Err(error));
                }
                lines.clear();
                events = 0;
            }
            let Some((line, number)) = next else { return Ok(Ok(())) };
            first = if events == 0 { number } else { first };
            lines.extend_from_slice(&line);
            lines.push(b'\n');
            events += 1;
        }
    }

    fn read_input(&mut self) -> io::Result<()> {
        let Some(input) = self.input else { return Ok(()) };
        let mut chunk = [0; READ];
        match nix::unistd::read(input, &mut chunk) {
            Ok(0) => {
                self.input = None;
                self.framer.finish();
            }
            Ok(n) => {
                self.bytes_read += n as u64;
                self.framer.feed(&chunk[..n]);
            }
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(errno) => return Err(errno.into()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
