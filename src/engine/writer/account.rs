//! When the log says its sums.

use super::Writer;
use crate::clock::rfc3339;
use crate::ledger::LedgerError;

impl Writer {
    /// Writes what became of clients' lines so far. The sums are of all lines before the record: nothing comes between.
    pub(super) fn account_if_due(&mut self) -> Result<(), LedgerError> {
        if self.watch.now().boot_ns < self.output.book.due_at() {
            return Ok(());
        }
        let now = self.prepare()?;
        let records = self.output.book.changed(self.ledger.next_seq(), now.boot_ns);
        match records.is_empty() {
            true => Ok(()),
            false => self.store_own(&rfc3339(now.wall_ns), &records),
        }
    }
}
