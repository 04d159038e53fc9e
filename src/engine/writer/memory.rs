//! When the writer lets go of lines that it has kept in memory, although nothing is to be written.

use super::Writer;
use crate::kernel;
use crate::ledger::LedgerError;

impl Writer {
    /// Frees the newest lines once they are a minute old, and gives the memory back.
    pub(super) fn forget_if_due(&mut self) -> Result<(), LedgerError> {
        let now = self.watch.now();
        if now.boot_ns >= self.forgetting_due_at() {
            // The last look at a closed segment while its lines are in memory.
            self.prepare()?;
            self.ledger.forget_lines(now);
            kernel::give_back();
        }
        Ok(())
    }

    /// CLOCK_BOOTTIME at which that is worth it.
    pub(super) fn forgetting_due_at(&self) -> u64 {
        self.ledger.lines_kept_until().unwrap_or(u64::MAX)
    }
}
