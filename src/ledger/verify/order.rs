//! The order of the lines in time.

use crate::clock::rfc3339;

/// How far the wall clock may go back without a record that says so: the daemon records larger steps.
const CLOCK_TOLERANCE_NS: i64 = 1_000_000_000;

/// The time of a line.
#[derive(Clone, Copy, Debug)]
pub struct When {
    /// When it was committed, nanoseconds since 1970.
    pub ts_ns: i64,
    /// How far the clock was set, if the line says that it was.
    pub step_ns: Option<i64>,
}

impl When {
    /// Whether it may follow a line of time `last`, `restarted` if the daemon was not running in between;
    /// the error is a sentence.
    pub fn check(self, last: i64, restarted: bool) -> Result<(), String> {
        let may_step = restarted || self.step_ns.is_some();
        if may_step || self.ts_ns >= last.saturating_sub(CLOCK_TOLERANCE_NS) {
            return Ok(());
        }
        Err(format!(
            "the line's time {} is before the last one's {}, and no record says that the clock stepped",
            rfc3339(self.ts_ns),
            rfc3339(last)
        ))
    }

    /// Whether nothing was written for longer than allowed, since a line of time `last`.
    pub fn is_gap(self, last: i64, max_gap_ns: Option<i64>) -> bool {
        let passed = self.ts_ns.saturating_sub(self.step_ns.unwrap_or(0)).saturating_sub(last);
        max_gap_ns.is_some_and(|max| passed > max)
    }
}
