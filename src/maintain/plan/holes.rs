//! The holes of a log: those there are, and those there will be.

use std::ops::Range;

use super::{Fate, policy};
use crate::clock::parse_rfc3339;
use crate::ledger::segment::Header;
use crate::ledger::tree::Hash;
use crate::maintain::scan::Said;
use crate::maintain::survey::Segment;

/// Leaves that are gone, or will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    /// Which.
    pub leaves: Range<u64>,
    /// The tree's root over all leaves before its end.
    pub root: Hash,
    /// By which rule, for people.
    pub policy: String,
    /// How long everything in it was kept at least, seconds.
    pub keep_seconds: u64,
}

/// Leaves that no file holds now.
pub(super) struct Gap {
    pub leaves: Range<u64>,
    /// The segment before it, and the one after it.
    pub before: Option<usize>,
    pub after: usize,
    /// The newest sealed record that covers it.
    pub said: Option<Said>,
}

/// The gaps between segments, and before the first one.
pub(super) fn gaps(segments: &[Segment]) -> Vec<Gap> {
    let scans = || segments.iter().filter_map(|segment| segment.scan.as_ref().ok());
    let covering = |leaves: &Range<u64>| {
        let all = scans().flat_map(|scan| &scan.pruned).filter(|said| said.sealed);
        let covers = |said: &&Said| {
            said.first_seq <= leaves.start && said.through_seq.saturating_add(1) >= leaves.end
        };
        all.filter(covers).max_by_key(|said| said.seq).cloned()
    };
    let mut gaps = Vec::new();
    // Where a segment ends that cannot be read is not known.
    let mut end = Some(0);
    for (after, segment) in segments.iter().enumerate() {
        let first_seq = segment.header.first_seq;
        if let Some(end) = end.filter(|end| *end < first_seq) {
            let leaves = end..first_seq;
            let said = covering(&leaves);
            gaps.push(Gap { leaves, before: after.checked_sub(1), after, said });
        }
        end = segment.scan.as_ref().ok().map(|scan| scan.end);
    }
    gaps
}

/// A part of a hole.
struct Piece {
    leaves: Range<u64>,
    keep_seconds: u64,
    not_before_ns: i64,
    /// The rule; whether it is one of this run.
    policy: (bool, String),
}

/// The holes once what goes has gone, and the time before which a record of them would not be right.
pub(super) fn after(segments: &[(Segment, Fate)], gaps: &[Gap], wall_ns: i64) -> (Vec<Hole>, i64) {
    let mut gaps = gaps.iter().peekable();
    let (mut holes, mut pieces) = (Vec::new(), Vec::new());
    let mut not_before_ns = i64::MIN;
    for (at, (segment, fate)) in segments.iter().enumerate() {
        if let Some(said) = gaps
            .next_if(|gap| gap.after == at)
            .and_then(|gap| Some(again(&gap.leaves, gap.said.as_ref()?, &segment.header, wall_ns)))
        {
            pieces.push(said);
        }
        if let (Fate::Go(going), Ok(scan)) = (fate, &segment.scan) {
            pieces.push(Piece {
                leaves: scan.first_seq..scan.end,
                keep_seconds: going.keep_seconds,
                not_before_ns: going.since_ns,
                policy: (true, going.policy.clone()),
            });
            continue;
        }
        pieces.retain(|piece: &Piece| !piece.leaves.is_empty());
        let Some(root) = segment.header.tree().map(|tree| tree.root()) else { continue };
        not_before_ns =
            pieces.iter().map(|piece| piece.not_before_ns).fold(not_before_ns, i64::max);
        holes.extend(whole(&pieces, root));
        pieces.clear();
    }
    (holes, not_before_ns)
}

/// A hole that there is already, for its next record. If the clock was set back since the last one, the age
/// that it stated may not be true any more: then none is. But it must have been sealed by then, and it was when
/// the segment `after` it was opened.
fn again(leaves: &Range<u64>, said: &Said, after: &Header, wall_ns: i64) -> Piece {
    let (keep_seconds, not_before_ns) = match said.ts_ns <= wall_ns {
        true => (said.keep_seconds, said.ts_ns),
        false => (0, parse_rfc3339(&after.opened).unwrap_or(said.ts_ns)),
    };
    Piece {
        leaves: leaves.clone(),
        keep_seconds,
        not_before_ns,
        policy: (false, said.policy.clone()),
    }
}

/// Pieces one after the other as a hole.
fn whole(pieces: &[Piece], root: Hash) -> Option<Hole> {
    let (first, last) = (pieces.first()?, pieces.last()?);
    let new = pieces.iter().any(|piece| piece.policy.0);
    let policies = pieces.iter().filter(|piece| piece.policy.0 == new).map(|piece| &piece.policy.1);
    Some(Hole {
        leaves: first.leaves.start..last.leaves.end,
        root,
        policy: policy::together(policies),
        keep_seconds: pieces.iter().map(|piece| piece.keep_seconds).min().unwrap_or(0),
    })
}
