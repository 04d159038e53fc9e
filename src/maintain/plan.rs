//! What may go: a decision over all segments, from what is known of them. Nothing is read or changed here.

mod draft;
mod fate;
mod holes;
mod policy;

use std::ops::Range;

use super::survey::Segment;
use crate::record::Pruned;
use draft::Draft;
use holes::Holes;

pub use fate::{Fate, Going, Why};

/// What decides besides the segments.
pub struct Terms<'t> {
    /// The believed time, nanoseconds since 1970.
    pub now_ns: i64,
    /// The wall clock, which may be ahead of it; the records are stamped with it.
    pub wall_ns: i64,
    /// Bytes that the file system lacks, where space is low.
    pub shortfall: u64,
    /// `[maintenance] min_keep_days`, for the sentence.
    pub min_keep_days: u64,
    /// The required archives that have not taken a segment.
    pub not_taken: &'t dyn Fn(&Segment) -> Vec<String>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// All segments, oldest first, with what becomes of each.
    pub segments: Vec<(Segment, Fate)>,
    /// All holes of the log after it, for which there was a reason.
    pub holes: Vec<Range<u64>>,
    /// What the log has to say before: of the holes that are new or larger, or whose records go.
    pub records: Vec<Pruned>,
    /// Leaves that are missing without a record that says why.
    pub missing: Vec<Range<u64>>,
    /// The records are wrong before this time, nanoseconds since 1970.
    pub not_before_ns: i64,
}

/// Decides over all segments of a log, oldest first.
pub fn plan(segments: Vec<Segment>, terms: &Terms<'_>) -> Plan {
    let gaps = holes::gaps(&segments);
    let (segments, holes) = Draft::new(segments, terms).settle(&gaps);
    let unexplained = gaps.iter().filter(|gap| !gap.is_explained());
    let missing = unexplained.map(|gap| gap.leaves.clone()).collect();
    let Holes { all: holes, records, not_before_ns } = holes;
    Plan { segments, holes, records, missing, not_before_ns }
}

impl Plan {
    /// The segments that go.
    pub fn going(&self) -> impl Iterator<Item = (&Segment, &Going)> {
        self.segments.iter().filter_map(|(segment, fate)| match fate {
            Fate::Go(going) => Some((segment, going)),
            Fate::Keep(_) => None,
        })
    }

    /// What stays for another reason than that it has not expired: a sentence for each reason.
    pub fn kept_back(&self) -> Vec<String> {
        let mut reasons: Vec<(String, Vec<u64>)> = Vec::new();
        for (segment, fate) in &self.segments {
            let why = match fate {
                Fate::Go(_) | Fate::Keep(Why::Open | Why::NotExpired(_)) => continue,
                Fate::Keep(why) => why.to_string(),
            };
            let number = segment.header.segment;
            match reasons.iter_mut().find(|(other, _)| *other == why) {
                Some((_, numbers)) => numbers.push(number),
                None => reasons.push((why, vec![number])),
            }
        }
        reasons.into_iter().map(|(why, numbers)| policy::kept(&why, &numbers)).collect()
    }
}
