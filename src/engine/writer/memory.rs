//! When the writer lets go of what it has kept in memory, although nothing is to be written.

use super::Writer;
use crate::kernel;
use crate::ledger::LedgerError;

impl Writer {
    /// Frees the newest lines once they are a minute old, and what is known of events once it is out of its
    /// window, and gives the memory back.
    pub(super) fn forget_if_due(&mut self) -> Result<(), LedgerError> {
        let now = self.watch.now();
        if now.boot_ns < self.forgetting_due_at() {
            return Ok(());
        }
        if now.boot_ns >= self.lines_due_at() {
            // The last look at a closed segment while its lines are in memory.
            self.prepare()?;
            self.ledger.forget_lines(now);
        }
        self.repeats.begin(now, self.ledger.next_seq());
        kernel::give_back();
        Ok(())
    }

    /// CLOCK_BOOTTIME at which that is worth it.
    pub(super) fn forgetting_due_at(&self) -> u64 {
        self.lines_due_at().min(self.repeats.due().unwrap_or(u64::MAX))
    }

    fn lines_due_at(&self) -> u64 {
        self.ledger.lines_kept_until().unwrap_or(u64::MAX)
    }
}
