//! The compact range: a run of leaves, kept as the fewest perfect subtrees of the log's tree.

use super::Hash;
use crate::ledger::tree::{Tree, node_hash};

/// The maximal perfect subtrees over leaves [begin, end), left to right: all that proofs need of the
/// leaves behind a place. At most two for each level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    begin: u64,
    end: u64,
    /// Level and root of each.
    nodes: Vec<(u32, Hash)>,
}

impl Range {
    /// The empty range at leaf `begin`.
    pub fn new(begin: u64) -> Self {
        Self { begin, end: begin, nodes: Vec::new() }
    }

    /// The leaf after the last.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: Hash) {
        let (mut level, mut node) = (0, leaf);
        // A node before on the same level is its left sibling if its own number there is even.
        while let Some((_, left)) =
            self.nodes.pop_if(|(before, _)| *before == level && (self.end >> level) & 1 == 1)
        {
            node = node_hash(&left, &node);
            level += 1;
        }
        self.nodes.push((level, node));
        self.end += 1;
    }

    /// The proof that the leaf between `before` and this range is in the tree that ends with the range
    /// (RFC 6962, section 2.1.1); `before` has all leaves before that leaf.
    pub fn inclusion(&self, before: &Tree) -> Vec<Hash> {
        self.path(before.frontier(), 0, before.size())
    }

    /// The proof that the tree that ends with this range continues `old`, which ends where the range
    /// begins (RFC 6962, section 2.1.2).
    pub fn consistency(&self, old: &Tree) -> Vec<Hash> {
        let Some((seed, left)) = old.frontier().split_last() else { return Vec::new() };
        if self.nodes.is_empty() {
            return Vec::new();
        }
        let level = old.size().trailing_zeros();
        let mut proof = if left.is_empty() { Vec::new() } else { vec![*seed] };
        proof.extend(self.path(left, level, (old.size() - 1) >> level));
        proof
    }

    /// The siblings on the way up from node `index` of `level`, with the subtrees `left` of it, largest
    /// first, and those of the range right of it.
    fn path(&self, left: &[Hash], level: u32, index: u64) -> Vec<Hash> {
        let mut left = left.iter().rev();
        let mut right = self.nodes.iter().map(|(_, node)| *node);
        let last = (self.end - 1) >> level;
        // On this level, seen from `level`, the way's right sibling holds the last leaf.
        let top = (index ^ last).checked_ilog2();
        let mut proof = Vec::new();
        for above in 0..64 - level {
            let is_left = (index >> above) & 1 == 0;
            let sibling = match top {
                _ if !is_left => left.next().copied(),
                Some(top) if above < top => right.next(),
                // What is left of the range, folded into the root of a subtree that may be ragged.
                Some(top) if above == top => {
                    right.by_ref().rev().reduce(|right, left| node_hash(&left, &right))
                }
                _ => None,
            };
            proof.extend(sibling);
        }
        proof
    }
}
