//! How much a connection may read.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::{Limit, Seat, Slowed, User};
use crate::config;
use crate::ingest::Limits;

/// Bytes that are read for each event that may be taken: a usual one, so that little is read and not taken.
const EVENT: u64 = 512;
/// Bytes that are read in any case.
const LEAST: u64 = 4096;

/// A connection's way to its user's tokens.
pub struct Meter {
    user: Arc<User>,
    limits: watch::Receiver<Arc<Limits>>,
    /// The connection's place in the line, if it stands there. Kept over whatever else happens meanwhile.
    turn: Option<Pin<Box<dyn Future<Output = Grant> + Send>>>,
    granted: Option<Grant>,
}

/// Tokens that were taken out of a user's buckets; what is not spent is put back.
pub struct Grant {
    user: Arc<User>,
    events: u64,
    bytes: u64,
    spent: (u64, u64),
}

impl Meter {
    /// Of a connection that is open.
    pub fn new(seat: &Seat, limits: watch::Receiver<Arc<Limits>>) -> Self {
        Self { user: seat.user().clone(), limits, turn: None, granted: None }
    }

    /// Tokens for a read; none if they have to be waited for.
    pub fn take(&mut self) -> Option<Grant> {
        if let Some(granted) = self.granted.take() {
            return Some(granted);
        }
        // Whoever waits comes first.
        if self.turn.is_some() || self.user.line.try_lock().is_err() {
            return None;
        }
        Grant::of(&self.user, &self.limits.borrow().quota).ok()
    }

    /// Waits until [`Self::take`] gives some.
    pub async fn wait(&mut self) {
        if self.granted.is_some() {
            return;
        }
        let turn =
            self.turn.get_or_insert_with(|| Box::pin(turn(self.user.clone(), self.limits.clone())));
        self.granted = Some(turn.await);
        self.turn = None;
    }

    /// All that is there is taken in from here on, whatever it costs.
    pub fn open(&mut self) -> Grant {
        (self.turn, self.granted) = (None, None);
        Grant { user: self.user.clone(), events: u64::MAX, bytes: u64::MAX, spent: (0, 0) }
    }
}

impl Grant {
    /// Tokens for a read, or which limit is exceeded and for how long.
    fn of(user: &Arc<User>, quota: &config::Quota) -> Result<Self, (Limit, Duration)> {
        let mut state = user.lock();
        if let Some(exceeded) = state.exceeded(quota, Instant::now()) {
            return Err(exceeded);
        }
        let (events, bytes) = (state.events.take(), state.bytes.take());
        Ok(Self { user: user.clone(), events, bytes, spent: (0, 0) })
    }

    /// The most lines that may be taken.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The most bytes that are to be read.
    pub fn bytes(&self) -> usize {
        let bytes = self.bytes.min(self.events.saturating_mul(EVENT).max(LEAST));
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// So many lines were taken, and so many bytes were read.
    pub fn spend(&mut self, events: u64, bytes: u64) {
        self.spent = (self.spent.0 + events, self.spent.1 + bytes);
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        let (events, bytes) = self.spent;
        let mut state = self.user.lock();
        state.events.settle(self.events, events);
        state.bytes.settle(self.bytes, bytes);
        self.user.account.bytes.add(bytes);
        if let Some(period) = &mut state.period {
            period.events += events;
            period.bytes += bytes;
        }
    }
}

/// Waits in the line, and at its head for tokens.
async fn turn(user: Arc<User>, mut limits: watch::Receiver<Arc<Limits>>) -> Grant {
    let exceeded = user.lock().exceeded(&limits.borrow().quota, Instant::now());
    let mut slowed = exceeded.map(|(limit, _)| Slowed::begin(&user, limit));
    let _head = user.line.lock().await;
    loop {
        let granted = Grant::of(&user, &limits.borrow_and_update().quota);
        let (limit, time) = match granted {
            Ok(grant) => return grant,
            Err(exceeded) => exceeded,
        };
        slowed.get_or_insert_with(|| Slowed::begin(&user, limit));
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            Ok(()) = limits.changed() => {}
        }
    }
}
