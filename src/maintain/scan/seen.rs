//! What the events of a segment come to.

use super::{Kept, Lens, Said, Scan};
use crate::engine::Sink;
use crate::index::{EventRow, IndexError, SealRow};
use crate::record::{Account, Pruned};
use crate::retention::{Facts, Rules, expires_ns};

/// What was seen so far.
pub(super) struct Seen<'l> {
    lens: &'l Lens,
    /// Rows since somebody set it to 0.
    pub count: u64,
    pub kept: Tally,
    pub kept_early: Tally,
    /// For each hold whether it matched something.
    pub held: Vec<bool>,
    pub pruned: Vec<Said>,
}

/// For how long events are kept.
#[derive(Default)]
pub(super) struct Tally(Option<Kept>);

impl Tally {
    fn add(&mut self, rules: &Rules, facts: &Facts<'_>, ts_ns: i64) {
        let seconds = rules.keep_seconds(facts);
        let until_ns = expires_ns(ts_ns, seconds);
        let one = Kept { until_ns, shortest_seconds: seconds, longest_seconds: seconds };
        let all = self.0.get_or_insert(one);
        all.until_ns = all.until_ns.max(until_ns);
        all.shortest_seconds = all.shortest_seconds.min(seconds);
        all.longest_seconds = all.longest_seconds.max(seconds);
    }

    /// The same of the whole segment: its seals are as old as the record of its deletion says that they are.
    pub fn of(self, rules: &Rules, scan: &Scan) -> Kept {
        let default = Facts::default();
        let mut kept = match self.0 {
            Some(kept) => kept,
            None => {
                let seconds = rules.keep_seconds(&default);
                Kept { until_ns: 0, shortest_seconds: seconds, longest_seconds: seconds }
            }
        };
        kept.until_ns = kept.until_ns.max(expires_ns(scan.newest_ns, kept.shortest_seconds));
        kept
    }
}

impl<'l> Seen<'l> {
    pub fn new(lens: &'l Lens) -> Self {
        Self {
            lens,
            count: 0,
            kept: Tally::default(),
            kept_early: Tally::default(),
            held: vec![false; lens.holds.len()],
            pruned: Vec::new(),
        }
    }

    fn event(&mut self, row: &EventRow<'_>) {
        let facts = row.facts();
        // Sums are said again before anything is deleted: older ones keep nothing.
        if !Account::is_event(row.event) {
            self.kept.add(&self.lens.rules, &facts, row.ts_ns);
            if let Some(early) = &self.lens.early {
                self.kept_early.add(early, &facts, row.ts_ns);
            }
        }
        for (held, hold) in self.held.iter_mut().zip(&self.lens.holds) {
            *held = *held || hold.holds(&facts, row.ts_ns);
        }
        if let Some(said) = said(row) {
            // Each is read once with each map.
            if !self.pruned.iter().any(|known| known.seq == said.seq) {
                self.pruned.push(said);
            }
        }
    }
}

impl Sink for Seen<'_> {
    fn events(&mut self, rows: &[EventRow<'_>]) -> Result<(), IndexError> {
        self.count += rows.len() as u64;
        rows.iter().for_each(|row| self.event(row));
        Ok(())
    }

    fn seal(&mut self, _row: &SealRow<'_>) -> Result<(), IndexError> {
        self.count += 1;
        Ok(())
    }
}

/// What a `pruned` record says.
fn said(row: &EventRow<'_>) -> Option<Said> {
    let what = Pruned::parse(row.event)?;
    let possible = what.first_seq <= what.through_seq && what.through_seq < row.seq;
    possible.then_some(Said { seq: row.seq, ts_ns: row.ts_ns, sealed: false, what })
}
