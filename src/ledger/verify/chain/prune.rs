//! What records say that retention deleted, and whether its rule allowed it.

use serde::Serialize;

use super::Chain;
use crate::clock::rfc3339;
use crate::ledger::tree::Tree;
use crate::ledger::verify::own::Data;
use crate::ledger::verify::seals::Seals;
use crate::ledger::verify::{Finding, Place, Verdict};
use crate::ledger::{hex, pruned};

/// Ends of prunes that are checked: a segment an hour over ten years.
const MOST_CHECKED: usize = 100_000;

/// Characters of a rule that are kept.
const MOST_POLICY: usize = 200;

/// Segments were deleted by a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Prune {
    /// The record that says so.
    pub seq: u64,
    /// When it was committed, nanoseconds since 1970.
    pub ts_ns: i64,
    /// The first leaf that it lets go.
    pub first_seq: u64,
    /// The last leaf that it lets go.
    pub through_seq: u64,
    /// The rule, for people.
    pub policy: String,
    /// How many seconds the rule keeps leaves at least.
    pub keep_seconds: u64,
}

impl Prune {
    /// Leaves that were sealed later than this are too young for it, nanoseconds since 1970.
    fn newest_ns(&self) -> i128 {
        i128::from(self.ts_ns) - i128::from(self.keep_seconds) * 1_000_000_000
    }
}

impl Chain<'_> {
    /// A `pruned` record: it must be whole, and of leaves before it with the root that they had.
    pub(super) fn pruned(&mut self, seq: u64, ts_ns: i64, data: &Data) -> Result<(), Finding> {
        let Data { first_seq, through_seq, root, subtrees, policy, keep_seconds, .. } = data;
        let (Some(first_seq), Some(through_seq), Some(root), Some(subtrees), Some(policy)) =
            (*first_seq, *through_seq, root, subtrees, policy)
        else {
            return Err(self.incomplete_record());
        };
        let keep_seconds = keep_seconds.ok_or_else(|| self.incomplete_record())?;
        if through_seq >= seq || first_seq > through_seq {
            let message = format!(
                "the record says that leaves {first_seq} to {through_seq} were pruned, which are no leaves before itself"
            );
            return Err(self.tampered(message));
        }
        let Some(range) = pruned::range(first_seq, through_seq, subtrees) else {
            return Err(self.tampered(format!(
                "the record of the prune of leaves {first_seq} to {through_seq} does not hold one hash for each of their subtrees"
            )));
        };
        let size = through_seq + 1;
        let led_to = self.trees.get(&first_seq).map(|tree| {
            let mut tree = tree.clone();
            range.append_to(&mut tree);
            tree.root()
        });
        let known = self.trees.get(&size).map(Tree::root);
        if known.into_iter().chain(led_to).any(|found| hex::decode(root) != Some(found)) {
            return Err(self.tampered(format!(
                "the record of the prune up to seq {through_seq} names another root than those leaves had, or other subtrees"
            )));
        }
        let policy = policy.chars().take(MOST_POLICY).collect();
        let prune = Prune { seq, ts_ns, first_seq, through_seq, policy, keep_seconds };
        let begin = self.holes.partition_point(|hole| hole.first < first_seq);
        for hole in self.holes[begin..].iter_mut().take_while(|hole| hole.end <= size) {
            hole.said = Some(prune.clone());
            self.holes_said = true;
        }
        self.note_age(prune)
    }

    fn incomplete_record(&self) -> Finding {
        self.tampered("the record of a prune does not say what was deleted and why")
    }

    /// Later runs of retention say of the same leaves again that they are gone: the record that asks for the most
    /// age is the one to check.
    fn note_age(&mut self, prune: Prune) -> Result<(), Finding> {
        let known = self.prunes.get(&prune.through_seq);
        if known.is_none() && self.prunes.len() == MOST_CHECKED {
            let message = format!("more than {MOST_CHECKED} segments were pruned");
            return Err(Finding::new(Verdict::Unverifiable, message));
        }
        if known.is_none_or(|(old, _)| prune.newest_ns() < old.newest_ns()) {
            self.prunes.insert(prune.through_seq, (prune, self.place.clone()));
        }
        Ok(())
    }

    /// Whether what was pruned was old enough. Its last leaf is a seal, which seals.jsonl still has, and
    /// which the chain of seals has proved by now.
    pub(super) fn check_prunes(&mut self) -> Result<(), Finding> {
        let mut prunes = std::mem::take(&mut self.prunes).into_values().peekable();
        if prunes.peek().is_none() {
            return Ok(());
        }
        let mut seals = Seals::open(&self.options.paths.seals(), self.seals_len, 0, 0)?;
        while let Some(known) = seals.next()? {
            let here = |(prune, _): &(Prune, Place)| prune.through_seq <= known.seal.size;
            while let Some((prune, place)) = prunes.next_if(here) {
                if i128::from(known.ts_ns) > prune.newest_ns() {
                    let message = format!(
                        "leaves up to seq {} were pruned at {}, but were sealed at {} only, and the rule ({}) keeps them for {} seconds",
                        prune.through_seq,
                        rfc3339(prune.ts_ns),
                        rfc3339(known.ts_ns),
                        prune.policy,
                        prune.keep_seconds
                    );
                    let verdict = Verdict::Tampered;
                    return Err(Finding { verdict, message, place: Some(place) });
                }
            }
            if prunes.peek().is_none() {
                break;
            }
        }
        Ok(())
    }
}
