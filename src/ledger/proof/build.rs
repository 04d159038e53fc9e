//! Proofs made from a log's segments, plain or compressed, in one pass from the header before the leaf
//! on, in constant memory. Over a hole lead the subtrees in the record of it, if they come to the tree that the
//! segment behind it begins with.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::{consistency_path, inclusion_path};
use crate::ledger::line::peek_seq;
use crate::ledger::pruned;
use crate::ledger::reader::Reader;
use crate::ledger::segment;
use crate::ledger::tree::{CompactRange, Hash, Tree, leaf_hash};
use crate::record::Pruned;

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
    /// Leaves are gone that the proof begins or ends among, or no record has the subtrees that lead over them.
    #[error(
        "the proof needs hashes of lines {first} to {last}, which are not in the log any more, and no record of their \
         deletion has them; 'auditlog verify' shows whether one has to be there"
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
        let the_leaf = |part: Part<'_>| {
            if let Part::Line(text) = part {
                line.extend_from_slice(text);
            }
        };
        leaves.read_to(seq + 1, the_leaf).map_err(pruned)?;
        if line.is_empty() {
            return Err(BuildError::Pruned { seq, first: seq, last: seq });
        }
        let mut after = CompactRange::new(seq + 1);
        leaves.read_to(size, |part| part.append_to(&mut after))?;
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
        leaves.read_to(new_size, |part| part.append_to(&mut added))?;
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

/// What the log goes on with.
enum Part<'l> {
    /// A line, without its LF.
    Line(&'l [u8]),
    /// The leaves of a hole.
    Hole(&'l CompactRange),
}

impl Part<'_> {
    fn append_to(&self, range: &mut CompactRange) {
        match self {
            Part::Line(text) => range.push(leaf_hash(text)),
            Part::Hole(leaves) => range.join(leaves),
        }
    }
}

/// The tree as it grows leaf by leaf.
struct Leaves<'d> {
    log_dir: &'d Path,
    log_id: &'d str,
    reader: Reader,
    tree: Tree,
    /// The records behind the first hole that was met, by the first leaf that each lets go.
    records: Option<Records>,
}

type Records = BTreeMap<u64, Vec<Pruned>>;

impl<'d> Leaves<'d> {
    /// At the start of the last segment that does not begin after leaf `seq`.
    fn from_segment_of(log_dir: &'d Path, log_id: &'d str, seq: u64) -> Result<Self, BuildError> {
        let segments = segment::list_of(log_dir, log_id)?;
        let first = segments.first().ok_or_else(|| BuildError::NoLog(log_id.into()))?;
        let first = first.header.first_seq;
        let found = segments.iter().rfind(|found| found.header.first_seq <= seq);
        let tree = found.and_then(|found| found.header.tree());
        let tree =
            tree.ok_or(BuildError::Pruned { seq, first: 0, last: first.saturating_sub(1) })?;
        let reader = Reader::new(log_dir, log_id);
        Ok(Self { log_dir, log_id, reader, tree, records: None })
    }

    /// Goes on up to leaf `end`, showing each part.
    fn read_to(&mut self, end: u64, mut part: impl FnMut(Part<'_>)) -> Result<(), BuildError> {
        while self.tree.size() < end {
            let first = self.tree.size();
            let lines = self.reader.read(first, end, READ_BYTES)?;
            let next = peek_seq(&lines.bytes).unwrap_or(lines.next);
            if next > first {
                let hole = (next <= end).then(|| self.cross(next)).transpose()?.flatten();
                let hole = hole.ok_or(BuildError::Hole { first, last: next - 1 })?;
                part(Part::Hole(&hole));
            } else if lines.bytes.is_empty() {
                return Err(BuildError::Missing(first));
            }
            for found in lines.bytes.split(|b| *b == b'\n').filter(|found| !found.is_empty()) {
                if peek_seq(found) != Some(self.tree.size()) {
                    return Err(BuildError::Missing(self.tree.size()));
                }
                part(Part::Line(found));
                self.tree.push(leaf_hash(found));
            }
        }
        Ok(())
    }

    /// Goes on behind the hole up to leaf `end`; its leaves, if a record has their subtrees. No seal is needed to
    /// believe it: nothing else comes to the tree that the next segment begins with.
    fn cross(&mut self, end: u64) -> io::Result<Option<CompactRange>> {
        let segments = segment::list_of(self.log_dir, self.log_id)?;
        let behind = segments.iter().find(|found| found.header.first_seq == end);
        let behind = behind.and_then(|found| found.header.tree());
        let Some(behind) = behind else { return Ok(None) };
        if self.records.is_none() {
            self.records = Some(self.records_from(end)?);
        }
        let records = self.records.as_ref().and_then(|records| records.get(&self.tree.size()));
        let found = records.into_iter().flatten().find_map(|r| over(r, &self.tree, &behind));
        if found.is_some() {
            self.tree = behind;
        }
        Ok(found)
    }

    fn records_from(&self, seq: u64) -> io::Result<Records> {
        let mut records = Records::new();
        pruned::search(self.log_dir, self.log_id, seq, |event| {
            if let Some(record) = Pruned::parse(event) {
                let same = records.entry(record.first_seq).or_default();
                if !same.contains(&record) {
                    same.push(record);
                }
            }
            false
        })?;
        Ok(records)
    }
}

/// The leaves between two trees, from a record of them, or of those and more.
fn over(record: &Pruned, before: &Tree, behind: &Tree) -> Option<CompactRange> {
    let leaves = record.range().filter(|range| range.begin() == before.size())?.up_to(behind)?;
    let mut tree = before.clone();
    leaves.append_to(&mut tree);
    (tree == *behind).then_some(leaves)
}
