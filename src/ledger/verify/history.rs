//! What happened to the log, taken from its verified lines: for a page that tells people.

use std::collections::VecDeque;

use serde::Serialize;

use super::chain::Sealed;
use super::own::Own;
use crate::ledger::seal::Reason;

/// Entries that are kept from each end of a list.
const KEPT: usize = 1000;

/// The story of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct History {
    /// What happened, in the order of the log.
    pub happenings: Bounded<Happening>,
    /// The seals.
    pub seals: Bounded<SealEntry>,
    /// Lines of clients that were refused.
    pub rejected: u64,
}

/// A list of which only the two ends are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bounded<T> {
    /// How many there were.
    pub count: u64,
    /// The first of them, at most 1,000.
    pub first: Vec<T>,
    /// The last of those that are not in `first`, at most 1,000.
    pub last: VecDeque<T>,
}

impl<T> Default for Bounded<T> {
    fn default() -> Self {
        Self { count: 0, first: Vec::new(), last: VecDeque::new() }
    }
}

impl<T> Bounded<T> {
    fn push(&mut self, entry: T) {
        self.count += 1;
        if self.first.len() < KEPT {
            self.first.push(entry);
            return;
        }
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(entry);
    }

    /// How many are in neither list.
    pub fn left_out(&self) -> u64 {
        self.count - (self.first.len() + self.last.len()) as u64
    }

    /// Those that were kept, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(&self.last)
    }
}

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The log began.
    Created,
    /// The daemon started.
    Started,
    /// The daemon was asked to stop.
    Stopped,
    /// The last run had not ended with a stop, or files were not as it had left them.
    Recovered,
    /// The file being written was deleted or truncated, and a new segment was opened.
    Reopened,
    /// The wall clock moved.
    ClockStep,
    /// A reload changed something.
    ConfigChanged,
    /// Old segments were deleted by a rule.
    Pruned,
    /// Nothing was written for longer than was allowed.
    Gap,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Happening {
    /// The leaf that says so, or that ended a gap.
    pub seq: u64,
    /// When that was committed, nanoseconds since 1970.
    pub ts_ns: i64,
    /// What kind of thing.
    pub kind: Kind,
    /// A sentence.
    pub sentence: String,
}

/// A seal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SealEntry {
    /// The epoch it closed.
    pub epoch: u64,
    /// The epoch's first leaf.
    pub first_seq: u64,
    /// Leaves before it: its own seq.
    pub size: u64,
    /// When it was committed, nanoseconds since 1970.
    pub ts_ns: i64,
    /// Why the epoch was closed.
    pub reason: Reason,
}

impl History {
    pub(super) fn own(&mut self, seq: u64, ts_ns: i64, own: &Own) {
        let kind = match own.kind() {
            "log_created" => Kind::Created,
            "started" => Kind::Started,
            "stopped" => Kind::Stopped,
            "recovered" => Kind::Recovered,
            "reopened" if own.data.damage.is_some() => Kind::Reopened,
            "clock_step" => Kind::ClockStep,
            "config_changed" => Kind::ConfigChanged,
            "pruned" => Kind::Pruned,
            _ => return,
        };
        self.happened(seq, ts_ns, kind, own.sentence());
    }

    pub(super) fn happened(&mut self, seq: u64, ts_ns: i64, kind: Kind, sentence: String) {
        self.happenings.push(Happening { seq, ts_ns, kind, sentence });
    }

    pub(super) fn sealed(&mut self, sealed: &Sealed<'_>) {
        self.seals.push(SealEntry {
            epoch: sealed.seal.epoch,
            first_seq: sealed.seal.first_seq,
            size: sealed.seal.size,
            ts_ns: sealed.ts_ns,
            reason: sealed.seal.reason,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_keeps_its_two_ends_and_the_count() {
        let mut list = Bounded::default();
        (0..2500).for_each(|n| list.push(n));
        assert_eq!((list.count, list.left_out()), (2500, 500));
        let kept: Vec<_> = list.iter().copied().collect();
        assert_eq!((kept[0], kept[999], kept[1000], kept[1999]), (0, 999, 1500, 2499));
    }
}
