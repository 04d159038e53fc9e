//! What waits for the index, and in which order it is done.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Followed, Pace, Work};
use crate::event::FieldMap;

#[derive(Default)]
pub(super) struct State {
    /// Fresh lines in order, each batch with its first leaf; there may be gaps between them.
    pub fresh: VecDeque<(u64, Followed)>,
    pub bytes: usize,
    /// Leaves that are durable.
    pub head: u64,
    /// Until when more waits for the ledger than a batch takes, unless that goes on.
    pub burst_ends: Option<Instant>,
    pub reset: bool,
    pub segments_changed: bool,
    pub fields: Option<Arc<FieldMap>>,
    /// When rows are deleted next.
    pub step: Option<Step>,
    pub close_by: Option<Instant>,
    /// Somebody waits for a look at the database; whether it is under way.
    pub look: bool,
    pub looking: bool,
    /// Somebody waits until so many leaves are durable, and need not be woken before.
    pub wake_at: u64,
    pub error: Option<String>,
}

/// A step of deleting rows.
pub(super) struct Step {
    /// From then on it is done when there is nothing else to do.
    pub due: Instant,
    /// From then on it is done first.
    pub overdue: Instant,
}

/// Under constant load, a step of deleting rows waits at most so long.
const STEP_WAITS: Duration = Duration::from_millis(100);

impl Step {
    /// One that is due after this time.
    pub fn after(rest: Duration) -> Self {
        let due = Instant::now() + rest;
        Self { due, overdue: due + STEP_WAITS }
    }
}

impl State {
    /// Whether lines may still wait for more that go with them.
    pub fn has_time(&self, now: Instant, pace: &Pace) -> bool {
        now < pace.due && self.head < pace.enough && self.close_by.is_none()
    }

    /// Whether there is something to do before lines: what [`State::take`] gives first.
    pub fn is_called(&self, now: Instant) -> bool {
        let overdue =
            self.close_by.is_none() && self.step.as_ref().is_some_and(|step| step.overdue <= now);
        let asked = self.reset || self.fields.is_some() || self.segments_changed;
        asked || overdue || (self.look && !self.looking) || self.past_deadline()
    }

    /// The first thing to do for an index whose next leaf is `next`; without the lines if these `wait`.
    pub fn take(&mut self, next: u64, wait: bool) -> Option<Work> {
        if self.past_deadline() {
            return Some(Work::Close);
        }
        if std::mem::take(&mut self.reset) {
            return Some(Work::Reset);
        }
        if let Some(fields) = self.fields.take() {
            return Some(Work::Fields(fields));
        }
        if std::mem::take(&mut self.segments_changed) {
            return Some(Work::Segments);
        }
        if self.look && !self.looking {
            self.looking = true;
            return Some(Work::Look);
        }
        let now = Instant::now();
        if self.take_step(|step| step.overdue <= now) {
            return Some(Work::Prune);
        }
        if wait {
            return self.take_step(|step| step.due <= now).then_some(Work::Prune);
        }
        if let Some(lines) = self.take_fresh(next) {
            return Some(Work::Fresh(lines));
        }
        if next < self.head {
            return Some(Work::Read(self.fresh.front().map_or(self.head, |(first, _)| *first)));
        }
        if self.close_by.is_some() {
            return Some(Work::Close);
        }
        self.take_step(|step| step.due <= now).then_some(Work::Prune)
    }

    /// Takes the step if it is time for it; a daemon that stops does not begin one.
    fn take_step(&mut self, is_time: impl FnOnce(&Step) -> bool) -> bool {
        let is_time = self.close_by.is_none() && self.step.as_ref().is_some_and(is_time);
        is_time && self.step.take().is_some()
    }

    /// The fresh lines that begin at `next`; older ones were read from the segments meanwhile.
    pub fn take_fresh(&mut self, next: u64) -> Option<Followed> {
        while let Some((first, lines)) = self.fresh.front() {
            if *first > next {
                return None;
            }
            let wanted = *first == next;
            self.bytes -= lines.lines.len();
            let taken = self.fresh.pop_front();
            if wanted {
                return taken.map(|(_, lines)| lines);
            }
        }
        None
    }

    pub fn past_deadline(&self) -> bool {
        self.close_by.is_some_and(|by| Instant::now() >= by)
    }
}
