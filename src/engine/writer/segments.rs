//! Which file the writer writes to.

use super::Writer;
use crate::clock::{Now, rfc3339};
use crate::engine::handle::Done;
use crate::engine::{NotRotated, Rotated};
use crate::ledger::seal::Reason;
use crate::ledger::{ActiveFile, LedgerError};
use crate::record::Record;

impl Writer {
    /// Opens a new segment if the active file is not what it was left as; the record that says why.
    pub(super) fn mend_segment(&mut self, now: Now) -> Result<Option<Record>, LedgerError> {
        let found = self.ledger.check_active()?;
        let mut damage = None;
        match found {
            ActiveFile::Intact => return Ok(None),
            ActiveFile::Renamed => {
                self.close_epoch(Reason::Rotate, now)?;
                self.open_segment(now)?;
            }
            // The old file is not one to write a seal to: the new one begins with it.
            ActiveFile::Unlinked | ActiveFile::Resized { .. } => {
                let rescued = self.ledger.rescue()?;
                self.open_segment(now)?;
                self.close_epoch(Reason::Rotate, now)?;
                let said = match rescued {
                    Some(path) => format!("{found}; what was in it is now in {path:?}"),
                    None => found.to_string(),
                };
                tracing::error!("{said}; a new segment was opened; find out who did that");
                damage = Some(said);
            }
        }
        let (segment, reason) = (self.ledger.segment(), found.to_string());
        Ok(Some(Record::Reopened { segment, reason, damage }))
    }

    /// Opens a new segment; the index lists it before it takes a line of it.
    fn open_segment(&mut self, now: Now) -> Result<(), LedgerError> {
        self.ledger.open_segment(now)?;
        self.output.metrics.segment.set(self.ledger.segment());
        self.output.feed.segments_changed();
        Ok(())
    }

    pub(super) fn reopen(&mut self, done: &Done) -> Result<(), LedgerError> {
        let segment = self.ledger.segment();
        let now = self.prepare()?;
        if self.ledger.segment() == segment && self.ledger.epoch_lines() > 0 {
            self.close_epoch(Reason::Rotate, now)?;
        }
        let _asker_may_be_gone = done.send(());
        Ok(())
    }

    /// Opens a new segment because somebody asked for it. The epoch is closed first: a crash before the
    /// rename leaves the log in one file, a crash after it is a file that was renamed while nobody ran.
    pub(super) fn rotate(
        &mut self,
        reason: String,
    ) -> Result<Result<Rotated, NotRotated>, LedgerError> {
        let now = self.prepare()?;
        self.close_epoch(Reason::Rotate, now)?;
        let (segment, bytes) = (self.ledger.segment(), self.ledger.segment_len());
        let path = match self.ledger.move_active(now)? {
            Ok(path) => path,
            Err(e) => return Ok(Err(NotRotated::Refused(e.to_string()))),
        };
        self.open_segment(now)?;
        let opened = self.ledger.segment();
        let record = Record::Reopened { segment: opened, reason, damage: None };
        self.store_own(&rfc3339(now.wall_ns), &[record])?;
        Ok(Ok(Rotated { segment, path, bytes }))
    }
}
