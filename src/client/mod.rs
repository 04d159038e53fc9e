//! For applications that write events: sends them, waits for nothing longer than it was told to, and keeps what is
//! not acknowledged until it is.
//!
//! ```no_run
//! use std::time::Duration;
//! use auditlogd::client::{Client, Options};
//!
//! let options = Options::new("/run/auditd.sock").spool("/var/lib/shop/audit.spool");
//! let mut log = Client::open(options)?;
//! log.send(r#"{"event_type":"auth.login","actor":"alice","outcome":"success"}"#)?;
//! log.close(Duration::from_secs(5))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Once, not twice and not never.** An event without `event_id` gets one (a UUID of version 7), and one without
//! `timestamp`, `ts` or `time` the time of the call; nothing that is there is changed. Where the connection ends,
//! what was not acknowledged is sent again, byte for byte, and the daemon knows it by its id. An id of your own does as well: a
//! text of 1 to 128 characters that no other event has.
//!
//! **Never blocked.** [`Client::send`] returns within [`Options::send_timeout`], whatever the daemon does; while it is away, within the
//! time that the spool's disk takes. Nothing panics for want of a daemon, and [`Client::open`] needs none.
//!
//! **Nothing dropped in silence.** What `send` took is in the daemon's log in the end, or in the spool, or counted and told: events that the
//! daemon refused by [`Client::rejections`], those that were not answered by [`Client::flush`] and [`Client::close`]. What it did not
//! take, because the spool or the memory is full, is an error to the caller, who has the event still.
//!
//! **What a crash of the application costs.** Nothing that was spooled: it is synced before `send` returns. Of what was sent and is
//! not acknowledged at most what the kernel had not taken yet; [`Client::flush`] is how to know.
//!
//! **The identity in the log** is that of the process that sends: of a spooled event, whoever sends the spool, which only its owner
//! can. A client belongs to one process: after fork(2) open one in the child, with a spool of its own.

mod connection;
mod error;
mod identify;
mod options;
mod reply;
mod session;
mod spool;
mod window;

use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use connection::Away;
pub use error::{SendError, Sent, Unacknowledged};
pub use options::{MIN_SPOOL_BYTES, Options, SPOOL_BYTES};
pub use reply::Receipt;
pub use session::Rejected;
pub(crate) use session::{Answer, Session, Settings};
pub(crate) use spool::Spool;
pub use spool::SpoolError;

/// Rejections that are kept for [`Client::rejections`]; more are only counted.
const REJECTIONS: usize = 1_000;
/// How long `flush` waits before it looks again whether there is a daemon.
const TICK: Duration = Duration::from_millis(200);

/// What became of the events that a client was given, and of those that were in its spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// On the daemon's disk.
    pub accepted: u64,
    /// Refused by the daemon.
    pub rejected: u64,
    /// Not answered, and only in memory.
    pub in_memory: u64,
    /// Not answered, and in the spool.
    pub spooled: u64,
    /// Sends that were errors.
    pub failed: u64,
    /// Bytes of an unfinished event that a crash had left at the end of the spool, and nobody was told is kept.
    pub torn: u64,
}

/// A way to the daemon. See the [module](self) for what it promises.
#[derive(Debug)]
pub struct Client {
    session: Session,
    send_timeout: Duration,
    given: u64,
    failed: u64,
    torn: u64,
    rejections: Vec<Rejected>,
}

impl Client {
    /// Makes a client; there need be no daemon. Where there is one, what was left in the spool is on its way.
    ///
    /// # Errors
    /// The spool cannot be used.
    pub fn open(options: Options) -> Result<Self, SpoolError> {
        let Options { socket, spool, spool_bytes, send_timeout } = options;
        let open = |path: PathBuf| Spool::open(&path, spool_bytes, Duration::ZERO);
        let spool = spool.map(open).transpose()?;
        let (spool, torn) = spool.map_or((None, 0), |(spool, torn)| (Some(spool), torn));
        let settings = Settings { socket, connect: Duration::ZERO, resend: true };
        let session = Session::new(settings, spool);
        let mut client =
            Self { session, send_timeout, given: 0, failed: 0, torn, rejections: Vec::new() };
        client.turn();
        Ok(client)
    }

    /// Sends an event: one JSON object on one line.
    ///
    /// # Errors
    /// It was not taken; it is counted, and the caller has it still.
    pub fn send(&mut self, event: impl AsRef<[u8]>) -> Result<Sent, SendError> {
        let sent = self.try_send(event.as_ref().trim_ascii());
        self.failed += u64::from(sent.is_err());
        self.given += u64::from(sent.is_ok());
        sent
    }

    fn try_send(&mut self, event: &[u8]) -> Result<Sent, SendError> {
        match () {
            () if event.is_empty() => return Err(SendError::NotOneLine("empty")),
            () if event.contains(&b'\n') => return Err(SendError::NotOneLine("several lines")),
            () => {}
        }
        let line = self.session.prepare(event).map_err(SendError::Random)?.into_owned();
        let (len, longest) = (line.len(), self.session.longest());
        if len > longest {
            return Err(SendError::TooLong { len, longest });
        }
        let until = Instant::now() + self.send_timeout;
        loop {
            self.turn();
            let spools = self.session.spool().is_some();
            let away = self.session.away_since().is_some();
            if !(away && spools) && self.session.push(&line, self.given + 1) {
                self.turn();
                return Ok(Sent::OnItsWay);
            }
            let left = until.saturating_duration_since(Instant::now());
            // Once events are in the spool there is nothing to wait for: the others go after them.
            if !away && !left.is_zero() && self.session.spooled() == 0 {
                self.wait(left);
                continue;
            }
            if !spools {
                let (waiting, why) = (self.session.in_memory(), self.why());
                return Err(SendError::Full { waiting, why });
            }
            self.session.keep(&[&line[..], b"\n"].concat(), 1)?;
            return Ok(Sent::Spooled);
        }
    }

    /// Waits until the daemon has acknowledged everything, at most so long. With no time at all it does what can be
    /// done at once: an application that is idle may call it now and then, so that it connects again.
    ///
    /// # Errors
    /// Not everything is acknowledged; nothing is lost by that.
    pub fn flush(&mut self, longest: Duration) -> Result<(), Unacknowledged> {
        let until = Instant::now() + longest;
        loop {
            self.turn();
            if self.session.is_done() {
                return Ok(());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let (in_memory, spooled) = (self.session.in_memory(), self.session.spooled());
                return Err(Unacknowledged { in_memory, spooled, why: self.why() });
            }
            self.wait(left);
        }
    }

    /// Flushes, and puts what is not acknowledged into the spool: how many events the next client is to send. A
    /// client that is dropped does the same without waiting for the daemon.
    ///
    /// # Errors
    /// Events are in no place but this process's memory, and lost with it.
    pub fn close(mut self, longest: Duration) -> Result<u64, Unacknowledged> {
        let Err(left) = self.flush(longest) else { return Ok(0) };
        let why = match self.session.spill() {
            Err(error) => format!("{}; {error}", left.why),
            Ok(()) => left.why,
        };
        match (self.session.in_memory(), self.session.spooled()) {
            (0, spooled) => Ok(spooled),
            (in_memory, spooled) => Err(Unacknowledged { in_memory, spooled, why }),
        }
    }

    /// The events that the daemon has refused since this was last asked, at most the first thousand; they are never sent again.
    pub fn rejections(&mut self) -> Vec<Rejected> {
        std::mem::take(&mut self.rejections)
    }

    /// What became of the events so far.
    pub fn counts(&self) -> Counts {
        let sums = self.session.sums();
        Counts {
            accepted: sums.accepted,
            rejected: sums.rejected,
            in_memory: self.session.in_memory(),
            spooled: self.session.spooled(),
            failed: self.failed,
            torn: self.torn,
        }
    }

    /// The receipt of the last event that the daemon has acknowledged.
    pub fn receipt(&self) -> Option<&Receipt> {
        self.session.sums().receipt.as_ref()
    }

    fn turn(&mut self) {
        let rejections = &mut self.rejections;
        self.session.turn(&mut |answer| match answer {
            Answer::Rejected(rejected) if rejections.len() < REJECTIONS => {
                rejections.push(rejected)
            }
            Answer::Rejected(_) | Answer::Acknowledged { .. } => {}
        });
    }

    fn wait(&self, longest: Duration) {
        // Where it cannot wait for the connection it has waited for nothing, and looks again.
        let _no_input = self.session.wait(None, longest.min(TICK));
    }

    fn why(&mut self) -> String {
        let why = match (self.session.away_since(), self.session.away()) {
            (Some(_), Some(away)) => away.to_string(),
            _ => "it has not answered yet".into(),
        };
        match self.session.take_trouble() {
            Some(trouble) => format!("{why}; {trouble}"),
            None => why,
        }
    }
}
