//! Proofs of inclusion and consistency: against published vectors, against an implementation that
//! nobody of this project wrote (Cloudflare's tlog_tiles and signed_note), and from a log by
//! `auditlog prove`.

#[path = "../common/mod.rs"]
mod common;
mod foreign;
mod holes;
mod log;
mod properties;
mod vectors;

use auditlogd::ledger::proof::{consistency_path, inclusion_path};
use auditlogd::ledger::tree::{CompactRange, Hash, Tree};

/// The tree of some leaves.
fn tree(leaves: &[Hash]) -> Tree {
    let mut tree = Tree::default();
    leaves.iter().for_each(|leaf| tree.push(*leaf));
    tree
}

fn range(begin: usize, leaves: &[Hash]) -> CompactRange {
    let mut range = CompactRange::new(begin as u64);
    leaves[begin..].iter().for_each(|leaf| range.push(*leaf));
    range
}

/// The proof that leaf `index` is among `leaves`.
fn inclusion(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    inclusion_path(&tree(&leaves[..index]), &range(index + 1, leaves))
}

/// The proof that the tree of `leaves` continues that of the first `old` of them.
fn consistency(old: usize, leaves: &[Hash]) -> Vec<Hash> {
    consistency_path(&tree(&leaves[..old]), &range(old, leaves))
}
