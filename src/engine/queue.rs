//! What waits for the writer. Events are served fairly ([`fair`]); every other command keeps its place: it comes
//! after all that was sent before it, and before all that is sent after it.

pub(super) mod fair;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::mpsc::{RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Command;
use super::submit::Queued;
use fair::{Fair, Turn};

/// Which user and which connection: what the writer shares its time between.
pub(super) type Key = (u32, u64);

/// Two ends of a queue that holds so many bytes of events, and more only as said at [`Sender::offer`].
pub(super) fn queue(capacity: usize) -> (Sender, Receiver) {
    let state = State { capacity: capacity as u64, senders: 1, ..State::default() };
    let shared = Arc::new(Shared { state: Mutex::new(state), sent: Condvar::new() });
    (Sender(shared.clone()), Receiver(shared))
}

struct Shared {
    state: Mutex<State>,
    /// Something was sent, or nobody is left to send.
    sent: Condvar,
}

#[derive(Default)]
struct State {
    events: Fair<Queued>,
    /// The command that comes once no event waits.
    next: Option<Command>,
    /// What was sent after it.
    later: VecDeque<Arrival>,
    /// Bytes that may wait or be committed.
    capacity: u64,
    /// Bytes that do.
    used: u64,
    /// The same by user.
    used_by: HashMap<u32, u64>,
    senders: usize,
    /// The writer waits for something to be sent.
    awaited: bool,
    /// The writer has ended.
    closed: bool,
    /// Batches until it is forgotten that somebody sent little while others waited.
    little: u32,
    /// The same of somebody who sent much.
    much: u32,
}

enum Arrival {
    Events(Key, Queued),
    Command(Command),
}

/// Less than this in one piece is little, and a client that waits for its ack.
const LITTLE: u64 = 8 << 10;
/// This much in one piece comes from somebody who sends faster than it is stored.
const MUCH: u64 = 32 << 10;
/// After somebody sent little beside somebody who sends much, so many batches stay small.
const WARY: u32 = 256;
/// How much smaller they are.
const SMALLER: usize = 16;
/// How much smaller one is that begins with what somebody sent who sends little: its ack waits for all of it.
const SMALLEST: usize = 64;

/// An end to send by.
pub(crate) struct Sender(Arc<Shared>);

/// The writer's end.
pub(crate) struct Receiver(Arc<Shared>);

/// Why something was not sent. It is given back.
pub(super) enum NotSent {
    /// The user has its share of the queue.
    Full(Box<Queued>),
    /// The writer has ended.
    Closed,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A wake-up that nobody waits for would still be a system call.
    fn wake(&self, state: &State) {
        if state.awaited {
            self.sent.notify_one();
        }
    }
}

impl State {
    fn arrive(&mut self, arrival: Arrival) {
        match arrival {
            arrival if self.next.is_some() => self.later.push_back(arrival),
            Arrival::Events(key, queued) => self.events.push(key, queued.bytes(), queued),
            Arrival::Command(command) => self.next = Some(command),
        }
    }

    fn take(&mut self) -> Option<Command> {
        if let Some(Turn { item, sparse }) = self.events.pop() {
            match item.bytes() {
                0..LITTLE if sparse => self.little = WARY,
                MUCH.. => self.much = WARY,
                _ => {}
            }
            return Some(Command::Append(item));
        }
        let command = self.next.take()?;
        while self.next.is_none()
            && let Some(arrival) = self.later.pop_front()
        {
            self.arrive(arrival);
        }
        Some(command)
    }
}

impl Sender {
    /// Sends a command other than events; `false` if the writer has ended.
    pub fn send(&self, command: Command) -> bool {
        let mut state = self.0.lock();
        if state.closed {
            drop(state);
            drop(command);
            return false;
        }
        state.arrive(Arrival::Command(command));
        self.0.wake(&state);
        true
    }

    /// Sends events. A user may use as much of the queue as it leaves to others, so a single one half of it, and no
    /// number of users all of it. The first of a connection always fits: whoever waits for acks waits for nothing
    /// else.
    pub fn offer(&self, key: Key, mut queued: Queued, first: bool) -> Result<(), NotSent> {
        let bytes = queued.bytes();
        let mut state = self.0.lock();
        if state.closed {
            drop(state);
            drop(queued);
            return Err(NotSent::Closed);
        }
        let left = state.capacity.saturating_sub(state.used);
        let used_by = state.used_by.get(&key.0).copied().unwrap_or_default();
        if !first && used_by + bytes > left {
            return Err(NotSent::Full(Box::new(queued)));
        }
        queued.admitted();
        state.used += bytes;
        *state.used_by.entry(key.0).or_default() += bytes;
        state.arrive(Arrival::Events(key, queued));
        self.0.wake(&state);
        Ok(())
    }

    /// Gives back the place of events that are committed.
    pub fn give_back(&self, uid: u32, bytes: u64) {
        let mut state = self.0.lock();
        state.used -= bytes;
        if let Some(used) = state.used_by.get_mut(&uid) {
            *used -= bytes;
            if *used == 0 {
                state.used_by.remove(&uid);
            }
        }
    }

    /// A connection has ended.
    pub fn close(&self, key: Key) {
        self.0.lock().events.close(key);
    }
}

impl Clone for Sender {
    fn clone(&self) -> Self {
        self.0.lock().senders += 1;
        Self(self.0.clone())
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.senders -= 1;
        if state.senders == 0 {
            self.0.sent.notify_one();
        }
    }
}

impl Receiver {
    /// What is next, if it comes in time.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Command, RecvTimeoutError> {
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.0.lock();
        loop {
            if let Some(command) = state.take() {
                return Ok(command);
            }
            if state.senders == 0 {
                return Err(RecvTimeoutError::Disconnected);
            }
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            state.awaited = true;
            state = match left {
                Some(Duration::ZERO) => {
                    state.awaited = false;
                    return Err(RecvTimeoutError::Timeout);
                }
                Some(left) => {
                    self.0.sent.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.0.sent.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
            state.awaited = false;
        }
    }

    /// What is next, if there is something.
    pub fn try_recv(&self) -> Result<Command, TryRecvError> {
        let mut state = self.0.lock();
        match state.take() {
            Some(command) => Ok(command),
            None if state.senders == 0 => Err(TryRecvError::Disconnected),
            None => Err(TryRecvError::Empty),
        }
    }

    /// How many bytes the next batch may have, of at most `most`: fewer while somebody sends little beside
    /// somebody who sends much, since an ack waits for the batch that is being written and for its own.
    pub fn batch_bytes(&self, most: usize) -> usize {
        let mut state = self.0.lock();
        let part = match (state.little, state.much) {
            (0, _) | (_, 0) => 1,
            (WARY, _) => SMALLEST,
            _ => SMALLER,
        };
        state.little = state.little.saturating_sub(1);
        state.much = state.much.saturating_sub(1);
        most / part
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closed = true;
        let waiting =
            (mem::take(&mut state.events), state.next.take(), mem::take(&mut state.later));
        // What is dropped here tells its submitter so, and gives its place back.
        drop(state);
        drop(waiting);
    }
}
