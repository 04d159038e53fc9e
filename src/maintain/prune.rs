//! Deleting segments: first the log says what is gone, and a seal covers that; then files go.
//!
//! A crash before the seal deletes nothing; one after it leaves some of the files. The next run decides over
//! those anew, with all checks: a record of leaves that are there is no finding, and a hold that came meanwhile
//! is heeded. Whatever is left, each hole is covered by one record.

use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::holds::{Holds, HoldsError};
use super::plan::Plan;
use crate::engine::{Pruned, WriterHandle};
use crate::fs::Fs;
use crate::ledger::segment::{self, Found, Header};
use crate::record::Record;
use crate::retention::Hold;

/// How often to look again for the files of a segment that are being renamed.
const TRIES: usize = 8;

/// What it takes to delete.
pub struct Pruning<'p> {
    /// The disk.
    pub fs: &'p dyn Fs,
    /// Where segments are.
    pub log_dir: &'p Path,
    /// Whom to tell first.
    pub writer: &'p WriterHandle,
    /// Those in force.
    pub holds: &'p Holds,
    /// Those that the plan was made with.
    pub planned_with: &'p [Hold],
}

/// What was deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Segments.
    pub segments: u64,
    /// Their bytes on disk.
    pub bytes: u64,
    /// Leaves that are in no file any more, and rightly so: all that there are, also from earlier runs. Their
    /// rows are to go, too.
    pub gone: Vec<Range<u64>>,
    /// Why there is more to do, a sentence each.
    pub errors: Vec<String>,
}

/// Why nothing was deleted.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// What is held is not known.
    #[error(transparent)]
    Holds(#[from] HoldsError),
    /// A hold came or went.
    #[error("the holds changed while it was decided what to delete; the next run decides again")]
    HoldsChanged,
    /// The wall clock is behind.
    #[error("the clock was set back: by what it shows now, nothing has expired yet")]
    TooEarly,
    /// There is nobody to record it.
    #[error("the writer of the log has ended")]
    WriterEnded,
}

/// Deletes what the plan says.
///
/// # Errors
/// Nothing was deleted. What could not be deleted is in [`Deleted::errors`].
pub fn prune(plan: &Plan, with: &Pruning<'_>) -> Result<Deleted, PruneError> {
    let mut deleted = Deleted::default();
    let mut left = Vec::new();
    if plan.going().next().is_some() {
        let delete = |_: &dyn Fn() -> bool| {
            record(plan, with)?;
            left = delete(plan, with, &mut deleted);
            Ok(())
        };
        // A hold that is added now waits until the files are gone, and finds them gone.
        let done = with.holds.while_they_are(with.planned_with, delete)?;
        done.unwrap_or(Err(PruneError::HoldsChanged))?;
    }
    deleted.gone = plan.holes.iter().flat_map(|hole| without(hole.clone(), &left)).collect();
    Ok(deleted)
}

/// Has the log say what is gone. Once this returns, a sealed record covers each hole that there will be, whole.
fn record(plan: &Plan, with: &Pruning<'_>) -> Result<(), PruneError> {
    let records = plan.records.iter().map(|what| Record::Pruned(Box::new(what.clone())));
    match with.writer.prune(records.collect(), plan.not_before_ns) {
        Pruned::Done => Ok(()),
        Pruned::TooEarly => Err(PruneError::TooEarly),
        Pruned::WriterEnded => Err(PruneError::WriterEnded),
    }
}

/// Deletes the files, oldest first; the leaves that are still there.
fn delete(plan: &Plan, with: &Pruning<'_>, deleted: &mut Deleted) -> Vec<Range<u64>> {
    let going: Vec<_> = plan.going().map(|(segment, _)| &segment.header).collect();
    let (mut gone, mut in_the_way): (Vec<&Header>, _) = (Vec::new(), Vec::new());
    for _ in 0..TRIES {
        in_the_way.clear();
        let listed = match segment::list(with.log_dir) {
            Ok(listed) => listed,
            Err(e) => {
                deleted
                    .errors
                    .push(format!("the segments in {:?} cannot be listed: {e}", with.log_dir));
                break;
            }
        };
        let wanted: Vec<_> = listed.iter().filter(|found| going.contains(&&found.header)).collect();
        if wanted.is_empty() {
            break;
        }
        for found in wanted {
            match remove(found, with) {
                Ok(bytes) => {
                    deleted.bytes += bytes;
                    if !gone.contains(&&found.header) {
                        gone.extend(going.iter().find(|header| **header == &found.header));
                    }
                }
                // It was renamed meanwhile: the next look finds it.
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                // So it does if what a crash left there is another copy.
                Err(e) if e.kind() == ErrorKind::AlreadyExists => in_the_way.push(format!(
                    "{:?} could not be deleted: {:?} is in its way; look what that is, and move it away",
                    found.path,
                    apart(found, with)
                )),
                Err(e) => {
                    deleted.errors.push(format!("{:?} could not be deleted: {e}", found.path));
                }
            }
        }
        if !deleted.errors.is_empty() {
            break;
        }
    }
    deleted.errors.append(&mut in_the_way);
    if let Err(e) = with.fs.sync_dir(with.log_dir) {
        deleted.errors.push(format!("{:?} could not be synced: {e}", with.log_dir));
    }
    let there = segment::list(with.log_dir);
    let left = plan.going().filter(|(segment, _)| match &there {
        Ok(there) => there.iter().any(|found| found.header == segment.header),
        Err(_) => true,
    });
    let left: Vec<_> = left.filter_map(|(segment, _)| segment.scan.as_ref().ok()).collect();
    deleted.segments = gone.len() as u64;
    left.into_iter().map(|scan| scan.first_seq..scan.end).collect()
}

/// Deletes one file of a segment; its bytes. It gets a name that nobody else uses first: logrotate may put
/// another segment at its old one at any moment. A crash in between leaves a segment like any other.
fn remove(found: &Found, with: &Pruning<'_>) -> io::Result<u64> {
    let apart = apart(found, with);
    if found.path != apart {
        with.fs.rename_new(&found.path, &apart)?;
    }
    if segment::read_header(&apart)?.is_none_or(|here| here.header != found.header) {
        // Another was put there just then; it is one of the log, whatever its name.
        let _its_name_is_free_or_taken_again = with.fs.rename_new(&apart, &found.path);
        return Err(ErrorKind::NotFound.into());
    }
    let bytes = std::fs::metadata(&apart)?.len();
    with.fs.remove(&apart)?;
    Ok(bytes)
}

/// The name that a segment gets before it goes.
fn apart(found: &Found, with: &Pruning<'_>) -> PathBuf {
    with.log_dir.join(format!("audit-expired-{}.jsonl", found.header.segment))
}

/// A range without the parts that are in `parts`, which are in order.
fn without(whole: Range<u64>, parts: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut left = Vec::new();
    let mut start = whole.start;
    for part in parts.iter().filter(|part| part.start < whole.end && part.end > whole.start) {
        left.push(start..part.start);
        start = part.end;
    }
    left.push(start..whole.end);
    left.retain(|range| range.start < range.end);
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_deleted_is_cut_out() {
        assert_eq!(without(0..10, &[]).first(), Some(&(0..10)));
        assert_eq!(without(0..10, &[0..2, 4..6, 12..14]), [2..4, 6..10]);
        assert_eq!(without(4..6, &[0..5, 5..10]), []);
    }
}
