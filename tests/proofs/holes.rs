//! Proofs from logs of which retention deleted parts, against the tree of all their leaves.

use std::fs;
use std::ops::Range;

use auditlogd::ledger::proof::{self, BuildError, verify_consistency, verify_inclusion};
use auditlogd::ledger::seal::Reason;
use auditlogd::ledger::segment;
use auditlogd::ledger::tree::{Hash, Tree, leaf_hash};
use auditlogd::ledger::verify::Verdict;
use auditlogd::record::{Pruned, Record};

use crate::common::log::Log;
use crate::common::pruning;

/// A log of six closed segments of some lines each, and what it held.
struct Whole {
    log: Log,
    /// Where each segment begins.
    begins: Vec<u64>,
    leaves: Vec<Hash>,
    log_id: String,
}

impl Whole {
    fn new(lines: [u64; 6]) -> Self {
        let mut log = Log::new();
        for count in lines {
            log.events(count);
            log.rotate();
            log.wait(100);
        }
        log.events(2);
        log.wait(1000);
        let segments = segment::list(&log.paths().log_dir).expect("lists");
        let begins = segments.iter().map(|found| found.header.first_seq).collect();
        let log_id = segments[0].header.log_id.clone();
        let mut whole = Self { log, begins, leaves: Vec::new(), log_id };
        whole.leaves = whole.hashes();
        whole
    }

    /// The leaves that are there, in order.
    fn hashes(&self) -> Vec<Hash> {
        let segments = segment::list(&self.log.paths().log_dir).expect("lists");
        let texts = segments.iter().map(|found| fs::read_to_string(&found.path).expect("reads"));
        let lines = |text: String| -> Vec<_> {
            text.lines().skip(1).map(|line| leaf_hash(line.as_bytes())).collect()
        };
        texts.flat_map(lines).collect()
    }

    fn record_of(&self, gone: Range<usize>) -> Record {
        pruning::of(&self.log.paths().log_dir, gone, 1000).0
    }

    /// Writes the records, seals them, and deletes these segments of the seven.
    fn prune(&mut self, records: &[Record], gone: &[usize]) {
        records.iter().for_each(|record| self.log.record(record));
        self.log.events(1);
        self.log.seal(Reason::Time);
        let all = self.hashes();
        self.leaves.extend_from_slice(&all[self.leaves.len()..]);
        let segments = segment::list(&self.log.paths().log_dir).expect("lists");
        gone.iter().for_each(|n| fs::remove_file(&segments[*n].path).expect("removes"));
    }

    fn root(&self, size: u64) -> Hash {
        let mut tree = Tree::default();
        self.leaves[..size as usize].iter().for_each(|leaf| tree.push(*leaf));
        tree.root()
    }

    /// Makes every proof that there can be. `gone`: leaves; those of `known` have a record that leads over them.
    fn check(&self, gone: &[Range<u64>], known: &[Range<u64>]) {
        let dir = self.log.paths().log_dir;
        let end = self.leaves.len() as u64;
        let inside = |size: u64| gone.iter().any(|hole| hole.start < size && size < hole.end);
        let lost = |seq: u64| gone.iter().any(|hole| hole.contains(&seq));
        // The first hole from a leaf on that nothing leads over.
        let leads = |from: u64, to: u64| {
            let unknown = gone.iter().filter(|hole| !known.contains(hole));
            !unknown.into_iter().any(|hole| hole.end > from && hole.start < to)
        };
        let roots: Vec<_> = (0..=end).map(|size| self.root(size)).collect();
        // Around the ends of segments and holes, and some others.
        let near = |size: &u64| self.begins.iter().any(|begin| begin.abs_diff(*size) <= 1);
        let wanted = |size: &u64| near(size) || size.is_multiple_of(7) || *size == end;
        for first in 0..end {
            for size in (first + 1..=end).filter(|size| wanted(size)) {
                let at = format!("{first} of {size}, without {gone:?}");
                let made = proof::inclusion(&dir, &self.log_id, first, size);
                if lost(first) {
                    assert!(matches!(made, Err(BuildError::Pruned { .. })), "{at}: {made:?}");
                } else if inside(size) || !leads(first, size) {
                    assert!(matches!(made, Err(BuildError::Hole { .. })), "{at}: {made:?}");
                } else {
                    let made = made.unwrap_or_else(|e| panic!("{at}: {e}"));
                    let (leaf, root) = (&self.leaves[first as usize], &roots[size as usize]);
                    assert_eq!((leaf_hash(&made.line), made.root), (*leaf, *root), "{at}");
                    assert!(verify_inclusion(leaf, first, size, &made.path, root), "{at}");
                }
                if first == 0 {
                    continue;
                }
                let made = proof::consistency(&dir, &self.log_id, first, size);
                if inside(first) || inside(size) || !leads(first, size) {
                    assert!(made.is_err(), "{at}: {made:?}");
                } else {
                    let made = made.unwrap_or_else(|e| panic!("{at}: {e}"));
                    let (old, new) = (&roots[first as usize], &roots[size as usize]);
                    assert_eq!((&made.old_root, &made.new_root), (old, new), "{at}");
                    assert!(verify_consistency((first, old), (size, new), &made.path), "{at}");
                }
            }
        }
    }

    fn leaves_of(&self, segments: Range<usize>) -> Range<u64> {
        self.begins[segments.start]..self.begins[segments.end]
    }
}

#[test]
fn proofs_lead_over_any_holes() {
    for (lines, holes) in [
        ([4; 6], &[(2, 3), (4, 5)][..]),
        ([1, 2, 3, 4, 5, 6], &[(1, 2), (3, 5)][..]),
        ([3, 1, 7, 2, 1, 4], &[(0, 2), (4, 5)][..]),
        ([2, 5, 1, 1, 1, 3], &[(1, 5)][..]),
        ([6, 1, 2, 8, 1, 1], &[(0, 1), (2, 3), (5, 6)][..]),
    ] {
        let holes: Vec<_> = holes.iter().map(|(from, to)| *from..*to).collect();
        let mut whole = Whole::new(lines);
        let records: Vec<_> = holes.iter().map(|hole| whole.record_of(hole.clone())).collect();
        let gone: Vec<_> = holes.iter().cloned().flatten().collect();
        whole.prune(&records, &gone);
        let report = whole.log.verify();
        assert_eq!(report.verdict, Verdict::OkUnanchored, "{:#?}", report.findings);
        let holes: Vec<_> = holes.into_iter().map(|hole| whole.leaves_of(hole)).collect();
        // Nothing is left of what is before the first segment, so nothing leads to there.
        let known: Vec<_> = holes.iter().filter(|hole| hole.start > 0).cloned().collect();
        whole.check(&holes, &known);
    }
}

/// As a crash between a record and the last deletion leaves it, or as retention does when it goes on.
#[test]
fn a_record_of_more_than_the_hole_leads_over_it_if_it_begins_there() {
    let mut whole = Whole::new([3, 4, 1, 2, 6, 3]);
    whole.prune(&[whole.record_of(1..5)], &[1, 2]);
    let hole = whole.leaves_of(1..3);
    whole.check(std::slice::from_ref(&hole), std::slice::from_ref(&hole));
    // Whoever deletes another part leaves a hole that the record explains, and that nothing leads over.
    let mut whole = Whole::new([3, 4, 1, 2, 6, 3]);
    whole.prune(&[whole.record_of(1..5)], &[3, 4]);
    assert_eq!(whole.log.verify().verdict, Verdict::OkUnanchored);
    whole.check(&[whole.leaves_of(3..5)], &[]);
}

#[test]
fn a_hole_without_a_record_or_with_a_forged_one_leads_nowhere() {
    let forge = |forge: &dyn Fn(&mut Pruned)| {
        let mut whole = Whole::new([3, 4, 1, 2, 6, 3]);
        let forged = pruning::forged(&whole.record_of(2..4), forge);
        whole.prune(&[forged], &[2, 3]);
        whole.check(&[whole.leaves_of(2..4)], &[]);
        whole.log.verify().verdict
    };
    let zeros = || "0".repeat(64);
    assert_eq!(forge(&|what| what.subtrees[0] = zeros()), Verdict::Tampered);
    assert_eq!(forge(&|what| what.subtrees.push(zeros())), Verdict::Tampered);
    assert_eq!(forge(&|what| drop(what.subtrees.pop())), Verdict::Tampered);
    assert_eq!(forge(&|what| what.subtrees.clear()), Verdict::Tampered);
    assert_eq!(forge(&|what| what.subtrees.reverse()), Verdict::Tampered);
    assert_eq!(forge(&|what| what.subtrees[0].make_ascii_uppercase()), Verdict::Tampered);
    let mut whole = Whole::new([3, 4, 1, 2, 6, 3]);
    whole.prune(&[], &[2, 3]);
    whole.check(&[whole.leaves_of(2..4)], &[]);
}
