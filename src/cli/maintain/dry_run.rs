//! `auditlog maintain --dry-run`: what would go, and why; what stays though it has expired; what is next.

use std::ops::Range;
use std::path::PathBuf;

use indicatif::BinaryBytes;
use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::error::Error;
use crate::cli::output::{Form, Look, Out, note};
use crate::cli::table::{Column, Field};
use crate::clock::{Clock, rfc3339};
use crate::maintain::outlook::{Outlook, outlook};
use crate::maintain::plan::{Fate, Why};
use crate::maintain::survey::Segment;
use crate::words::count;

/// How many of those are shown that expire next.
const NEXT: usize = 5;
/// A clock that is ahead of what is believed by more than that is worth a word, nanoseconds.
const AHEAD_NS: i64 = 60_000_000_000;

static COLUMNS: [Column; 5] = [
    Column { name: "SEGMENT", min: 7, usual: 7, drop: 0, right: true },
    Column { name: "LINES", min: 8, usual: 20, drop: 0, right: false },
    Column { name: "WRITTEN UNTIL", min: 19, usual: 19, drop: 2, right: false },
    Column { name: "SIZE", min: 8, usual: 10, drop: 1, right: true },
    Column { name: "WHY", min: 20, usual: 50, drop: 0, right: false },
];

#[derive(Serialize)]
struct Report {
    /// The time that retention goes by.
    believed: String,
    delete: Vec<Entry>,
    /// Rows of the database that would go, each by its own rule.
    delete_rows: u64,
    /// Those that have expired, but for a hold.
    held_rows: u64,
    kept_back: Vec<Entry>,
    next: Vec<Entry>,
    /// Lines that are missing, first and last, though no record says that they were deleted.
    missing: Vec<[u64; 2]>,
}

#[derive(Serialize)]
struct Entry {
    segment: u64,
    first_seq: u64,
    /// The last line; none if it is not known, or there is none.
    through_seq: Option<u64>,
    /// When the newest line was written.
    newest: Option<String>,
    bytes: u64,
    files: Vec<PathBuf>,
    /// `expired`, `low_space`, or why it is kept: `held`, `not_archived`, `not_expired` …
    code: &'static str,
    /// The same for people.
    why: String,
    /// When it may go, if only time is missing.
    expires: Option<String>,
    #[serde(skip)]
    newest_ns: Option<i64>,
    #[serde(skip)]
    expires_ns: Option<i64>,
}

impl Entry {
    fn of(segment: &Segment, fate: &Fate) -> Self {
        let scan = segment.scan.as_ref().ok();
        let (code, why, expires_ns) = match fate {
            Fate::Go(going) if going.early => ("low_space", going.policy.clone(), None),
            Fate::Go(going) => ("expired", going.policy.clone(), None),
            Fate::Keep(why @ Why::NotExpired(ns)) => (why.code(), why.to_string(), Some(*ns)),
            Fate::Keep(why) => (why.code(), why.to_string(), None),
        };
        Self {
            segment: segment.header.segment,
            first_seq: segment.header.first_seq,
            through_seq: scan.filter(|scan| scan.end > scan.first_seq).map(|scan| scan.end - 1),
            newest: scan.map(|scan| rfc3339(scan.newest_ns)),
            bytes: segment.bytes,
            files: segment.files.clone(),
            code,
            why,
            expires: expires_ns.map(rfc3339),
            newest_ns: scan.map(|scan| scan.newest_ns),
            expires_ns,
        }
    }

    fn row(&self, look: &Look) -> Vec<Field> {
        let lines = match self.through_seq {
            Some(last) => format!("{} to {last}", self.first_seq),
            None => format!("from {}", self.first_seq),
        };
        let why = match self.expires_ns {
            Some(ns) => format!("expires {}", look.time(ns)),
            None => self.why.clone(),
        };
        vec![
            Field::new(&self.segment.to_string()),
            Field::new(&lines),
            Field::new(&self.newest_ns.map(|ns| look.time(ns)).unwrap_or_default()),
            Field::new(&BinaryBytes(self.bytes).to_string()),
            Field::new(&why),
        ]
    }
}

/// Tells what a run would delete if it came now.
pub(super) fn run(form: Form, context: &Context, out: &mut Out) -> Result<(), Error> {
    let now = Clock::System.now();
    let Outlook { plan, rows, rows_held, believed_ns } =
        outlook(context.config()?, now).map_err(|e| Error::Outlook(e.to_string()))?;
    let (mut delete, mut kept_back, mut next) = (Vec::new(), Vec::new(), Vec::new());
    for (segment, fate) in &plan.segments {
        let list = match fate {
            Fate::Go(_) => &mut delete,
            Fate::Keep(Why::Open) => continue,
            Fate::Keep(Why::NotExpired(_)) => &mut next,
            Fate::Keep(_) => &mut kept_back,
        };
        list.push(Entry::of(segment, fate));
    }
    next.sort_by_key(|entry: &Entry| entry.expires_ns);
    next.truncate(NEXT);
    let ends = |Range { start, end }: &Range<u64>| [*start, end.saturating_sub(1)];
    let missing = plan.missing.iter().map(ends).collect();
    let believed = rfc3339(believed_ns);
    let (delete_rows, held_rows) = (rows, rows_held);
    let report = Report { believed, delete, delete_rows, held_rows, kept_back, next, missing };
    match form {
        Form::Json => out.json(&report)?,
        Form::Text => text(&report, out)?,
    }
    out.flush()?;
    if now.wall_ns.saturating_sub(believed_ns) > AHEAD_NS {
        note(format!(
            "the clock is ahead of the time that can be believed; retention goes by {} until that has caught up",
            report.believed
        ));
    }
    Ok(())
}

fn text(report: &Report, out: &mut Out) -> Result<(), Error> {
    let bytes: u64 = report.delete.iter().map(|entry| entry.bytes).sum();
    match report.delete.len() as u64 {
        0 => out.line("no segment would be deleted")?,
        n => {
            let (segments, size) = (count(n, "segment"), BinaryBytes(bytes));
            out.line(format_args!("{segments} would be deleted, {size}:"))?;
        }
    }
    table(&report.delete, out)?;
    let held = match report.held_rows {
        0 => String::new(),
        n => format!("; holds keep {n} more"),
    };
    match report.delete_rows {
        0 => out.line(format_args!("no row of the database would be deleted{held}"))?,
        n => {
            let rows = count(n, "row");
            out.line(format_args!(
                "{rows} of the database would be deleted, each by its own rule{held}"
            ))?;
        }
    }
    if !report.kept_back.is_empty() {
        out.line("\nkept, though not for lack of age:")?;
        table(&report.kept_back, out)?;
    }
    if !report.next.is_empty() {
        out.line("\nnext:")?;
        table(&report.next, out)?;
    }
    Ok(())
}

fn table(entries: &[Entry], out: &mut Out) -> Result<(), Error> {
    if entries.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = entries.iter().map(|entry| entry.row(&out.look)).collect();
    out.table(&COLUMNS, &rows)
}
