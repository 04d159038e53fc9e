//! Lines that are not there: before the first segment, or between two. Retention deletes whole segments, wherever
//! they are, and leaves their seals in seals.jsonl, which lead across.

use serde::{Deserialize, Serialize};

use super::prune::Prune;
use super::{Chain, Sealed};
use crate::ledger::pruned;
use crate::ledger::seal::Hex;
use crate::ledger::segment::Found;
use crate::ledger::tree::Tree;
use crate::ledger::verify::own::Own;
use crate::ledger::verify::seals::Seals;
use crate::ledger::verify::{Finding, Place, Verdict, unreadable};

/// Lines that are not in the log any more, and that a sealed record lets go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hole {
    /// The first of them.
    pub first_seq: u64,
    /// The last of them.
    pub through_seq: u64,
    /// The newest record that lets them go.
    pub record: Prune,
}

impl Hole {
    /// Whether this leaf is gone.
    pub fn holds(&self, seq: u64) -> bool {
        (self.first_seq..=self.through_seq).contains(&seq)
    }
}

/// Leaves [first, end) that are not there, until a record accounts for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    pub first: u64,
    pub end: u64,
    /// The frontier of the tree before them.
    pub before: Vec<Hex>,
    /// The header of the segment after them.
    pub place: Place,
    /// A record that accounts for them, which the next seal has yet to confirm.
    #[serde(skip)]
    pub said: Option<Prune>,
    /// One that nobody can have added.
    #[serde(skip)]
    pub record: Option<Prune>,
    /// Whether a seal shows that, and not only its mac.
    #[serde(skip)]
    pub sealed: bool,
}

impl Missing {
    /// The tree before them.
    pub fn tree(&self) -> Option<Tree> {
        Tree::from_frontier(self.first, self.before.iter().map(|hash| hash.0).collect())
    }

    /// With the record that accounts for it, if there is one.
    pub fn explained(&self) -> Option<Hole> {
        let record = self.record.clone()?;
        Some(Hole { first_seq: self.first, through_seq: self.end - 1, record })
    }
}

impl Chain<'_> {
    /// The segment begins behind the leaves so far. What is between them may have been deleted only from one
    /// seal to another, and the seals of it lead from there to here.
    pub(super) fn cross_hole(&mut self, found: &Found) -> Result<(), Finding> {
        let (first, end) = (self.tree.size(), found.header.first_seq);
        if !self.after_seal {
            return Err(self.hole(
                first,
                end,
                ", and what is before them does not end with a seal",
            ));
        }
        if let Err(Finding { verdict, message, .. }) = self.chain_lost_seals(end) {
            return Err(Finding { verdict, ..self.hole(first, end, &format!(", and {message}")) });
        }
        if self.epoch_first != end {
            return Err(self.no_way_across(first, end));
        }
        self.keep_tree();
        let before = self.tree.frontier().iter().map(|hash| Hex(*hash)).collect();
        self.tree = found.header.tree().unwrap_or_default();
        self.places.pass(&self.tree, self.last_ts_ns);
        let place = self.place.clone();
        let (said, record, sealed) = (None, None, false);
        self.holes.push(Missing { first, end, before, place, said, record, sealed });
        Ok(())
    }

    /// The chain of the seals whose segments are gone, up to the one before leaf `end`.
    fn chain_lost_seals(&mut self, end: u64) -> Result<(), Finding> {
        while let Some(seals) = &mut self.seals
            && seals.peek()?.is_some_and(|known| known.seal.size < end)
            && let Some(known) = seals.next()?
        {
            let (seal, line) = (&known.seal, &known.line[..]);
            // Where an earlier run ended, the file may have lagged behind the log.
            if seal.epoch < self.epoch {
                continue;
            }
            let sealed = Sealed { seal, ts_ns: known.ts_ns, line, signed_by: None };
            self.chain_seal(&sealed, self.epoch_first)?;
            self.last_ts_ns = Some(known.ts_ns);
        }
        Ok(())
    }

    /// seals.jsonl does not lead to leaf `end`: either the leaf is inside of an epoch, or the file is not whole.
    fn no_way_across(&mut self, first: u64, end: u64) -> Finding {
        let next = match self.seals.as_mut().map_or(Ok(None), Seals::peek) {
            Ok(next) => next.map(|known| known.seal.epoch),
            Err(finding) => return finding,
        };
        if let Some(epoch) = next {
            let begins = self.epoch_first;
            let why = format!(": it begins inside of epoch {epoch}, which begins at seq {begins}");
            return self.hole(first, end, &why);
        }
        let no_seals = "no seals.jsonl leads to there (it is in the daemon's state directory)";
        match self.is_recorded_behind(first, end) {
            Ok(true) => {
                let message = self.are_missing(first, end, &format!(", and {no_seals}"));
                let place = Some(self.place.clone());
                Finding { verdict: Verdict::Unverifiable, message, place }
            }
            Ok(false) => {
                let why = format!(", no record says that retention deleted them, and {no_seals}");
                self.hole(first, end, &why)
            }
            Err(e) => unreadable(&self.options.paths.log_dir, &e),
        }
    }

    /// A finding about leaves that are missing before this segment.
    fn hole(&self, first: u64, end: u64, why: &str) -> Finding {
        // What else it can mean.
        let copied = match self.options.live {
            true => "",
            false => "; a copy that is made while a segment is renamed can lack it: copy once more",
        };
        self.tampered(self.are_missing(first, end, why) + copied)
    }

    /// Whether any record behind the hole says that retention made it. Nothing vouches for that record.
    fn is_recorded_behind(&self, first: u64, end: u64) -> std::io::Result<bool> {
        let covers = |event: &str| {
            Own::parse(event).is_some_and(|own| {
                let (from, through) = (own.data.first_seq, own.data.through_seq);
                from.is_some_and(|from| from <= first)
                    && through.is_some_and(|through| through >= end - 1)
            })
        };
        pruned::search(&self.options.paths.log_dir, &self.report.figures.log_id, end, covers)
    }

    /// A record that accounts for holes counts once nobody can have added it.
    pub(super) fn confirm_holes(&mut self, sealed: bool) {
        if !std::mem::take(&mut self.holes_said) {
            return;
        }
        for hole in &mut self.holes {
            if let Some(said) = hole.said.take() {
                hole.record = Some(said);
                hole.sealed |= sealed;
            }
        }
    }

    /// What no record accounts for.
    pub(super) fn unexplained(&self) -> Vec<Finding> {
        let open = self.holes.iter().filter(|hole| hole.record.is_none());
        let finding = |hole: &Missing| {
            let why = match &hole.said {
                None => {
                    ", and no sealed record says that retention deleted what was there".to_owned()
                }
                Some(said) => format!(
                    ", and the record that says that retention deleted them (seq {}) has no seal after it: anybody can have added it",
                    said.seq
                ),
            };
            let place = Some(hole.place.clone());
            Finding { place, ..self.hole(hole.first, hole.end, &why) }
        };
        open.map(finding).collect()
    }

    fn are_missing(&self, first: u64, end: u64, why: &str) -> String {
        let missing = match first {
            0 => format!("the log begins at seq {end}"),
            _ => format!("lines {first} to {} are missing before this segment", end - 1),
        };
        format!("{missing}{why}{}", self.unread())
    }
}
