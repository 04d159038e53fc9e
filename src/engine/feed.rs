//! From the writer to the index: fresh lines while there is room for them, and always how far the ledger
//! is. The writer never waits here; lines that find no room are read from the segments later.

mod state;

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::event::FieldMap;
use crate::ledger::Written;
use state::{State, Step};

/// For so long after a full batch there is a burst: to write the next one takes a fraction of it.
const BURST: Duration = Duration::from_millis(50);

pub(super) struct Feed {
    state: Mutex<State>,
    wake: Condvar,
    looked: Condvar,
    capacity: usize,
}

/// Lines on their way to the index.
pub(super) struct Followed {
    /// They themselves.
    pub lines: Written,
    /// The leaf behind them.
    pub next: u64,
}

impl Followed {
    /// Adds those that follow.
    pub fn append(&mut self, further: Self) {
        self.lines.append(further.lines);
        self.next = further.next;
    }
}

/// Which lines are worth a transaction.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    /// From then on, any.
    pub due: Instant,
    /// Before it, those that bring the index so far.
    pub enough: u64,
}

/// What the index has to do next.
pub(super) enum Work {
    /// Insert these lines, which begin at its next leaf.
    Fresh(Followed),
    /// Read leaves up to this one from the segments.
    Read(u64),
    /// The list of segments changed.
    Segments,
    /// Use another vocabulary.
    Fields(Arc<FieldMap>),
    /// Start over.
    Reset,
    /// Delete some rows whose time is over.
    Prune,
    /// Look whether all is well with the database.
    Look,
    /// Nothing: the time to rest has come.
    Rest,
    /// Everything is done, or the time for it is over.
    Close,
}

impl Feed {
    /// A feed for a ledger of which `head` leaves are durable already.
    pub fn new(capacity: usize, head: u64) -> Self {
        let state = State { head, segments_changed: true, ..State::default() };
        Self { state: Mutex::new(state), wake: Condvar::new(), looked: Condvar::new(), capacity }
    }

    /// Says that the leaves before `fresh.next` are durable, and offers them; `first` is the first one.
    pub fn publish(&self, first: u64, fresh: Followed) {
        let mut state = self.lock();
        state.head = fresh.next;
        let bytes = fresh.lines.len();
        if state.bytes + bytes <= self.capacity {
            state.bytes += bytes;
            state.fresh.push_back((first, fresh));
        }
        let is_awaited = state.head >= state.wake_at;
        drop(state);
        if is_awaited {
            self.wake.notify_one();
        }
    }

    /// Says that more comes than a batch takes.
    pub fn note_burst(&self) {
        self.lock().burst_ends = Some(Instant::now() + BURST);
    }

    /// Leaves the machine to the ledger while there is a burst, for at most this time, and not while something else is to
    /// be done.
    pub fn give_way(&self, time: Duration) {
        let until = Instant::now() + time;
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let Some(ends) = state.burst_ends.map(|ends| ends.min(until)) else { return };
            if ends <= now || state.is_called(now) {
                return;
            }
            // Not for each commit.
            state.wake_at = u64::MAX;
            state = self.sleep(state, ends - now);
        }
    }

    pub fn segments_changed(&self) {
        self.change(|state| state.segments_changed = true);
    }

    pub fn set_fields(&self, fields: Arc<FieldMap>) {
        self.change(|state| state.fields = Some(fields));
    }

    pub fn request_reset(&self) {
        self.change(|state| {
            state.reset = true;
            state.error = None;
        });
    }

    /// Says that there are rows to be deleted.
    pub fn prune_now(&self) {
        self.prune_after(Duration::ZERO);
    }

    /// Lets the next step of deleting rows be done after this time, and meanwhile everything else.
    pub fn prune_after(&self, rest: Duration) {
        self.change(|state| state.step = Some(Step::after(rest)));
    }

    /// Whether a reset was asked for since the last look.
    pub fn take_reset(&self) -> bool {
        std::mem::take(&mut self.lock().reset)
    }

    /// Lets the index look whether all is well with the database, and waits for that; not for long, and not for an index
    /// that stands still.
    pub fn look(&self, patience: Duration) {
        let mut state = self.lock();
        if state.error.is_some() || state.close_by.is_some() {
            return;
        }
        state.look = true;
        self.wake.notify_one();
        let waits = |state: &mut State| state.look;
        drop(self.looked.wait_timeout_while(state, patience, waits));
    }

    /// Lets the index finish what is durable, for at most `deadline`.
    pub fn close(&self, deadline: Duration) {
        self.change(|state| state.close_by = Some(Instant::now() + deadline));
    }

    pub fn error(&self) -> Option<String> {
        self.lock().error.clone()
    }

    /// Remembers what is wrong. No rows are deleted then until somebody asks again.
    pub fn set_error(&self, error: Option<String>) {
        let mut state = self.lock();
        if error.is_some() {
            state.step = None;
        }
        state.error = error;
        if std::mem::take(&mut state.looking) || state.error.is_some() {
            state.look = false;
            self.looked.notify_all();
        }
    }

    /// Waits for work for an index whose next leaf is `next`, until the time to rest at most.
    pub fn wait(&self, next: u64, rest: Option<Instant>, pace: Option<Pace>) -> Work {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let pace = pace.filter(|pace| state.has_time(now, pace));
            if let Some(work) = state.take(next, pace.is_some()) {
                return work;
            }
            let step = state.step.as_ref().map(|step| step.due);
            let paced = pace.filter(|_| next < state.head);
            let until = step.into_iter().chain(rest).chain(paced.map(|pace| pace.due)).min();
            // A wake-up for each commit would cost more than what is gathered meanwhile.
            state.wake_at = paced.map_or(0, |pace| pace.enough);
            state = match until.map(|due| due.saturating_duration_since(now)) {
                _ if rest.is_some_and(|rest| rest <= now) => return Work::Rest,
                None => self.wake.wait(state).unwrap_or_else(|e| e.into_inner()),
                Some(time) => self.sleep(state, time),
            };
        }
    }

    /// More lines that follow at once, if there are any and nothing else is to be done first.
    pub fn more(&self, next: u64) -> Option<Followed> {
        let mut state = self.lock();
        if state.is_called(Instant::now()) { None } else { state.take_fresh(next) }
    }

    /// Whether something is to be done before further lines.
    pub fn is_called(&self) -> bool {
        self.lock().is_called(Instant::now())
    }

    /// Waits before another try, but not past a reset, the end or somebody who waits for rows to be deleted. Says
    /// whether to go on.
    pub fn pause(&self, time: Duration) -> bool {
        let state = self.lock();
        let idle =
            |state: &mut State| !state.reset && state.close_by.is_none() && state.step.is_none();
        let (mut state, _) =
            self.wake.wait_timeout_while(state, time, idle).unwrap_or_else(|e| e.into_inner());
        if state.close_by.is_some() && !state.past_deadline() {
            // Being closed: still tried again, but not in a busy loop.
            let wait = time.min(Duration::from_millis(50));
            state = self.sleep(state, wait);
        }
        !state.past_deadline()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.wake.notify_one();
    }

    /// Sleeps until something is said, for at most this time.
    fn sleep<'s>(&self, state: MutexGuard<'s, State>, time: Duration) -> MutexGuard<'s, State> {
        self.wake.wait_timeout(state, time).unwrap_or_else(|e| e.into_inner()).0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }
}

#[cfg(test)]
mod tests;
