//! The index against the ledger: whether each row is what the ledger's line gives, whether there are others, and
//! whether the file is as the daemon made it.

mod gone;

use std::path::Path;

use super::expired::Expired;
use super::findings::{Findings, MOST_TOLD};
use super::maps::Maps;
use super::{Database, Phase};
use crate::engine::rows::{self, Sink};
use crate::event::FieldMap;
use crate::index::{EventRow, IndexError, Part, Progress, Reader, SealRow};
use crate::ledger::line::peek_seq;
use crate::ledger::reader::{Lines, Reader as Ledger};
use crate::ledger::verify::{Options, Report, Verdict};

/// Bytes of lines that are compared at one moment of the index.
const READ_BYTES: usize = 2 << 20;

/// The log is not any more the one that was verified: maintenance deletes from it and from the database.
pub(super) struct Changed;

/// Why a comparison ends early.
enum Ended {
    Index(IndexError),
    Changed,
}

impl From<IndexError> for Ended {
    fn from(error: IndexError) -> Self {
        Ended::Index(error)
    }
}

/// Compares, and adds what was found to the report.
pub(super) fn check(
    database: &Database<'_>,
    options: &Options,
    report: &mut Report,
    progress: &mut dyn FnMut(Phase, u64, u64),
) -> Result<(), Changed> {
    let mut check = Check::new(options, report);
    match check.run(database, progress) {
        Ok(()) => {}
        Err(Ended::Changed) => return Err(Changed),
        Err(Ended::Index(e)) => {
            let verdict = match e {
                IndexError::Changed { .. } | IndexError::Value { .. } => Verdict::Tampered,
                _ => Verdict::Unverifiable,
            };
            let message = format!("the database could not be compared with the log: {e}");
            check.found.tell(verdict, message);
        }
    }
    let Check { found, compared, next, .. } = check;
    report.database_end = compared.then_some(next);
    found.into_report(report);
    Ok(())
}

struct Check<'a> {
    log_dir: &'a Path,
    /// Whether the log is this host's own, and no copy.
    live: bool,
    ledger: Ledger,
    report: &'a Report,
    found: Findings,
    maps: Maps,
    expired: Expired,
    /// The leaf up to which lines and rows were compared.
    next: u64,
    /// Whether they were compared as far as there are any.
    compared: bool,
}

impl<'a> Check<'a> {
    fn new(options: &'a Options, report: &'a Report) -> Self {
        let (log_dir, live) = (&*options.paths.log_dir, options.live);
        let ledger = Ledger::new(log_dir, &report.figures.log_id);
        let (maps, expired) = (Maps::default(), Expired::new(&report.retention));
        let found = Findings::new(expired.all_read);
        Self { log_dir, live, ledger, report, found, maps, expired, next: 0, compared: false }
    }

    fn run(
        &mut self,
        database: &Database<'_>,
        progress: &mut dyn FnMut(Phase, u64, u64),
    ) -> Result<(), Ended> {
        let db = Reader::open(database.path)?;
        let made = db.made(&self.report.figures.log_id)?;
        made.differences.iter().for_each(|what| self.found.differ(what));
        if !made.has_tables {
            return Ok(());
        }
        // Rows that came after the ledger was read are not compared, and rows still to come are not missed.
        let end = self.report.figures.next_seq.min(db.indexed()?);
        self.compared = self.rows(&db, end, progress)?;
        if self.compared {
            self.used_maps(end, database.fields);
        }
        if self.report.since.is_some() {
            return Ok(());
        }
        progress(Phase::Consistency, 0, 0);
        for said in db.integrity(MOST_TOLD)? {
            self.found.differ(&format!("the database is not consistent in itself: {said}"));
        }
        for said in db.wrong_postings(MOST_TOLD)? {
            self.found.differ(&format!("the database is not consistent in itself: {said}"));
        }
        Ok(())
    }

    /// Compares what is below `end`; `false` if that was not possible.
    fn rows(
        &mut self,
        db: &Reader,
        end: u64,
        progress: &mut dyn FnMut(Phase, u64, u64),
    ) -> Result<bool, Ended> {
        let (mut done, total) = (0, self.report.figures.bytes);
        let mut compared = Progress::default();
        if let Some(since) = &self.report.since {
            // What an earlier run has read of the log was compared by that run.
            self.next = since.seq;
            compared.begin(since.seq);
        }
        while self.next < end {
            let snapshot = db.snapshot()?;
            if snapshot.indexed < end {
                let message =
                    "the database is being rebuilt from the log; verify again when it is done";
                self.found.tell(Verdict::Unverifiable, message.into());
                return Ok(false);
            }
            let (map, to) = match self.maps.at(&snapshot, self.next)? {
                Ok(used) => used,
                Err((verdict, what)) => {
                    self.found.advise(verdict, what);
                    return Ok(false);
                }
            };
            let Some(lines) = self.read_log(self.next, end.min(to), READ_BYTES) else {
                return Ok(false);
            };
            if lines.next == self.next {
                break;
            }
            let first = peek_seq(&lines.bytes).unwrap_or(lines.next);
            let skipped = self.next..first;
            if !skipped.is_empty() {
                self.hole(&snapshot, skipped)?;
            }
            let mut differ = |difference| self.found.row(difference);
            if first > self.next {
                compared.skip_to(first, &snapshot, &mut differ)?;
            }
            let part = Part::new(&snapshot, &mut compared, first, &mut differ);
            let (maps, expired) = (&mut self.maps, &self.expired);
            let mut compare = Compare { part, maps, expired };
            rows::each(&lines.bytes, &map, &self.report.figures.log_id, &mut compare)?;
            compare.part.finish(lines.next)?;
            self.next = lines.next;
            done += lines.bytes.len() as u64;
            progress(Phase::Database, done.min(total), total);
        }
        let snapshot = db.snapshot()?;
        compared.finish(&snapshot, self.next, &mut |difference| self.found.row(difference))?;
        if self.found.may_be_maintenance && self.was_maintained() {
            return Err(Ended::Changed);
        }
        self.segments(&snapshot, end)?;
        self.others(&snapshot)?;
        Ok(true)
    }

    /// Lines of the log, as [`Ledger::read`]; if they cannot be read, that is a finding.
    fn read_log(&mut self, from: u64, to: u64, max_bytes: usize) -> Option<Lines> {
        let read = self.ledger.read(from, to, max_bytes).inspect_err(|e| {
            let message = format!("the log could not be read beside its database: {e}");
            self.found.tell(Verdict::Unverifiable, message);
        });
        read.ok()
    }

    /// Whether the maps with which the rows were made are ones that this host has used.
    fn used_maps(&mut self, end: u64, configured: Option<&FieldMap>) {
        if !self.maps.unnamed(end, configured).is_empty() {
            // The record may stand before or behind the part that was compared.
            self.maps.forget_names();
            let mut next = 0;
            while let Ok(lines) = self.ledger.read(next, u64::MAX, READ_BYTES)
                && lines.next > next
            {
                next = lines.next;
                self.maps.records_in(&lines.bytes);
            }
        }
        for seqs in self.maps.unnamed(end, configured) {
            let what = format!(
                "the columns of seq {} to {} in the database cannot be checked: they were read with a field map \
                 that neither the log nor the configuration gives for them",
                seqs.start,
                seqs.end - 1
            );
            self.found.advise(Verdict::Unverifiable, &what);
        }
    }
}

/// A leaf as the index counts.
fn leaf(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// Compares the rows that the lines give, and notes which field maps the lines name.
struct Compare<'c, 'p, 'r, 'f> {
    part: Part<'p, 'r, 'f>,
    maps: &'c mut Maps,
    expired: &'c Expired,
}

impl Sink for Compare<'_, '_, '_, '_> {
    fn events(&mut self, rows: &[EventRow<'_>]) -> Result<(), IndexError> {
        rows.iter().for_each(|row| self.maps.note(row.seq, row.event));
        self.part.events(rows, &mut |row| self.expired.lets_go(row))
    }

    fn seal(&mut self, row: &SealRow<'_>) -> Result<(), IndexError> {
        self.part.seal(row)
    }
}
