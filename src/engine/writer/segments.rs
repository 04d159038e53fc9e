//! Which file the writer writes to.

use super::Writer;
use crate::clock::{Now, rfc3339};
use crate::config;
use crate::engine::handle::Done;
use crate::engine::{NotRotated, Rotated};
use crate::ledger::seal::Reason;
use crate::ledger::{ActiveFile, LedgerError, Rescued};
use crate::record::Record;

/// How long automatic rotation is left alone after it failed.
const PAUSE_NS: u64 = 60 * SECOND_NS;
const SECOND_NS: u64 = 1_000_000_000;

/// How old the active segment is, on CLOCK_BOOTTIME: no step of the wall clock makes it older.
pub(super) struct Age {
    /// When its first line was written, which may be before this boot; none as long as it holds nothing
    /// but the record of its opening and seals, and then no age is a reason to rotate it.
    began_ns: Option<i64>,
    /// No rotation of its own before then.
    pause_until_ns: u64,
}

impl Age {
    /// The age of a segment that a start goes on in, `now`, of which the header says when it was opened. A
    /// header of the future gives no age, for one of the two clocks was wrong: then it is time.
    pub(super) fn found(opened_ns: Option<i64>, now: Now) -> Self {
        let tolerated = now.wall_ns.saturating_add(SECOND_NS as i64);
        let age_ns = match opened_ns {
            Some(opened_ns) if opened_ns <= tolerated => now.wall_ns.saturating_sub(opened_ns),
            _ => i64::MAX,
        };
        let began_ns = Some(i64::try_from(now.boot_ns).unwrap_or(i64::MAX).saturating_sub(age_ns));
        Self { began_ns, pause_until_ns: 0 }
    }

    /// A line is written.
    pub(super) fn begin(&mut self, now: Now) {
        self.began_ns.get_or_insert(i64::try_from(now.boot_ns).unwrap_or(i64::MAX));
    }

    /// CLOCK_BOOTTIME from which on it is `seconds` old.
    fn reaches(&self, seconds: u64) -> Option<u64> {
        let seconds_ns = i64::try_from(seconds.saturating_mul(SECOND_NS)).unwrap_or(i64::MAX);
        let due_ns = self.began_ns.filter(|_| seconds > 0)?.saturating_add(seconds_ns);
        Some(u64::try_from(due_ns).unwrap_or(0).max(self.pause_until_ns))
    }
}

impl Writer {
    /// Opens a new segment if the active file is not what it was left as; the record that says why.
    pub(super) fn mend_segment(&mut self, now: Now) -> Result<Option<Record>, LedgerError> {
        let found = self.persist(|ledger| ledger.check_active())?;
        let mut damage = None;
        match found {
            ActiveFile::Intact => return Ok(None),
            ActiveFile::Renamed => self.begin_segment(now)?,
            ActiveFile::Unlinked | ActiveFile::Resized { .. } => {
                let rescued = self.persist(|ledger| ledger.rescue(found))?;
                if matches!(rescued, Rescued::All { .. }) {
                    self.begin_segment(now)?;
                } else {
                    // The old file is not one to write a seal to: the new one begins with it.
                    self.open_segment(now)?;
                    self.close_epoch(Reason::Rotate, now)?;
                }
                let said = format!("{found}; {rescued}");
                tracing::error!("{said}; a new segment was opened; find out who did that");
                damage = Some(said);
            }
        }
        let (segment, reason) = (self.ledger.segment(), found.to_string());
        Ok(Some(Record::Reopened { segment, reason, damage }))
    }

    /// Closes the epoch where its lines are, and opens a new segment.
    fn begin_segment(&mut self, now: Now) -> Result<(), LedgerError> {
        self.close_epoch(Reason::Rotate, now)?;
        self.open_segment(now)
    }

    /// Opens a new segment; the index lists it before it takes a line of it.
    fn open_segment(&mut self, now: Now) -> Result<(), LedgerError> {
        self.persist(|ledger| ledger.open_segment(now))?;
        self.age.began_ns = None;
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
        let path = match self.persist(|ledger| ledger.move_active(now))? {
            Ok(path) => path,
            Err(_) if self.persist(|ledger| ledger.check_active())? == ActiveFile::Renamed => {
                self.prepare()?;
                return Ok(Err(NotRotated::Renamed));
            }
            Err(e) => return Ok(Err(NotRotated::Refused(e.to_string()))),
        };
        self.open_segment(now)?;
        let opened = self.ledger.segment();
        let mut records = vec![Record::Reopened { segment: opened, reason, damage: None }];
        records.extend(self.sums_behind(&records, now));
        self.store_own(&rfc3339(now.wall_ns), &records)?;
        Ok(Ok(Rotated { segment, path, bytes }))
    }

    /// Saves the segment that was closed last, if it was cut since; the record that says so.
    pub(super) fn mend_closed(&mut self, now: Now) -> Result<Option<Record>, LedgerError> {
        let Some(rescued) = self.persist(|ledger| ledger.check_closed(now))? else {
            return Ok(None);
        };
        self.output.feed.segments_changed();
        let segment = self.ledger.segment();
        let reason = "the one before was closed, and its file cut after that".to_owned();
        let damage = format!("the file of a closed segment was cut; {rescued}");
        tracing::error!("{damage}; find out who did that");
        Ok(Some(Record::Reopened { segment, reason, damage: Some(damage) }))
    }

    /// Opens a new segment if the active one has become too large or too old.
    pub(super) fn rotate_if_due(&mut self) -> Result<(), LedgerError> {
        if self.rotation_due().is_none() {
            return Ok(());
        }
        self.prepare()?;
        // It may have been renamed meanwhile, and then there is a new one.
        let Some(reason) = self.rotation_due() else { return Ok(()) };
        if let Err(e @ NotRotated::Refused(_)) = self.rotate(reason)? {
            tracing::error!("{e}; the next try is in a minute");
            self.age.pause_until_ns = self.watch.now().boot_ns.saturating_add(PAUSE_NS);
        }
        Ok(())
    }

    /// Why the active segment is to be closed now, if it is.
    fn rotation_due(&self) -> Option<String> {
        let config::Ledger { rotate_bytes, rotate_seconds, .. } = self.limits;
        let boot_ns = self.watch.now().boot_ns;
        if boot_ns < self.age.pause_until_ns {
            None
        } else if rotate_bytes > 0 && self.ledger.segment_len() >= rotate_bytes {
            Some(format!("it reached {rotate_bytes} bytes"))
        } else if self.rotation_due_at() <= boot_ns {
            Some(match rotate_seconds {
                86_400 => "it is a day old".into(),
                seconds => format!("it is {seconds} seconds old"),
            })
        } else {
            None
        }
    }

    /// CLOCK_BOOTTIME at which the active segment is closed for its age.
    pub(super) fn rotation_due_at(&self) -> u64 {
        self.age.reaches(self.limits.rotate_seconds).unwrap_or(u64::MAX)
    }
}
