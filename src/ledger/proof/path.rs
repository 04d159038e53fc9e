//! The hashes of a proof, from the tree before a place and the compact range behind it.

use crate::ledger::tree::{CompactRange, Hash, Tree, node_hash};

/// The proof that the leaf between `before` and `after` is in the tree that ends with `after` (RFC 6962,
/// section 2.1.1); `before` has all leaves before that leaf.
pub fn inclusion_path(before: &Tree, after: &CompactRange) -> Vec<Hash> {
    path(before.frontier(), after, 0, before.size())
}

/// The proof that the tree that ends with `added` continues `old`, which ends where `added` begins
/// (RFC 6962, section 2.1.2).
pub fn consistency_path(old: &Tree, added: &CompactRange) -> Vec<Hash> {
    let Some((seed, left)) = old.frontier().split_last() else { return Vec::new() };
    if added.is_empty() {
        return Vec::new();
    }
    let level = old.size().trailing_zeros();
    let mut proof = if left.is_empty() { Vec::new() } else { vec![*seed] };
    proof.extend(path(left, added, level, (old.size() - 1) >> level));
    proof
}

/// The siblings on the way up from node `index` of `level`, with the subtrees `left` of it, largest first,
/// and those `right` of it.
fn path(left: &[Hash], right: &CompactRange, level: u32, index: u64) -> Vec<Hash> {
    let last = (right.end() - 1) >> level;
    let mut left = left.iter().rev();
    let mut right = right.nodes().iter().map(|(_, node)| *node);
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
