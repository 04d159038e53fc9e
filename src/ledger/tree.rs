//! The log-wide Merkle tree of RFC 6962, section 2.1, kept as its frontier.

mod range;

use sha2::{Digest, Sha256};

pub use range::CompactRange;

/// A SHA-256 value.
pub type Hash = [u8; 32];

/// No tree begins with more leaves: more than any log will have, and far enough from where counting ends.
const MAX_SIZE: u64 = 1 << 62;

/// The hash of one line, without its LF, as a leaf.
pub fn leaf_hash(line: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(line).finalize().into()
}

/// The hash of two subtrees.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The roots of the maximal perfect subtrees over leaves [0, size), largest first: all that is needed
/// to append leaves and to know the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    frontier: Vec<Hash>,
}

impl Tree {
    /// The tree with `size` leaves and this frontier; `None` if the two do not fit together.
    pub fn from_frontier(size: u64, frontier: Vec<Hash>) -> Option<Self> {
        let fits = size <= MAX_SIZE && frontier.len() == size.count_ones() as usize;
        fits.then_some(Self { size, frontier })
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// One root for each bit set in the size, largest subtree first.
    pub fn frontier(&self) -> &[Hash] {
        &self.frontier
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: Hash) {
        self.push_subtree(0, leaf);
    }

    /// Appends 2^height leaves, given the root of the perfect subtree over them; the size before must be
    /// a multiple of their number.
    pub fn push_subtree(&mut self, height: u32, root: Hash) {
        debug_assert_eq!(self.size.trailing_zeros().min(height), height, "subtrees are aligned");
        let mut node = root;
        for _ in 0..(self.size >> height).trailing_ones() {
            // One root for each bit of the size, so there is one here.
            if let Some(left) = self.frontier.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.frontier.push(node);
        self.size += 1 << height;
    }

    /// The Merkle tree hash of all leaves; that of no leaf is SHA-256 of nothing.
    pub fn root(&self) -> Hash {
        let mut subtrees = self.frontier.iter().rev();
        match subtrees.next() {
            None => Sha256::digest([]).into(),
            Some(last) => subtrees.fold(*last, |right, left| node_hash(left, &right)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    /// The definition of RFC 6962, section 2.1, as it stands there.
    fn root_by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Sha256::digest([]).into(),
            [leaf] => *leaf,
            _ => {
                let k = leaves.len().next_power_of_two() / 2;
                node_hash(&root_by_definition(&leaves[..k]), &root_by_definition(&leaves[k..]))
            }
        }
    }

    #[test]
    fn the_root_is_that_of_the_definition_at_every_size() {
        let leaves: Vec<Hash> = (0u32..130).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        let mut tree = Tree::default();
        for (n, leaf) in leaves.iter().enumerate() {
            assert_eq!(tree.root(), root_by_definition(&leaves[..n]));
            tree.push(*leaf);
        }
    }

    /// The inputs and roots that certificate-transparency test suites share.
    #[test]
    fn known_roots_of_certificate_transparency() {
        let inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"];
        let mut tree = Tree::default();
        for input in inputs {
            tree.push(leaf_hash(&HEXLOWER.decode(input.as_bytes()).expect("hex")));
        }
        let root = HEXLOWER.encode(&tree.root());
        assert_eq!(root, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c");
    }

    #[test]
    fn a_frontier_restores_the_tree() {
        let mut tree = Tree::default();
        for n in 0u8..13 {
            tree.push(leaf_hash(&[n]));
        }
        let mut again = Tree::from_frontier(13, tree.frontier().to_vec()).expect("fits");
        tree.push(leaf_hash(b"x"));
        again.push(leaf_hash(b"x"));
        assert_eq!(again.root(), tree.root());
        assert_eq!(Tree::from_frontier(12, tree.frontier().to_vec()), None);
    }
}
