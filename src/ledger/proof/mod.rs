//! Proofs about the tree (RFC 6962, section 2.1): that a leaf is in it, and that it continues an older
//! one. Verified by the algorithms of RFC 9162, built from a log in one pass over its lines.

mod build;
mod file;
mod path;

use super::tree::{Hash, node_hash};
pub use build::{BuildError, Consistency, Inclusion, consistency, inclusion};
pub use file::{FileError, MAX_FILE, TlogProof};
pub use path::{consistency_path, inclusion_path};

/// The most hashes in a proof: one for each level of the largest tree.
pub const MAX_HASHES: usize = 64;

/// Whether `leaf` is leaf `index` of the tree of `size` leaves with this root (RFC 9162, section
/// 2.1.3.2).
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let mut walk = Walk { first: index, second: size - 1 };
    let mut found = *leaf;
    for sibling in path {
        let Some(side) = walk.up() else { return false };
        found = match side {
            Side::Left => node_hash(sibling, &found),
            Side::Right => node_hash(&found, sibling),
        };
    }
    walk.second == 0 && found == *root
}

/// Whether the tree of `new` (size and root) has that of `old` as its beginning (RFC 9162, section
/// 2.1.4.2). A tree continues itself without a proof; from the empty tree there is nothing to prove.
pub fn verify_consistency(old: (u64, &Hash), new: (u64, &Hash), path: &[Hash]) -> bool {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    if old_size == 0 || old_size > new_size {
        return false;
    }
    if old_size == new_size {
        return path.is_empty() && old_root == new_root;
    }
    // The largest perfect subtree that the old tree ends with; of a perfect old tree that is all of it.
    let (seed, path) = match (old_size.is_power_of_two(), path.split_first()) {
        (_, None) => return false,
        (true, _) => (old_root, path),
        (false, Some((seed, path))) => (seed, path),
    };
    let level = old_size.trailing_zeros();
    let mut walk = Walk { first: (old_size - 1) >> level, second: (new_size - 1) >> level };
    let (mut old_found, mut new_found) = (*seed, *seed);
    for sibling in path {
        let Some(side) = walk.up() else { return false };
        match side {
            Side::Left => {
                old_found = node_hash(sibling, &old_found);
                new_found = node_hash(sibling, &new_found);
            }
            Side::Right => new_found = node_hash(&new_found, sibling),
        }
    }
    walk.second == 0 && old_found == *old_root && new_found == *new_root
}

/// The way up from a node: its index, and that of the last node, on the same level (fn and sn of the RFC).
struct Walk {
    first: u64,
    second: u64,
}

/// On which side of the way the next hash is.
enum Side {
    Left,
    Right,
}

impl Walk {
    /// One hash further up; `None` if that is above the root.
    fn up(&mut self) -> Option<Side> {
        if self.second == 0 {
            return None;
        }
        let side = if self.first & 1 == 1 || self.first == self.second {
            // The last node of a level that has no sibling is that of the next one too.
            let skipped = self.first.trailing_zeros().min(63);
            self.first >>= skipped;
            self.second >>= skipped;
            Side::Left
        } else {
            Side::Right
        };
        self.first >>= 1;
        self.second >>= 1;
        Some(side)
    }
}
