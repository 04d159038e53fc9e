//! Between the writer and the anchors: the newest checkpoint, and nothing older. Leaving one here never
//! waits for anybody.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::engine::Sealed;

#[derive(Default)]
pub(super) struct Slot {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    newest: Option<Arc<Sealed>>,
    /// Set once no other checkpoint will come.
    close_by: Option<Instant>,
    /// Threads that have not ended.
    working: usize,
}

/// What an anchor does next.
pub(super) struct Turn {
    pub sealed: Arc<Sealed>,
    /// There is no other turn after this one.
    pub last: bool,
}

impl Slot {
    /// Replaces whatever was there.
    pub fn offer(&self, sealed: Sealed) {
        self.lock().newest = Some(Arc::new(sealed));
        self.wake.notify_all();
    }

    /// Wakes everybody, to see what has changed.
    pub fn nudge(&self) {
        // Taken, so that nobody is between looking and waiting.
        drop(self.lock());
        self.wake.notify_all();
    }

    /// Waits for a checkpoint of another size than `delivered`, but not before `not_before`, unless it is
    /// the last one. None: this anchor was removed, or everything is done.
    pub fn next(
        &self,
        delivered: Option<u64>,
        not_before: Option<Instant>,
        removed: &AtomicBool,
    ) -> Option<Turn> {
        let mut state = self.lock();
        loop {
            if removed.load(Relaxed) {
                return None;
            }
            let last = state.close_by.is_some();
            let news = state.newest.clone().filter(|sealed| Some(sealed.size) != delivered);
            let wait = not_before.map(|at| at.saturating_duration_since(Instant::now()));
            state = match (news, wait) {
                (Some(sealed), wait) if last || wait.is_none_or(|wait| wait.is_zero()) => {
                    return Some(Turn { sealed, last });
                }
                (Some(_), Some(wait)) => match self.wake.wait_timeout(state, wait) {
                    Ok((state, _)) => state,
                    Err(e) => e.into_inner().0,
                },
                _ if last => return None,
                _ => self.wake.wait(state).unwrap_or_else(|e| e.into_inner()),
            };
        }
    }

    /// A time limit that also ends when the daemon must.
    pub fn patience(&self, limit: Duration) -> Patience<'_> {
        Patience { slot: self, until: Instant::now() + limit }
    }

    /// Counts a thread until what is returned is dropped.
    pub fn work(self: &Arc<Self>) -> Working {
        self.lock().working += 1;
        Working(self.clone())
    }

    /// No other checkpoint will come: gives each thread a last turn that may take that long, and half as
    /// much again to end what it began.
    pub fn close(&self, patience: Duration) {
        let by = Instant::now() + patience;
        let mut state = self.lock();
        state.close_by = Some(by);
        self.wake.notify_all();
        while state.working > 0 {
            let left = (by + patience / 2).saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = match self.wake.wait_timeout(state, left) {
                Ok((state, _)) => state,
                Err(e) => e.into_inner().0,
            };
        }
    }

    /// The size of the newest checkpoint.
    pub fn newest(&self) -> Option<u64> {
        self.lock().newest.as_ref().map(|sealed| sealed.size)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// How long a delivery may go on.
pub(super) struct Patience<'a> {
    slot: &'a Slot,
    until: Instant,
}

impl Patience<'_> {
    /// Whether the daemon is about to end.
    pub fn is_short(&self) -> bool {
        self.slot.lock().close_by.is_some()
    }

    /// What is left of it.
    pub fn left(&self) -> Duration {
        let close_by = self.slot.lock().close_by;
        let until = close_by.map_or(self.until, |by| by.min(self.until));
        until.saturating_duration_since(Instant::now())
    }
}

/// A thread that is at work.
pub(super) struct Working(Arc<Slot>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.lock().working -= 1;
        self.0.wake.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(size: u64) -> Sealed {
        Sealed { size, log_id: "00".repeat(16), checkpoint: String::new() }
    }

    fn next(slot: &Slot, delivered: Option<u64>, pause: Duration) -> Option<(u64, bool)> {
        let turn = slot.next(delivered, Some(Instant::now() + pause), &AtomicBool::new(false));
        turn.map(|turn| (turn.sealed.size, turn.last))
    }

    #[test]
    fn only_the_newest_is_there_and_the_last_one_is_not_held_back() {
        let slot = Slot::default();
        slot.offer(sealed(3));
        slot.offer(sealed(7));
        assert_eq!(next(&slot, Some(3), Duration::ZERO), Some((7, false)));
        slot.close(Duration::ZERO);
        assert_eq!(next(&slot, Some(3), Duration::from_secs(3_600)), Some((7, true)));
        assert_eq!(next(&slot, Some(7), Duration::ZERO), None);
    }

    #[test]
    fn closing_waits_for_those_who_work_and_cuts_their_patience() {
        let slot = Arc::new(Slot::default());
        let working = slot.work();
        slot.close(Duration::ZERO);
        assert!(slot.patience(Duration::from_secs(3_600)).left().is_zero());
        drop(working);
        slot.close(Duration::from_secs(3_600));
        assert_eq!(slot.lock().working, 0);
    }

    #[test]
    fn a_removed_anchor_has_no_turn() {
        let slot = Slot::default();
        slot.offer(sealed(3));
        assert!(slot.next(None, None, &AtomicBool::new(true)).is_none());
    }
}
