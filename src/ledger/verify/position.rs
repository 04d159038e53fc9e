//! The end of a verification, kept so that a later one can go on from there.

use std::io::Read;

use serde::{Deserialize, Serialize};

use super::anchors::Covered;
use super::chain::Missing;
use super::pipeline::At;
use super::snapshot::Snapshot;
use super::{Ended, Finding, Verdict};
use crate::clock::rfc3339;
use crate::ledger::seal::{self, Hex};
use crate::ledger::segment;
use crate::ledger::tree::{Hash, Tree};

/// The version of this form.
const VERSION: u32 = 3;

/// Everything that the line after a seal must continue. Whoever can write to where it is kept can make a
/// later run skip what it should have read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    pub(super) version: u32,
    /// When the log was verified, nanoseconds since 1970.
    pub verified_ns: i64,
    /// Whether the macs were checked.
    pub with_macs: bool,
    /// The log, 32 hex digits.
    pub log_id: String,
    /// The pinned genesis key.
    pub(super) genesis: Hex,
    /// The segment with the seal, and the line and byte after it.
    pub(super) segment: u64,
    pub(super) line: u64,
    pub(super) offset: u64,
    /// Bytes of the seal's line, LF included.
    pub(super) seal_len: u64,
    /// The tree with the seal.
    pub(super) size: u64,
    pub(super) frontier: Vec<Hex>,
    /// The epoch after the seal.
    pub(super) epoch: u64,
    /// The hash of the seal's line, and the key that it announced.
    pub(super) prev: Hex,
    pub(super) next_pub: Hex,
    pub(super) reason: seal::Reason,
    pub(super) boot_id: String,
    pub(super) boottime_ns: u64,
    pub(super) ts_ns: i64,
    /// The next seal that was to be read from seals.jsonl, which may lag behind, and where it stands.
    pub(super) seals_epoch: u64,
    pub(super) seals_offset: u64,
    /// Leaves that no sealed record accounted for yet.
    pub(super) holes: Vec<Missing>,
    /// What leaf 0 names.
    pub(super) checkpoint_key: Option<String>,
    /// What a checkpoint off the host has vouched for.
    pub(super) covered: Option<Covered>,
    pub(super) findings: Vec<Finding>,
}

/// Where a run begins that was given a position.
pub enum Resume {
    /// In this segment of the snapshot.
    At(usize),
    /// At the beginning: the position's segment is gone. If retention deleted it, the seals show that the log went on
    /// from there.
    Whole,
}

impl Position {
    /// Reads what [`Position::to_json`] wrote; `None` if it is something else, or of another version.
    pub fn from_json(text: &[u8]) -> Option<Self> {
        let position: Self = serde_json::from_slice(text).ok()?;
        let fits = position.version == VERSION
            && position.tree().is_some()
            && position.holes.iter().all(|hole| hole.tree().is_some());
        (fits && position.seal_len <= position.offset).then_some(position)
    }

    /// The position as text.
    pub fn to_json(&self) -> String {
        // A struct of strings and integers cannot fail to serialize.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The first leaf that is not yet verified.
    pub fn seq(&self) -> u64 {
        self.size
    }

    pub(super) fn at(&self) -> At {
        At { seq: self.size, line: self.line, offset: self.offset }
    }

    pub(super) fn is_of(&self, genesis: Option<Hash>) -> bool {
        genesis == Some(self.genesis.0)
    }

    pub(super) fn tree(&self) -> Option<Tree> {
        Tree::from_frontier(self.size, self.frontier.iter().map(|hash| hash.0).collect())
    }

    /// Finds the seal again where it was.
    pub(super) fn find(&self, snapshot: &Snapshot) -> Result<Resume, Ended> {
        let segments = &snapshot.segments;
        let same = |(found, _): &(segment::Found, u64)| {
            found.header.segment == self.segment && found.header.log_id == self.log_id
        };
        let Some(at) = segments.iter().position(same) else {
            return Ok(Resume::Whole);
        };
        let (found, _) = &segments[at];
        let opened = segment::reopen(found).and_then(|(found, file)| {
            let (_, reader) = segment::contents_at(file, self.offset - self.seal_len)?;
            Ok((found.path, reader))
        });
        let (path, reader) = opened.map_err(|e| Ended::opening(&found.path, &e))?;
        let mut line = Vec::new();
        let read = reader.take(self.seal_len).read_to_end(&mut line);
        if let Err(e) = read.as_ref()
            && e.raw_os_error().is_some()
        {
            return Err(super::unreadable(&path, e).into());
        }
        match line.strip_suffix(b"\n").map(seal::hash) {
            Some(hash) if hash == self.prev.0 => Ok(Resume::At(at)),
            _ if read.is_ok() && (line.len() as u64) < self.seal_len => {
                Err(self.is_beyond().into())
            }
            _ => Err(self.lost("something else stands there now").into()),
        }
    }

    /// Where to go on in seals.jsonl: the epoch, and the bytes before it.
    pub(super) fn seals_at(&self) -> (u64, u64) {
        (self.seals_epoch, self.seals_offset)
    }

    /// The log ends before it.
    pub(super) fn is_beyond(&self) -> Finding {
        self.lost("the log does not reach that far any more")
    }

    /// Whether the seal before `epoch`, of a log that is read as a whole again, is another one.
    pub(super) fn contradicted_by(&self, epoch: u64, prev: &Hash) -> Option<Finding> {
        let another = epoch == self.epoch && *prev != self.prev.0;
        another.then(|| self.lost("another seal stands there now"))
    }

    fn lost(&self, how: &str) -> Finding {
        let message = format!(
            "the log was verified up to seq {} at {}, and {how}: it was cut, rolled back or replaced since",
            self.size - 1,
            rfc3339(self.verified_ns)
        );
        Finding::new(Verdict::Tampered, message)
    }

    pub(super) const fn version() -> u32 {
        VERSION
    }
}
