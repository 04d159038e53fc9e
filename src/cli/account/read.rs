//! Reading the log.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use crate::cli::error::Error;
use crate::cli::progress::bar;
use crate::engine::Audit;
use crate::ledger::reader::Reader;
use crate::ledger::segment;

const BAR: &str = "{msg} {spinner} {human_pos} lines read, {per_sec}";
/// So many lines are read between two looks of the progress bar.
const STEP: u64 = 65_536;

/// Counts the lines of the log in a directory; its id.
pub(super) fn read(dir: &Path, period: Option<Range<i64>>) -> Result<(String, Audit), Error> {
    let unreadable = |source| Error::Directory { path: dir.into(), source };
    let segments = segment::list(dir).map_err(unreadable)?;
    // Of several logs the one that is written, or was last.
    let active = segments.iter().find(|found| found.path.ends_with("audit.jsonl"));
    let Some(found) = active.or(segments.last()) else {
        return Err(Error::NoLog { path: dir.into() });
    };
    let log_id = found.header.log_id.clone();
    let mut audit = Audit::new(period);
    let mut reader = Reader::new(dir, &log_id);
    let shown = bar(None, Duration::ZERO, BAR).with_message("log");
    let mut lines = 0;
    let read = reader.each(0, u64::MAX, |line| {
        audit.line(line);
        lines += 1;
        if lines % STEP == 0 {
            shown.set_position(lines);
        }
    });
    shown.finish_and_clear();
    read.map_err(unreadable)?;
    Ok((log_id, audit))
}
