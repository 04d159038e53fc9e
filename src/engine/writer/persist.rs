//! A disk that does not take what it is given: the writer waits and asks it again, and nothing is lost meanwhile.
//! Events wait in the kernel's socket buffers, or go where `[space]` says.

use std::time::Duration;

use super::Writer;
use crate::clock::{Now, rfc3339};
use crate::ledger::{Ledger, LedgerError};
use crate::record::Record;

/// The first wait; each is twice as long as the one before.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// The longest.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// How long a directory may be missing that could be made again, nanoseconds.
const REACH_NS: u64 = 5_000_000_000;
/// A wait that is shorter than this, nanoseconds, is not worth a record.
const WORTH_A_RECORD_NS: u64 = 1_000_000_000;

/// The writer waits for the disk.
pub(super) struct Stall {
    since: Now,
    error: String,
    wait: Duration,
}

impl Writer {
    /// Does a step of the ledger, until the disk takes it. An error is one that no waiting helps against, or there
    /// is no time to wait: the daemon stops.
    pub(super) fn persist<T>(
        &mut self,
        mut step: impl FnMut(&mut Ledger) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        loop {
            match step(&mut self.ledger) {
                Ok(done) => {
                    self.end_stall();
                    return Ok(done);
                }
                Err(e) => self.wait_for_the_disk(e)?,
            }
        }
    }

    /// Returns when the step should be tried again.
    fn wait_for_the_disk(&mut self, error: LedgerError) -> Result<(), LedgerError> {
        if !error.is_of_the_disk() || !self.patient {
            return Err(error);
        }
        let now = self.watch.now();
        // The watchdog is for a disk that does not answer; this one says no.
        (self.output.on_turn)(now);
        if error.is_for_want_of_space() && self.ladder.release(now) {
            tracing::error!("{error}; the reserve is used now, and no event is stored");
            return Ok(());
        }
        if error.is_for_want_of_a_directory() && self.is_out_of_reach(now) {
            self.ledger.shelter()?;
            return Err(error);
        }
        let stall = self.stall.get_or_insert_with(|| {
            tracing::error!("{error}; nothing is stored until that works, and it is tried again");
            Stall { since: now, error: String::new(), wait: FIRST_WAIT }
        });
        let text = error.to_string();
        if stall.error != text {
            stall.error.clone_from(&text);
            let since = rfc3339(stall.since.wall_ns);
            self.ladder.room().tell(|state| {
                (state.error, state.since) = (Some(text), Some(since));
            });
        }
        let wait = stall.wait;
        stall.wait = (wait * 2).min(LONGEST_WAIT);
        match self.ladder.room().wait(wait) {
            true => Ok(()),
            false => Err(error),
        }
    }

    /// Whether a directory that was removed cannot be made again from here, because the daemon restricts itself or is in
    /// a namespace that has the removed one. One that is started anew is in another.
    fn is_out_of_reach(&self, now: Now) -> bool {
        let waited = |stall: &Stall| now.boot_ns.saturating_sub(stall.since.boot_ns);
        !self.ledger.make_directories() || self.stall.as_ref().is_some_and(|s| waited(s) > REACH_NS)
    }

    fn end_stall(&mut self) {
        let Some(Stall { since, error, .. }) = self.stall.take() else { return };
        self.ladder.room().tell(|state| (state.error, state.since) = (None, None));
        let now = self.watch.now();
        let waited_ns = now.boot_ns.saturating_sub(since.boot_ns);
        tracing::warn!("the log is written again, after {} ms", waited_ns / 1_000_000);
        if waited_ns >= WORTH_A_RECORD_NS {
            let (since, waited_ms) = (rfc3339(since.wall_ns), waited_ns / 1_000_000);
            self.unsaid.push(Record::Stalled { error, since, waited_ms });
        }
    }

    /// Looks how full the disk is, says what has changed, and stores what was held back if there is room again.
    pub fn look_at_space(&mut self) -> Result<(), LedgerError> {
        let mut said = std::mem::take(&mut self.unsaid);
        said.extend(self.ladder.look(self.watch.now()));
        if !said.is_empty() {
            self.write_own(said)?;
        }
        while !self.ladder.is_full() && !self.held.is_empty() {
            let batch = self.gather_held();
            self.commit(batch)?;
        }
        Ok(())
    }
}
