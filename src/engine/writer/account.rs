//! When the log says its sums.

use super::Writer;
use crate::clock::{Now, rfc3339};
use crate::ledger::LedgerError;
use crate::record::Record;

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

    /// The sums behind the records that a segment begins with: a start need not look for them in the segments before,
    /// which may be compressed or deleted by then.
    pub(super) fn sums_behind(&mut self, records: &[Record], now: Now) -> Vec<Record> {
        let before_seq = self.ledger.next_seq() + records.len() as u64;
        self.output.book.all(before_seq, now.boot_ns)
    }
}
