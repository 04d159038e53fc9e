//! seals.jsonl at a start: the last seal is added where a crash came before that, and seals that somebody
//! deleted are put back from the segments.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::files::{append_seal, open_seals};
use super::line::{self, Body};
use super::seal::{self, Seal};
use super::segment::{self, Found};
use super::torn::is_torn;
use super::tree::Hash;
use super::watched::{OnRead, Watched};
use super::{LedgerError, Paths};
use crate::fs::Fs;

/// A seal's line is far shorter, so that the last one is in sight.
const IN_SIGHT: u64 = 8192;

/// Seals in a row from epoch 0 on: which comes next, and the hash of the one before it.
#[derive(Clone, Copy, Default)]
struct Row {
    epoch: u64,
    prev: Hash,
}

impl Row {
    /// Whether `seal` comes next. A seal names the hash of the one before it: those that lead to one
    /// that the daemon wrote are its own, too.
    fn leads_to(&self, seal: &Seal) -> bool {
        (seal.epoch, seal.prev.0) == (self.epoch, self.prev)
    }

    /// Goes on with a seal's line, if it comes next.
    fn take(&mut self, text: &[u8]) -> bool {
        let next = parse(text).is_some_and(|seal| self.leads_to(&seal));
        if next {
            *self = Self { epoch: self.epoch + 1, prev: seal::hash(text) };
        }
        next
    }
}

/// Makes the file end with the last seal, whose line without LF is `wanted`. If more was missing, it is put
/// back from the segments of the log `log_id`; the sentence says what was found.
pub(super) fn complete(
    fs: &dyn Fs,
    paths: &Paths,
    log_id: &str,
    wanted: &[u8],
    on_read: &OnRead,
) -> Result<Option<String>, LedgerError> {
    let path = paths.seals();
    let io = || LedgerError::io("completed", &path);
    let mut file = open_seals(fs, paths)?;
    let (end, before) = end(&path, wanted).map_err(io())?;
    if file.stat().map_err(io())?.len > end {
        file.truncate(end).map_err(io())?;
    }
    if before == seal::hash(wanted) {
        return Ok(None);
    }
    let mut said = None;
    if let Some(last) = parse(wanted).filter(|last| last.prev.0 != before) {
        let (there, intact) = row_in(&path).map_err(io())?;
        let segments = segment::list_of(&paths.log_dir, log_id);
        let segments = segments.map_err(LedgerError::io("listed", &paths.log_dir))?;
        // First only to see whether the segments hold all that is missing.
        let all = restored(&segments, there, &last, on_read, |_| Ok(()));
        let all = all.is_ok_and(|row| row.leads_to(&last));
        let restorable = intact && all;
        if restorable {
            restored(&segments, there, &last, on_read, |line| file.append(line)).map_err(io())?;
        }
        let outcome = match restorable {
            true => "and were put back from the segments",
            false => "and could not be put back from the segments",
        };
        said = Some(format!(
            "seals from that of epoch {} on were missing in {path:?}, {outcome}",
            there.epoch
        ));
    }
    append_seal(&mut *file, paths, &[wanted, b"\n"].concat(), &mut None)?;
    Ok(said)
}

/// Where the file's last whole line ends, and its hash; zeros, as before the first seal, if there is none. A line that
/// the power failed to write whole, and that was to be `wanted`, is none.
fn end(path: &Path, wanted: &[u8]) -> io::Result<(u64, Hash)> {
    let mut file = std::fs::File::open(path)?;
    let start = file.metadata()?.len().saturating_sub(IN_SIGHT);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(IN_SIGHT).read_to_end(&mut bytes)?;
    let mut rest = &bytes[..];
    while let Some(end) = memchr::memrchr(b'\n', rest) {
        let line = memchr::memrchr(b'\n', &rest[..end]).map_or(0, |at| at + 1);
        let text = &rest[line..end];
        if text == wanted || !(text.contains(&0) && is_torn(text, wanted)) {
            return Ok((start + end as u64 + 1, seal::hash(text)));
        }
        rest = &rest[..line];
    }
    Ok((start, [0; 32]))
}

/// The seals that the file begins with, and whether it holds nothing else.
fn row_in(path: &Path) -> io::Result<(Row, bool)> {
    let (mut row, mut intact) = (Row::default(), true);
    let reader = BufReader::new(std::fs::File::open(path)?);
    each_line(reader, |text| {
        intact &= row.take(text);
        Ok(())
    })?;
    Ok((row, intact))
}

/// Goes on from `row` with the seals in the segments that come before `last`; `put` gets each one's line with its LF.
fn restored(
    segments: &[Found],
    mut row: Row,
    last: &Seal,
    on_read: &OnRead,
    mut put: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<Row> {
    for found in segments {
        let contents = segment::contents(segment::open_listed(found)?)?;
        each_line(Watched::new(contents, on_read), |text| {
            match row.epoch < last.epoch && line::peek_is_seal(text) && row.take(text) {
                true => put(&[text, b"\n"].concat()),
                false => Ok(()),
            }
        })?;
    }
    Ok(row)
}

/// Calls `each` with every whole line, without its LF.
fn each_line(
    mut reader: impl BufRead,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut line = Vec::new();
    while (&mut reader).take(line::MAX as u64 + 1).read_until(b'\n', &mut line)? > 0 {
        if let Some(text) = line.strip_suffix(b"\n") {
            each(text)?;
        }
        line.clear();
    }
    Ok(())
}

fn parse(text: &[u8]) -> Option<Seal> {
    match line::parse(text).ok()?.body {
        Body::Seal(json) => seal::parse(json).ok(),
        Body::Event { .. } => None,
    }
}
