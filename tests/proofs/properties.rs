//! What holds for proofs of any leaf in any tree.

use auditlogd::ledger::proof::{inclusion_path, verify_consistency, verify_inclusion};
use auditlogd::ledger::tree::{Hash, Tree, leaf_hash, node_hash};
use proptest::prelude::*;

use crate::{consistency, inclusion, range, tree};

fn leaves(size: usize) -> Vec<Hash> {
    (0..size).map(|n| leaf_hash(&n.to_be_bytes())).collect()
}

#[test]
fn every_leaf_of_every_tree_has_a_proof() {
    let all = leaves(70);
    for size in 1..=all.len() {
        let leaves = &all[..size];
        let root = tree(leaves).root();
        for (index, leaf) in leaves.iter().enumerate() {
            let path = inclusion(index, leaves);
            let holds = verify_inclusion(leaf, index as u64, size as u64, &path, &root);
            assert!(holds, "{index} in {size}");
        }
    }
}

#[test]
fn every_tree_continues_every_older_one() {
    let all = leaves(70);
    for new in 1..=all.len() {
        let root = tree(&all[..new]).root();
        for old in 1..=new {
            let path = consistency(old, &all[..new]);
            let old_root = tree(&all[..old]).root();
            let holds = verify_consistency((old as u64, &old_root), (new as u64, &root), &path);
            assert!(holds, "{old} to {new}");
        }
    }
}

/// A node's hash is no leaf: RFC 6962 hashes the two with different first bytes.
#[test]
fn a_node_cannot_be_passed_off_as_a_leaf() {
    let leaves = leaves(4);
    let root = tree(&leaves).root();
    let (left, right) = (node_hash(&leaves[0], &leaves[1]), node_hash(&leaves[2], &leaves[3]));
    // The tree of four read as one of two: the path is right, the "leaf" is a node.
    assert!(verify_inclusion(&left, 0, 2, &[right], &root), "as hashes it does fit");
    let bytes = [leaves[0], leaves[1]].concat();
    assert_ne!(leaf_hash(&bytes), left, "but no line has the hash of a node");
    assert!(!verify_inclusion(&leaf_hash(&bytes), 0, 2, &[right], &root));
    assert!(!verify_inclusion(&leaf_hash(&bytes), 0, 4, &[right], &root));
}

#[test]
fn the_largest_numbers_are_no_trouble() {
    let hash = [1; 32];
    for size in [0, 1, u64::MAX - 1, u64::MAX] {
        for index in [0, 1, u64::MAX - 1, u64::MAX] {
            for hashes in [0, 1, 63, 64, 65] {
                let path = vec![hash; hashes];
                let _ = verify_inclusion(&hash, index, size, &path, &hash);
                let _ = verify_consistency((index, &hash), (size, &hash), &path);
            }
        }
    }
}

/// A tree of up to 200 leaves and a place in it.
fn place() -> impl Strategy<Value = (usize, usize)> {
    (1usize..200).prop_flat_map(|size| (Just(size), 0..size))
}

proptest! {
    #[test]
    fn a_forged_inclusion_proof_is_refused(
        (size, index) in place(), other in 0u64..200, at in 0usize..8, bit in 0usize..256,
    ) {
        let leaves = leaves(size);
        let root = tree(&leaves).root();
        let path = inclusion(index, &leaves);
        let (at_index, of_size) = (index as u64, size as u64);
        let holds = |leaf: &Hash, index, size, path: &[Hash], root: &Hash| {
            verify_inclusion(leaf, index, size, path, root)
        };
        let leaf = &leaves[index];
        prop_assert!(holds(leaf, at_index, of_size, &path, &root));
        if other != at_index {
            prop_assert!(!holds(leaf, other, of_size, &path, &root), "another index");
        }
        let flip = |hash: &Hash| {
            let mut flipped = *hash;
            flipped[bit / 8] ^= 1 << (bit % 8);
            flipped
        };
        prop_assert!(!holds(&flip(leaf), at_index, of_size, &path, &root), "another leaf");
        prop_assert!(!holds(leaf, at_index, of_size, &path, &flip(&root)), "another root");
        if !path.is_empty() {
            let at = at % path.len();
            let mut changed = path.clone();
            changed[at] = flip(&changed[at]);
            prop_assert!(!holds(leaf, at_index, of_size, &changed, &root), "another hash");
            changed = path.clone();
            changed.remove(at);
            prop_assert!(!holds(leaf, at_index, of_size, &changed, &root), "a hash less");
        }
        let longer = [&path[..], &[root]].concat();
        prop_assert!(!holds(leaf, at_index, of_size, &longer, &root), "a hash more");
    }

    #[test]
    fn a_forged_consistency_proof_is_refused(
        (size, old) in place(), at in 0usize..8, bit in 0usize..256,
    ) {
        prop_assume!(old > 0);
        let leaves = leaves(size);
        let (old_root, new_root) = (tree(&leaves[..old]).root(), tree(&leaves).root());
        let path = consistency(old, &leaves);
        let holds = |old_root: &Hash, path: &[Hash]| {
            verify_consistency((old as u64, old_root), (size as u64, &new_root), path)
        };
        prop_assert!(holds(&old_root, &path));
        // Another history of the same length.
        let mut forked = leaves[..old].to_vec();
        forked[old / 2] = leaf_hash(b"forged");
        prop_assert!(!holds(&tree(&forked).root(), &path));
        let at = at % path.len();
        let mut changed = path.clone();
        changed[at][bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!holds(&old_root, &changed));
        changed = path.clone();
        changed.remove(at);
        prop_assert!(!holds(&old_root, &changed));
        prop_assert!(!holds(&old_root, &[&path[..], &[new_root]].concat()));
    }

    /// From a segment's header on, without the leaves before it: all there is of a pruned log.
    #[test]
    fn a_frontier_is_enough_to_begin_with((size, index) in place(), first in 0usize..200) {
        let leaves = leaves(size);
        let first = first % (index + 1);
        let kept = tree(&leaves[..first]);
        let mut before = Tree::from_frontier(first as u64, kept.frontier().to_vec()).expect("fits");
        leaves[first..index].iter().for_each(|leaf| before.push(*leaf));
        prop_assert_eq!(inclusion_path(&before, &range(index + 1, &leaves)), inclusion(index, &leaves));
    }
}
