//! The holes of a log: those there are, those there will be, and what the log has to say of them before.
//!
//! At any moment each hole is covered by one record that is there and sealed. So a record is written for what grows,
//! and for what stays if its record goes; the others need no word, however many there are.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Fate, policy};
use crate::clock::parse_rfc3339;
use crate::ledger::segment::Header;
use crate::ledger::tree::{CompactRange, Tree};
use crate::maintain::scan::{Said, Scan};
use crate::maintain::survey::Segment;
use crate::record::Pruned;

/// Leaves that no file holds now.
pub(super) struct Gap {
    pub leaves: Range<u64>,
    /// The segment before it, and the one after it.
    pub before: Option<usize>,
    pub after: usize,
    /// The sealed record of it.
    said: Option<Said>,
    /// The segment that this is in.
    said_in: usize,
    /// What it says, up to the gap's end, if that fits to what is before and after; it may begin before the gap.
    known: Option<CompactRange>,
}

impl Gap {
    /// Whether a record says why it is there, which a larger hole can go on from.
    pub fn is_explained(&self) -> bool {
        self.known.is_some()
    }
}

/// The tree where segments begin and end.
type Trees = BTreeMap<u64, Tree>;

fn trees(segments: &[Segment]) -> Trees {
    let mut trees = Trees::from([(0, Tree::default())]);
    for segment in segments {
        let Some(mut tree) = segment.header.tree() else { continue };
        trees.insert(tree.size(), tree.clone());
        if let Some(range) = segment.scan.as_ref().ok().and_then(Scan::range)
            && range.begin() == tree.size()
        {
            range.append_to(&mut tree);
            trees.insert(tree.size(), tree);
        }
    }
    trees
}

/// Whether these leaves lead to that tree.
fn lead_to(leaves: &CompactRange, behind: &Tree, trees: &Trees) -> bool {
    let before = trees.get(&leaves.begin()).cloned();
    before.is_some_and(|mut tree| {
        leaves.append_to(&mut tree);
        tree == *behind
    })
}

/// The sealed records, each with the segment that it is in.
fn sealed(segments: &[Segment]) -> Vec<(usize, &Said)> {
    let scan = |at: usize| segments.get(at).and_then(|segment| segment.scan.as_ref().ok());
    let of = |at| {
        let later = scan(at + 1).is_some_and(|next| next.begins_inside);
        let all = scan(at).into_iter().flat_map(|scan| &scan.pruned);
        all.filter(move |said| said.sealed || later).map(move |said| (at, said))
    };
    (0..segments.len()).flat_map(of).collect()
}

/// The gaps between segments, and before the first one.
pub(super) fn gaps(segments: &[Segment]) -> Vec<Gap> {
    let (trees, records) = (trees(segments), sealed(segments));
    let mut gaps = Vec::new();
    // Where a segment ends that cannot be read is not known.
    let mut end = Some(0);
    for (after, segment) in segments.iter().enumerate() {
        let header = &segment.header;
        if let Some(end) = end.filter(|end| *end < header.first_seq) {
            let leaves = end..header.first_seq;
            let behind = header.tree().unwrap_or_default();
            let known = |said: &Said| {
                let range = said.what.range()?.up_to(&behind)?;
                lead_to(&range, &behind, &trees).then_some(range)
            };
            let covering = records.iter().filter(|(_, said)| said.what.covers(&leaves));
            // One that begins with the gap is worth most: proofs can be led over it.
            let best = covering
                .map(|(at, said)| (known(said), *at, *said))
                .max_by_key(|(known, _, said)| (known.is_some(), said.what.first_seq, said.seq));
            let (known, said_in, said) = match best {
                Some((known, at, said)) => (known, at, Some(said.clone())),
                None => (None, 0, None),
            };
            gaps.push(Gap { leaves, before: after.checked_sub(1), after, said, said_in, known });
        }
        end = segment.scan.as_ref().ok().map(|scan| scan.end);
    }
    gaps
}

/// The holes of a log, and what has to be said of them.
#[derive(Default)]
pub(super) struct Holes {
    /// All for which there is a reason.
    pub all: Vec<Range<u64>>,
    /// The records to be written.
    pub records: Vec<Pruned>,
    /// The time before which these would not be right, nanoseconds since 1970.
    pub not_before_ns: i64,
}

/// A part of a hole.
struct Piece<'p> {
    leaves: Range<u64>,
    /// The same for the tree; of a gap it may begin before it, and there is none if its record fits to nothing.
    range: Option<CompactRange>,
    keep_seconds: u64,
    not_before_ns: i64,
    policy: &'p str,
    /// The segment that goes, or the gap that is there already.
    of: Result<usize, &'p Gap>,
}

/// The holes once what goes has gone.
///
/// # Errors
/// Segments that cannot go, since no record could be made of the hole.
pub(super) fn after(
    segments: &[Segment],
    fates: &[Fate],
    gaps: &[Gap],
    wall_ns: i64,
) -> Result<Holes, Vec<usize>> {
    let trees = trees(segments);
    let mut gaps = gaps.iter().peekable();
    let mut holes = Holes { not_before_ns: i64::MIN, ..Holes::default() };
    let mut pieces = Vec::new();
    for (at, (segment, fate)) in segments.iter().zip(fates).enumerate() {
        let gap = gaps.next_if(|gap| gap.after == at);
        pieces.extend(gap.and_then(|gap| again(gap, &segment.header, wall_ns)));
        match (fate, &segment.scan) {
            (Fate::Go(going), Ok(scan)) => pieces.push(Piece {
                leaves: scan.first_seq..scan.end,
                range: scan.range(),
                keep_seconds: going.keep_seconds,
                not_before_ns: going.since_ns,
                policy: &going.policy,
                of: Ok(at),
            }),
            _ => {
                holes.add(&pieces, &segment.header.tree().unwrap_or_default(), &trees, fates)?;
                pieces.clear();
            }
        }
    }
    Ok(holes)
}

/// A hole that there is already, for its next record. If the clock was set back since the last one, the age
/// that it stated may not be true any more: then none is. But it must have been sealed by then, and it was when
/// the segment `after` it was opened.
fn again<'g>(gap: &'g Gap, after: &Header, wall_ns: i64) -> Option<Piece<'g>> {
    let Said { ts_ns, what, .. } = gap.said.as_ref()?;
    let (keep_seconds, not_before_ns) = match *ts_ns <= wall_ns {
        true => (what.keep_seconds, *ts_ns),
        false => (0, parse_rfc3339(&after.opened).unwrap_or(*ts_ns)),
    };
    let (leaves, range, policy) = (gap.leaves.clone(), gap.known.clone(), &what.policy[..]);
    Some(Piece { leaves, range, keep_seconds, not_before_ns, policy, of: Err(gap) })
}

impl Holes {
    /// Adds a hole of these pieces, which follow each other, before a segment that begins with the tree `behind`.
    fn add(
        &mut self,
        pieces: &[Piece<'_>],
        behind: &Tree,
        trees: &Trees,
        fates: &[Fate],
    ) -> Result<(), Vec<usize>> {
        let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else { return Ok(()) };
        let leaves = first.leaves.start..last.leaves.end;
        if leaves.is_empty() {
            return Ok(());
        }
        self.all.push(leaves.clone());
        let keep_seconds = pieces.iter().map(|piece| piece.keep_seconds).min().unwrap_or(0);
        let record = match (pieces, &first.of) {
            // Word for word: there may be leaves in it that no file has any more.
            ([_], Err(Gap { said: Some(said), said_in, .. })) => match fates.get(*said_in) {
                Some(Fate::Keep(_)) => return Ok(()),
                _ => Pruned { keep_seconds, ..said.what.clone() },
            },
            _ => {
                let new = || pieces.iter().filter(|piece| piece.of.is_ok());
                let fits = |range: &CompactRange| {
                    range.begin() <= leaves.start && lead_to(range, behind, trees)
                };
                let Some(range) = joined(pieces).filter(fits) else {
                    return Err(new().filter_map(|piece| piece.of.ok()).collect());
                };
                let policy = policy::together(new().map(|piece| piece.policy));
                Pruned::new(&range, &behind.root(), policy, keep_seconds)
            }
        };
        self.records.push(record);
        let not_before_ns = pieces.iter().map(|piece| piece.not_before_ns);
        self.not_before_ns = not_before_ns.fold(self.not_before_ns, i64::max);
        Ok(())
    }
}

/// The leaves of all pieces. What a gap's record says may begin before the gap: where an earlier piece ends, or before
/// all of them.
fn joined(pieces: &[Piece<'_>]) -> Option<CompactRange> {
    let mut up_to: Vec<CompactRange> = Vec::new();
    for piece in pieces {
        let range = piece.range.as_ref()?;
        let before = up_to.iter().rfind(|known| known.end() == range.begin());
        up_to.push(match before {
            Some(before) => {
                let mut both = before.clone();
                both.join(range);
                both
            }
            None => range.clone(),
        });
    }
    up_to.pop()
}
