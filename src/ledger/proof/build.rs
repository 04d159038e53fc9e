//! Proofs made from a log's segments, plain or compressed, in one pass from the header before the leaf
//! on, in constant memory.

use std::io;
use std::path::Path;

use super::{consistency_path, inclusion_path};
use crate::ledger::line::peek_seq;
use crate::ledger::reader::Reader;
use crate::ledger::segment;
use crate::ledger::tree::{CompactRange, Hash, Tree, leaf_hash};

/// Bytes of lines read at a time.
const READ_BYTES: usize = 1 << 20;

/// A leaf and its proof of inclusion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// The leaf's line, without LF.
    pub line: Vec<u8>,
    /// The siblings, from the leaf's up to the root's child.
    pub path: Vec<Hash>,
    /// The root of the tree that it is for, as these lines have it.
    pub root: Hash,
}

/// A proof of consistency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consistency {
    /// The hashes of RFC 6962, section 2.1.2.
    pub path: Vec<Hash>,
    /// The older tree's root, as these lines have it.
    pub old_root: Hash,
    /// The newer tree's root.
    pub new_root: Hash,
}

/// Why no proof could be made from a log.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file cannot be read.
    #[error("the log cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The segment with the leaf is gone.
    #[error(
        "leaf {seq} is not in the log any more: retention deleted lines {first} to {last}, as old segments are; \
         'auditlog verify' shows whether a record says so"
    )]
    Pruned {
        /// The leaf that was asked for.
        seq: u64,
        /// The first leaf that is gone.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// Segments behind the leaf are gone.
    #[error(
        "the proof needs lines {first} to {last}, which are not in the log any more: retention deleted them, as old \
         segments are; 'auditlog verify' shows whether a record says so"
    )]
    Hole {
        /// The first leaf that is gone.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// There is no segment of this log at all.
    #[error("there is no segment of log {0}")]
    NoLog(String),
    /// The log is shorter, or has a gap.
    #[error("the log has no leaf {0}, which this proof needs; run 'auditlog verify'")]
    Missing(u64),
}

/// The proof that leaf `seq` is in the tree of `size` leaves, from the log `log_id` (32 hex digits).
pub fn inclusion(
    log_dir: &Path,
    log_id: &str,
    seq: u64,
    size: u64,
) -> Result<Inclusion, BuildError> {
    while_renamed(|| {
        let mut leaves = Leaves::from_segment_of(log_dir, log_id, seq)?;
        let pruned = |e| match e {
            BuildError::Hole { first, last } => BuildError::Pruned { seq, first, last },
            e => e,
        };
        leaves.read_to(seq, |_| {}).map_err(pruned)?;
        let before = leaves.tree.clone();
        let mut line = Vec::new();
        leaves.read_to(seq + 1, |found| line.extend_from_slice(found)).map_err(pruned)?;
        let mut after = CompactRange::new(seq + 1);
        leaves.read_to(size, |line| after.push(leaf_hash(line)))?;
        let path = inclusion_path(&before, &after);
        Ok(Inclusion { line, path, root: leaves.tree.root() })
    })
}

/// The proof that the tree of `new_size` leaves continues that of `old_size`, from the log `log_id`.
pub fn consistency(
    log_dir: &Path,
    log_id: &str,
    old_size: u64,
    new_size: u64,
) -> Result<Consistency, BuildError> {
    while_renamed(|| {
        let mut leaves = Leaves::from_segment_of(log_dir, log_id, old_size)?;
        leaves.read_to(old_size, |_| {})?;
        let old = leaves.tree.clone();
        let mut added = CompactRange::new(old_size);
        leaves.read_to(new_size, |line| added.push(leaf_hash(line)))?;
        let (old_root, new_root) = (old.root(), leaves.tree.root());
        Ok(Consistency { path: consistency_path(&old, &added), old_root, new_root })
    })
}

/// Once more if a file that was listed had another name when it was opened: rotation and compression go
/// on meanwhile.
fn while_renamed<T>(mut make: impl FnMut() -> Result<T, BuildError>) -> Result<T, BuildError> {
    const TRIES: usize = 10;
    for _ in 1..TRIES {
        match make() {
            Err(BuildError::Io(e)) if e.kind() == io::ErrorKind::NotFound => {}
            made => return made,
        }
    }
    make()
}

/// The tree as it grows leaf by leaf.
struct Leaves {
    reader: Reader,
    tree: Tree,
}

impl Leaves {
    /// At the start of the last segment that does not begin after leaf `seq`.
    fn from_segment_of(log_dir: &Path, log_id: &str, seq: u64) -> Result<Self, BuildError> {
        let segments = segment::list_of(log_dir, log_id)?;
        let first = segments.first().ok_or_else(|| BuildError::NoLog(log_id.into()))?;
        let first = first.header.first_seq;
        let found = segments.iter().rfind(|found| found.header.first_seq <= seq);
        let tree = found.and_then(|found| found.header.tree());
        let tree =
            tree.ok_or(BuildError::Pruned { seq, first: 0, last: first.saturating_sub(1) })?;
        Ok(Self { reader: Reader::new(log_dir, log_id), tree })
    }

    /// Goes on up to leaf `end`, showing each line without its LF.
    fn read_to(&mut self, end: u64, mut line: impl FnMut(&[u8])) -> Result<(), BuildError> {
        while self.tree.size() < end {
            let first = self.tree.size();
            let lines = self.reader.read(first, end, READ_BYTES)?;
            let next = peek_seq(&lines.bytes).unwrap_or(lines.next);
            if next > first {
                return Err(BuildError::Hole { first, last: next - 1 });
            }
            if lines.bytes.is_empty() {
                return Err(BuildError::Missing(first));
            }
            for found in lines.bytes.split(|b| *b == b'\n').filter(|found| !found.is_empty()) {
                if peek_seq(found) != Some(self.tree.size()) {
                    return Err(BuildError::Missing(self.tree.size()));
                }
                line(found);
                self.tree.push(leaf_hash(found));
            }
        }
        Ok(())
    }
}
