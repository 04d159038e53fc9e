//! The subtrees over a stretch of leaves, computed without what is before it.

use crate::ledger::tree::{Hash, Tree, node_hash};

/// The roots of the maximal perfect subtrees over leaves [begin, end), in their order: a compact range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    begin: u64,
    end: u64,
    /// Each with the height of its subtree.
    roots: Vec<(u32, Hash)>,
}

impl Range {
    /// No leaves yet.
    pub fn new(begin: u64) -> Self {
        Self { begin, end: begin, roots: Vec::new() }
    }

    /// The leaf after the last one.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The number of leaves.
    pub fn len(&self) -> u64 {
        self.end - self.begin
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: Hash) {
        let (mut node, mut height) = (leaf, 0);
        // While it is a right child whose left sibling begins in this range, they are one subtree.
        while (self.end >> height) & 1 == 1 && ((self.end >> height) - 1) << height >= self.begin {
            if let Some((_, left)) = self.roots.pop() {
                node = node_hash(&left, &node);
            }
            height += 1;
        }
        self.roots.push((height, node));
        self.end += 1;
    }

    /// Appends all leaves to the tree of those before them, `tree` having `begin` leaves.
    pub fn append_to(&self, tree: &mut Tree) {
        debug_assert_eq!(tree.size(), self.begin);
        for (height, root) in &self.roots {
            tree.push_subtree(*height, *root);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tree::leaf_hash;

    #[test]
    fn ranges_joined_at_any_cuts_give_the_tree_of_the_leaves() {
        let leaves: Vec<Hash> = (0u32..40).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        let tree_of = |size: usize| {
            let mut tree = Tree::default();
            leaves[..size].iter().for_each(|leaf| tree.push(*leaf));
            tree
        };
        for begin in 0..leaves.len() {
            let mut tree = tree_of(begin);
            for end in begin..=leaves.len() {
                let mut range = Range::new(begin as u64);
                leaves[begin..end].iter().for_each(|leaf| range.push(*leaf));
                let mut joined = tree.clone();
                range.append_to(&mut joined);
                assert_eq!(joined, tree_of(end), "{begin}..{end}");
            }
            tree.push(leaves[begin]);
        }
    }
}
