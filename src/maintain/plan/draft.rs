//! What becomes of each segment: by its rules, its holds and its archives, then by its neighbours, and by what
//! low space asks for.

use std::ops::Range;

use super::fate::{Fate, Going, Why};
use super::holes::{self, Gap, Holes};
use super::{Terms, policy};
use crate::maintain::scan::{Kept, Said};
use crate::maintain::survey::Segment;

/// A fate for each segment, until they go together.
pub(super) struct Draft<'t> {
    segments: Vec<Segment>,
    fates: Vec<Fate>,
    terms: &'t Terms<'t>,
}

impl<'t> Draft<'t> {
    /// Each segment as if there were no others.
    pub fn new(segments: Vec<Segment>, terms: &'t Terms<'t>) -> Self {
        let fates = segments.iter().map(|segment| alone(segment, terms)).collect();
        Self { segments, fates, terms }
    }

    /// What becomes of each with the others beside it, and with the space that is needed; and of the holes.
    pub fn settle(mut self, gaps: &[Gap]) -> (Vec<(Segment, Fate)>, Holes) {
        self.keep_what_does_not_continue();
        self.keep_what_may_explain();
        for gap in gaps.iter().filter(|gap| !gap.is_explained()) {
            self.keep_beside(gap);
        }
        self.make_space();
        self.keep_joined();
        let holes = self.holes(gaps);
        (self.segments.into_iter().zip(self.fates).collect(), holes)
    }

    /// What the holes will be. What no record can be made of stays.
    fn holes(&mut self, gaps: &[Gap]) -> Holes {
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

    /// Where a segment ends that cannot be read is not known, so that a hole after it is not seen, nor told of
    /// again. Once the segment can be read, that hole needs one record of all of it: the one that it has now.
    fn keep_what_may_explain(&mut self) {
        for at in 1..self.segments.len() {
            let before = &self.segments[at - 1];
            if !before.closed || before.scan.is_ok() {
                continue;
            }
            let Some(leaf) = self.segments[at].header.first_seq.checked_sub(1) else { continue };
            let covers =
                |said: &Said| (said.what.first_seq..=said.what.through_seq).contains(&leaf);
            let explains = |segment: &Segment| {
                segment.scan.as_ref().is_ok_and(|scan| scan.pruned.iter().any(covers))
            };
            let explain: Vec<_> =
                (0..self.segments.len()).filter(|at| explains(&self.segments[*at])).collect();
            if !explain.is_empty() {
                let what = "the segment before it cannot be read, and what was deleted between them is not known";
                self.keep(at, Why::Unreadable(what.into()));
            }
            for at in explain {
                let what =
                    "its records may say what was deleted beside a segment that cannot be read";
                self.keep(at, Why::Unreadable(what.into()));
            }
        }
    }

    /// Nothing goes beside leaves that somebody else took away: the record would cover for that.
    fn keep_beside(&mut self, gap: &Gap) {
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
        let bytes =
            |segments: &[Segment]| segments.iter().map(|segment| segment.bytes).sum::<u64>();
        let mut freed: u64 = going.into_iter().map(|group| bytes(&self.segments[group])).sum();
        for group in staying {
            if freed >= self.terms.shortfall {
                break;
            }
            let early: Vec<_> = group.clone().map(|at| self.early(at)).collect();
            if early.iter().all(goes) {
                freed += bytes(&self.segments[group.clone()]);
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
