//! The clocks, watched: whether somebody set the wall clock since the last look.

use crate::clock::{Clock, Now, rfc3339};
use crate::record::Record;

/// A wall clock that moved this much against the boot clock since the last look has stepped.
const STEP_NS: i64 = 1_000_000_000;

pub(super) struct Watch {
    clock: Clock,
    /// Wall clock minus boot clock at the last look.
    offset_ns: i64,
}

/// What a look at the clocks found.
pub(super) struct Look {
    /// Both clocks.
    pub now: Now,
    /// The same, with the wall clock as if it had not stepped.
    pub unstepped: Now,
    /// The record of the step, if there was one.
    pub step: Option<Record>,
}

impl Watch {
    /// Watches `clock` from a reading of it on.
    pub fn new(clock: Clock, since: Now) -> Self {
        Self { clock, offset_ns: offset(since) }
    }

    /// Reads the clocks without a look at whether they stepped.
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// Reads the clocks; a step is told once.
    pub fn look(&mut self) -> Look {
        let now = self.clock.now();
        let step_ns = offset(now).saturating_sub(self.offset_ns);
        self.offset_ns = offset(now);
        if step_ns.saturating_abs() <= STEP_NS {
            return Look { now, unstepped: now, step: None };
        }
        let unstepped = Now { wall_ns: now.wall_ns.saturating_sub(step_ns), ..now };
        let (expected, found) = (rfc3339(unstepped.wall_ns), rfc3339(now.wall_ns));
        tracing::warn!("the clock stepped from {expected} to {found}");
        Look { now, unstepped, step: Some(Record::ClockStep { expected, found, step_ns }) }
    }
}

fn offset(now: Now) -> i64 {
    now.wall_ns.saturating_sub_unsigned(now.boot_ns)
}
