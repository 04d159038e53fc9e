//! Verification of everything on a host: the ledger, and the index against it in both directions.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::path::Path;

use crate::index::{self, IndexError};
use crate::ledger::line::{self, Body};
use crate::ledger::reader::Reader;
use crate::ledger::verify::{self, Finding, Options, Report, Verdict};

/// Bytes of lines read at a time.
const READ_BYTES: usize = 4 << 20;
/// Differences that are told one by one.
const MOST_TOLD: usize = 20;

/// Verifies the ledger, and then the index at `database` if there is one.
pub fn verify_all(
    options: &Options,
    database: Option<&Path>,
    progress: &mut dyn FnMut(u64, u64),
) -> Report {
    let mut report = verify::verify(options, progress);
    if let Some(database) = database.filter(|path| path.exists())
        && report.verdict < Verdict::Tampered
    {
        let mut check = Check { differences: 0, report: &mut report };
        if let Err(e) = check.index(&options.paths.log_dir, database) {
            let message = format!("the index could not be compared with the ledger: {e}");
            report.add(Finding { verdict: Verdict::Unverifiable, message, place: None });
        }
    }
    report
}

struct Check<'a> {
    differences: usize,
    report: &'a mut Report,
}

/// Rows of one table in order.
type Rows<'r> = Peekable<index::Rows<'r, index::Line>>;

impl Check<'_> {
    fn index(&mut self, log_dir: &Path, database: &Path) -> Result<(), IndexError> {
        let db = index::Reader::open(database)?;
        let figures = &self.report.figures;
        // Rows that came after the ledger was read are not compared, and rows still to come are not missed.
        let (first, end) = (figures.first_seq, figures.next_seq.min(db.indexed()?));
        let mut reader = Reader::new(log_dir, &db.log_id()?);
        // What an earlier run has read of the log was compared by that run.
        let since = self.report.since.as_ref().map_or(i64::MIN, |since| since.seq as i64);
        let mut events = db.lines(since).peekable();
        let mut seals = db.seal_lines(since).peekable();
        let mut next = first;
        while next < end {
            let lines = match reader.read(next, end, READ_BYTES) {
                Ok(lines) if lines.next > next => lines,
                _ => break,
            };
            next = lines.next;
            for text in lines.bytes.split(|b| *b == b'\n').filter(|text| !text.is_empty()) {
                self.line(text, &mut events, &mut seals)?;
            }
        }
        self.no_more(&mut events, end)?;
        self.no_more(&mut seals, end)?;
        if self.differences > MOST_TOLD {
            let more = self.differences - MOST_TOLD;
            self.tell(format!("{more} more rows of the index differ from the ledger"));
        }
        Ok(())
    }

    fn line<'r>(
        &mut self,
        text: &[u8],
        events: &mut Rows<'r>,
        seals: &mut Rows<'r>,
    ) -> Result<(), IndexError> {
        let Ok(line) = line::parse(text) else { return Ok(()) };
        let Ok(seq) = i64::try_from(line.seq) else { return Ok(()) };
        let (rows, others) = match line.body {
            Body::Event { .. } => (events, seals),
            Body::Seal(_) => (seals, events),
        };
        self.skip_to(rows, seq)?;
        // A row for this leaf in the other table is one that the ledger does not know.
        self.skip_to(others, seq.saturating_add(1))?;
        let Some(row) = rows.next_if(|row| row.as_ref().is_ok_and(|row| row.seq == seq)) else {
            self.differ(format!("the index lacks seq {seq}, which is in the ledger"));
            return Ok(());
        };
        let row = row?;
        let same = match line.body {
            Body::Event { event, .. } => row.text == event && row.mac == line.mac,
            Body::Seal(_) => row.text.as_bytes() == text,
        };
        if !same || row.ts_ns != line.ts_ns {
            self.differ(format!("the index's row of seq {seq} differs from the ledger"));
        }
        Ok(())
    }

    /// Rows before `seq` that are still there have no line in the ledger.
    fn skip_to(&mut self, rows: &mut Rows<'_>, seq: i64) -> Result<(), IndexError> {
        let before = |row: &Result<index::Line, IndexError>| {
            row.as_ref().map_or(true, |row| row.seq.cmp(&seq) == Ordering::Less)
        };
        while let Some(row) = rows.next_if(before) {
            let seq = row?.seq;
            self.differ(format!("the index has a row with seq {seq}, which the ledger has not"));
        }
        Ok(())
    }

    fn no_more(&mut self, rows: &mut Rows<'_>, end: u64) -> Result<(), IndexError> {
        self.skip_to(rows, i64::try_from(end).unwrap_or(i64::MAX))
    }

    fn differ(&mut self, message: String) {
        self.differences += 1;
        if self.differences <= MOST_TOLD {
            self.tell(format!("{message}; `auditlog reindex` rebuilds it from the ledger"));
        }
    }

    fn tell(&mut self, message: String) {
        self.report.add(Finding { verdict: Verdict::Tampered, message, place: None });
    }
}
