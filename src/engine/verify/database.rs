//! The index against the ledger: whether each row is what the ledger's line gives, whether there are others, and
//! whether the file is as the daemon made it.

use std::ops::Range;
use std::path::Path;

use super::findings::{Findings, MOST_TOLD};
use super::maps::Maps;
use super::{Database, Phase};
use crate::engine::rows::{self, Sink};
use crate::event::FieldMap;
use crate::index::{EventRow, IndexError, Part, Progress, Reader, SealRow, Snapshot};
use crate::ledger::line::peek_seq;
use crate::ledger::reader::{Lines, Reader as Ledger};
use crate::ledger::segment;
use crate::ledger::verify::{Options, Report, Verdict};

/// Bytes of lines that are compared at one moment of the index.
const READ_BYTES: usize = 2 << 20;

/// Compares, and adds what was found to the report.
pub(super) fn check(
    database: &Database<'_>,
    options: &Options,
    report: &mut Report,
    progress: &mut dyn FnMut(Phase, u64, u64),
) {
    let mut check = Check::new(options, report);
    if let Err(e) = check.run(database, progress) {
        let verdict = match e {
            IndexError::Changed { .. } | IndexError::Value { .. } => Verdict::Tampered,
            _ => Verdict::Unverifiable,
        };
        let message = format!("the database could not be compared with the log: {e}");
        check.found.tell(verdict, message);
    }
    let Check { found, compared, next, .. } = check;
    report.database_end = compared.then_some(next);
    found.into_report(report);
}

struct Check<'a> {
    log_dir: &'a Path,
    /// Whether the log is this host's own, and no copy.
    live: bool,
    ledger: Ledger,
    report: &'a Report,
    found: Findings,
    maps: Maps,
    /// The leaf up to which lines and rows were compared.
    next: u64,
    /// Whether they were compared as far as there are any.
    compared: bool,
}

impl<'a> Check<'a> {
    fn new(options: &'a Options, report: &'a Report) -> Self {
        let (log_dir, live) = (&*options.paths.log_dir, options.live);
        let ledger = Ledger::new(log_dir, &report.figures.log_id);
        let (found, maps) = (Findings::default(), Maps::default());
        Self { log_dir, live, ledger, report, found, maps, next: 0, compared: false }
    }

    fn run(
        &mut self,
        database: &Database<'_>,
        progress: &mut dyn FnMut(Phase, u64, u64),
    ) -> Result<(), IndexError> {
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
        Ok(())
    }

    /// Compares what is below `end`; `false` if that was not possible.
    fn rows(
        &mut self,
        db: &Reader,
        end: u64,
        progress: &mut dyn FnMut(Phase, u64, u64),
    ) -> Result<bool, IndexError> {
        let (mut done, total) = (0, self.report.figures.bytes);
        let mut compared = Progress::default();
        if let Some(since) = &self.report.since {
            // What an earlier run has read of the log was compared by that run.
            self.next = since.seq;
            compared.skip_to(since.seq);
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
            if first > self.next {
                self.without_lines(&snapshot, self.next..first)?;
                compared.skip_to(first);
            }
            let mut differ = |difference| self.found.row(difference);
            let part = Part::new(&snapshot, &mut compared, first, &mut differ);
            let mut compare = Compare { part, maps: &mut self.maps };
            rows::each(&lines.bytes, &map, &self.report.figures.log_id, &mut compare)?;
            compare.part.finish(lines.next)?;
            self.next = lines.next;
            done += lines.bytes.len() as u64;
            progress(Phase::Database, done.min(total), total);
        }
        let snapshot = db.snapshot()?;
        compared.finish(&snapshot, self.next, &mut |difference| self.found.row(difference))?;
        self.segments(&snapshot, end)?;
        self.others(&snapshot)?;
        Ok(true)
    }

    /// Rows for which there can be no lines, or are none.
    fn others(&mut self, snapshot: &Snapshot<'_>) -> Result<(), IndexError> {
        if let Some(extent) = snapshot.leaves(i64::MIN..=-1)? {
            self.found.differ(&format!("the database has {} rows with a seq below 0", extent.rows));
        }
        let indexed = snapshot.indexed;
        if let Some(extent) = snapshot.leaves(leaf(indexed)..=i64::MAX)? {
            let (rows, first) = (extent.rows, extent.first);
            self.found.differ(&format!(
                "the database has {rows} rows from seq {first} on, though it says that it ends before seq {indexed}"
            ));
        }
        let last = indexed.saturating_sub(1);
        // A daemon may have written on since the log was verified.
        if indexed > self.next
            && let Some(lines) = self.read_log(last, indexed, 1)
            && peek_seq(&lines.bytes) != Some(last)
        {
            self.without_lines(snapshot, self.next..indexed)?;
        }
        Ok(())
    }

    /// Lines of the log, as [`Ledger::read`]; if they cannot be read, that is a finding.
    fn read_log(&mut self, from: u64, to: u64, max_bytes: usize) -> Option<Lines> {
        let read = self.ledger.read(from, to, max_bytes).inspect_err(|e| {
            let message = format!("the log could not be read beside its database: {e}");
            self.found.tell(Verdict::Unverifiable, message);
        });
        read.ok()
    }

    /// Rows whose lines are not there, which the verdict on the log may explain.
    fn without_lines(
        &mut self,
        snapshot: &Snapshot<'_>,
        seqs: Range<u64>,
    ) -> Result<(), IndexError> {
        let deleted = self.report.since.is_none() && seqs.end <= self.report.figures.first_seq;
        let Some(extent) = snapshot.leaves(leaf(seqs.start)..=leaf(seqs.end) - 1)? else {
            return Ok(());
        };
        let (rows, first, last) = (extent.rows, extent.first, extent.last);
        let what = format!("the database has {rows} rows of seq {first} to {last}");
        match (deleted, self.report.verdict) {
            (true, _) => {
                let what = format!(
                    "{what}, which retention deleted from the log: nothing vouches for them"
                );
                self.found.advise(Verdict::Unverifiable, &what);
            }
            (false, verdict @ (Verdict::Incomplete | Verdict::Unverifiable)) => {
                self.found.tell(verdict, format!("{what}, whose lines are missing from the log"));
            }
            (false, _) if !self.live && seqs.start >= self.report.figures.next_seq => self.found.tell(
                Verdict::Incomplete,
                format!(
                    "{what}, and the segments end before: either the segments were copied first, while the daemon \
                     wrote, or the log's end was cut, or the rows were added; copy the database first and the \
                     segments after it"
                ),
            ),
            (false, _) => self.found.tell(
                Verdict::Tampered,
                format!(
                    "{what}, which the log has not: its end was cut off, or the rows were added; copy the database \
                     before `auditlog reindex` removes them"
                ),
            ),
        }
        Ok(())
    }

    fn segments(&mut self, snapshot: &Snapshot<'_>, end: u64) -> Result<(), IndexError> {
        let Ok(mut listed) = segment::list(self.log_dir) else { return Ok(()) };
        listed.retain(|found| found.header.log_id == self.report.figures.log_id);
        // A copy is no other segment.
        listed.dedup_by(|copy, found| copy.header == found.header);
        // A segment is listed before the first row of it; one that came since is not missed.
        listed.retain(|found| found.header.first_seq < end);
        let (Some(first), Some(last)) = (listed.first(), listed.last()) else { return Ok(()) };
        let (first, last) = (leaf(first.header.segment), leaf(last.header.segment));
        let rows: Vec<_> = listed.iter().map(rows::segment).collect();
        let mut differ = |difference| self.found.row(difference);
        snapshot.segments(first..=last, &rows, &mut differ)
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
}

impl Sink for Compare<'_, '_, '_, '_> {
    fn events(&mut self, rows: &[EventRow<'_>]) -> Result<(), IndexError> {
        rows.iter().for_each(|row| self.maps.note(row.seq, row.event));
        self.part.events(rows)
    }

    fn seal(&mut self, row: &SealRow<'_>) -> Result<(), IndexError> {
        self.part.seal(row)
    }
}
