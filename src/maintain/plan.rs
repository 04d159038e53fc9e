//! What may go: a decision over all segments, from what is known of them. Nothing is read or changed here.

mod holes;
mod policy;

use std::fmt;
use std::ops::Range;

use super::scan::Kept;
use super::survey::Segment;
use crate::record::Pruned;
use holes::Holes;

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

/// What becomes of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes.
    Go(Going),
    /// It stays.
    Keep(Why),
}

/// Why a segment may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Going {
    /// By which rule, for people.
    pub policy: String,
    /// The shortest time that something in it was kept.
    pub keep_seconds: u64,
    /// Since when it may, nanoseconds since 1970.
    pub since_ns: i64,
    /// Whether only because space is low.
    pub early: bool,
}

/// Why a segment stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is being written.
    Open,
    /// Something in it has not expired; until when, nanoseconds since 1970.
    NotExpired(i64),
    /// These holds match something in it.
    Held(Vec<String>),
    /// These archives have not taken it.
    NotArchived(Vec<String>),
    /// No seal is between it and a neighbour that stays.
    Joined,
    /// Leaves beside it are missing, and no record says that they were deleted.
    BesideMissing(Range<u64>),
    /// What it holds is not known.
    Unreadable(String),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// All segments, oldest first, with what becomes of each.
    pub segments: Vec<(Segment, Fate)>,
    /// All holes of the log after it, for which there was a reason.
    pub holes: Vec<Range<u64>>,
    /// What the log has to say before: the holes that are new or larger, or whose records go.
    pub records: Vec<Pruned>,
    /// Leaves that are missing without a record that says why.
    pub missing: Vec<Range<u64>>,
    /// The records are wrong before this time, nanoseconds since 1970.
    pub not_before_ns: i64,
}

/// Decides over all segments of a log, oldest first.
pub fn plan(segments: Vec<Segment>, terms: &Terms<'_>) -> Plan {
    let gaps = holes::gaps(&segments);
    let fates = segments.iter().map(|segment| alone(segment, terms)).collect();
    let mut draft = Draft { segments, fates, terms };
    draft.keep_what_does_not_continue();
    for gap in gaps.iter().filter(|gap| !gap.is_explained()) {
        draft.keep_beside(gap);
    }
    draft.make_space();
    draft.keep_joined();
    let holes = draft.holes(&gaps);
    let Draft { segments, fates, .. } = draft;
    let missing =
        gaps.iter().filter(|gap| !gap.is_explained()).map(|gap| gap.leaves.clone()).collect();
    let segments = segments.into_iter().zip(fates).collect();
    let Holes { all: holes, records, not_before_ns } = holes;
    Plan { segments, holes, records, missing, not_before_ns }
}

/// What becomes of a segment as far as only it matters.
fn alone(segment: &Segment, terms: &Terms<'_>) -> Fate {
    if !segment.closed {
        return Fate::Keep(Why::Open);
    }
    match &segment.scan {
        Err(e) => Fate::Keep(Why::Unreadable(e.to_string())),
        Ok(scan) => by_rule(segment, &scan.kept, None, terms),
    }
}

/// The same by certain rules: those of low space, if `early` is what those keep at least.
fn by_rule(segment: &Segment, kept: &Kept, early: Option<u64>, terms: &Terms<'_>) -> Fate {
    let held_by = segment.scan.as_ref().map_or(&[][..], |scan| &scan.held_by);
    if kept.until_ns > terms.now_ns {
        return Fate::Keep(Why::NotExpired(kept.until_ns));
    }
    if !held_by.is_empty() {
        return Fate::Keep(Why::Held(held_by.to_vec()));
    }
    let not_taken = (terms.not_taken)(segment);
    if !not_taken.is_empty() {
        return Fate::Keep(Why::NotArchived(not_taken));
    }
    Fate::Go(Going {
        policy: policy::sentence(kept, early),
        keep_seconds: kept.shortest_seconds,
        since_ns: kept.until_ns,
        early: early.is_some(),
    })
}

/// Whether no seal is between two segments, so that only both can go.
fn joined(before: &Segment, after: &Segment) -> bool {
    match (&before.scan, &after.scan) {
        (Ok(before), _) if before.sealed_ns.is_some() => false,
        (Ok(before), Ok(after)) if before.first_seq == before.end => after.begins_inside,
        (Err(_), Ok(after)) => after.begins_inside,
        _ => true,
    }
}

struct Draft<'t> {
    segments: Vec<Segment>,
    fates: Vec<Fate>,
    terms: &'t Terms<'t>,
}

impl Draft<'_> {
    fn keep(&mut self, at: usize, why: Why) {
        if matches!(self.fates[at], Fate::Go(_) | Fate::Keep(Why::NotExpired(_))) {
            self.fates[at] = Fate::Keep(why);
        }
    }

    /// A segment that the next one does not go on from was changed, or the next one was.
    fn keep_what_does_not_continue(&mut self) {
        for at in 1..self.segments.len() {
            let (before, after) = (&self.segments[at - 1], &self.segments[at].header);
            let Ok(scan) = &before.scan else { continue };
            let root = after.tree().map(|tree| tree.root());
            let goes_on = after.first_seq == scan.end && root == Some(scan.root.0);
            if after.first_seq <= scan.end && before.closed && !goes_on {
                let what = "the next segment does not go on from it; run `auditlog verify`";
                self.keep(at - 1, Why::Unreadable(what.into()));
                let what = "it does not go on from the segment before; run `auditlog verify`";
                self.keep(at, Why::Unreadable(what.into()));
            }
        }
    }

    /// Nothing goes beside leaves that somebody else took away: the record would cover for that.
    fn keep_beside(&mut self, gap: &holes::Gap) {
        for at in gap.before.into_iter().chain([gap.after]) {
            self.keep(at, Why::BesideMissing(gap.leaves.clone()));
        }
    }

    /// Runs of segments without a seal between them.
    fn groups(&self) -> Vec<Range<usize>> {
        let mut groups: Vec<Range<usize>> = Vec::new();
        for at in 0..self.segments.len() {
            match groups.last_mut() {
                Some(last) if joined(&self.segments[at - 1], &self.segments[at]) => {
                    last.end = at + 1
                }
                _ => groups.push(at..at + 1),
            }
        }
        groups
    }

    /// Lets oldest segments go before their time, as far as that is allowed, until there is space.
    fn make_space(&mut self) {
        let goes = |fate: &Fate| matches!(fate, Fate::Go(_));
        let groups = self.groups();
        let (going, staying): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|group| self.fates[group.clone()].iter().all(goes));
        let bytes = |group: &Range<usize>| -> u64 {
            self.segments[group.clone()].iter().map(|segment| segment.bytes).sum()
        };
        let mut freed: u64 = going.iter().map(bytes).sum();
        for group in staying {
            if freed >= self.terms.shortfall {
                break;
            }
            let early: Vec<_> = group.clone().map(|at| self.early(at)).collect();
            if early.iter().all(goes) {
                freed +=
                    self.segments[group.clone()].iter().map(|segment| segment.bytes).sum::<u64>();
                self.fates[group].clone_from_slice(&early);
            }
        }
    }

    /// What becomes of a segment where space is low.
    fn early(&self, at: usize) -> Fate {
        let kept = self.segments[at].scan.as_ref().ok().and_then(|scan| scan.kept_early);
        match (&self.fates[at], kept) {
            (Fate::Keep(Why::NotExpired(_)), Some(kept)) => {
                by_rule(&self.segments[at], &kept, Some(self.terms.min_keep_days), self.terms)
            }
            (fate, _) => fate.clone(),
        }
    }

    /// What the holes will be. What no record can be made of stays.
    fn holes(&mut self, gaps: &[holes::Gap]) -> Holes {
        loop {
            match holes::after(&self.segments, &self.fates, gaps, self.terms.wall_ns) {
                Ok(holes) => return holes,
                Err(unfit) => {
                    let why = "its hashes do not lead to what follows; run `auditlog verify`";
                    let why = Fate::Keep(Why::Unreadable(why.into()));
                    unfit.into_iter().for_each(|at| self.fates[at] = why.clone());
                }
            }
        }
    }

    fn keep_joined(&mut self) {
        for group in self.groups() {
            let stays = |fate: &Fate| matches!(fate, Fate::Keep(_));
            if self.fates[group.clone()].iter().any(stays) {
                group.for_each(|at| {
                    if matches!(self.fates[at], Fate::Go(_)) {
                        self.fates[at] = Fate::Keep(Why::Joined);
                    }
                });
            }
        }
    }
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

impl Why {
    /// One word for it.
    pub fn code(&self) -> &'static str {
        match self {
            Why::Open => "open",
            Why::NotExpired(_) => "not_expired",
            Why::Held(_) => "held",
            Why::NotArchived(_) => "not_archived",
            Why::Joined => "joined",
            Why::BesideMissing(_) => "beside_missing",
            Why::Unreadable(_) => "unreadable",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Open => f.write_str("it is being written"),
            Why::NotExpired(until_ns) => {
                write!(
                    f,
                    "not everything in it has expired before {}",
                    crate::clock::rfc3339(*until_ns)
                )
            }
            Why::Held(holds) => write!(f, "held by {}", holds.join(", ")),
            Why::NotArchived(archives) => write!(f, "not taken yet by {}", archives.join(", ")),
            Why::Joined => {
                f.write_str("no seal is between it and a segment beside it that is kept")
            }
            Why::BesideMissing(Range { start, end }) => write!(
                f,
                "lines {start} to {} beside it are missing, and no record says that they were deleted; run \
                 `auditlog verify`",
                end.saturating_sub(1)
            ),
            Why::Unreadable(what) => f.write_str(what),
        }
    }
}
