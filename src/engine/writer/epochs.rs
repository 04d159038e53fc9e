//! When an epoch is closed.

use super::Writer;
use crate::clock::Now;
use crate::engine::Sealed;
use crate::ledger::LedgerError;
use crate::ledger::seal::Reason;

impl Writer {
    pub(super) fn close_epoch(&mut self, reason: Reason, now: Now) -> Result<(), LedgerError> {
        let first = self.ledger.next_seq();
        let line = self.persist(|ledger| ledger.close_epoch(reason, now))?;
        self.publish(first, line);
        self.sealed_at = now.boot_ns;
        self.epoch_began = None;
        self.offer_checkpoint()
    }

    /// Hands the checkpoint of the tree to the anchors; right after a seal only.
    pub fn offer_checkpoint(&self) -> Result<(), LedgerError> {
        (self.output.on_seal)(Sealed {
            size: self.ledger.next_seq(),
            log_id: self.ledger.log_id().to_owned(),
            checkpoint: self.ledger.checkpoint()?,
        });
        Ok(())
    }

    pub(super) fn seal_if_due(&mut self) -> Result<(), LedgerError> {
        let reason = if self.ledger.epoch_lines() >= self.limits.epoch_lines {
            Reason::Size
        } else if self.watch.now().boot_ns < self.seal_due_at() {
            return Ok(());
        } else if self.epoch_began.is_some() {
            Reason::Time
        } else {
            Reason::Idle
        };
        let now = self.prepare()?;
        self.close_epoch(reason, now)
    }

    /// CLOCK_BOOTTIME at which the open epoch is closed if nothing else closes it.
    pub(super) fn seal_due_at(&self) -> u64 {
        let (since, seconds) = match self.epoch_began {
            Some(began) => (began, self.limits.epoch_seconds),
            None => (self.sealed_at, self.limits.idle_seconds),
        };
        since.saturating_add(seconds.saturating_mul(1_000_000_000))
    }
}
