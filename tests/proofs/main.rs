//! Proofs of inclusion and consistency: against published vectors, against an implementation that
//! nobody of this project wrote (Cloudflare's tlog_tiles and signed_note), and from a log by
//! `auditlog prove`.

#[path = "../common/mod.rs"]
mod common;
mod foreign;
mod log;
mod properties;
mod vectors;

use auditlogd::ledger::proof::Range;
use auditlogd::ledger::tree::{Hash, Tree};

/// The tree of some leaves.
fn tree(leaves: &[Hash]) -> Tree {
    let mut tree = Tree::default();
    leaves.iter().for_each(|leaf| tree.push(*leaf));
    tree
}

fn range(begin: usize, leaves: &[Hash]) -> Range {
    let mut range = Range::new(begin as u64);
    leaves[begin..].iter().for_each(|leaf| range.push(*leaf));
    range
}

/// The proof that leaf `index` is among `leaves`.
fn inclusion(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    range(index + 1, leaves).inclusion(&tree(&leaves[..index]))
}

/// The proof that the tree of `leaves` continues that of the first `old` of them.
fn consistency(old: usize, leaves: &[Hash]) -> Vec<Hash> {
    range(old, leaves).consistency(&tree(&leaves[..old]))
}
