//! The compact range: a run of leaves, kept as the fewest perfect subtrees of the log's tree.

use super::{Hash, Tree, node_hash};

/// The roots of the maximal perfect subtrees over leaves [begin, end), left to right: computed without
/// what is before them, and at most two for each level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactRange {
    begin: u64,
    end: u64,
    nodes: Vec<(u32, Hash)>,
}

impl CompactRange {
    /// The empty range at leaf `begin`.
    pub fn new(begin: u64) -> Self {
        Self { begin, end: begin, nodes: Vec::new() }
    }

    /// The leaf after the last one.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The number of leaves.
    pub fn len(&self) -> u64 {
        self.end - self.begin
    }

    /// Whether there is no leaf.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Level and root of each subtree, left to right; leaves are on level 0.
    pub fn nodes(&self) -> &[(u32, Hash)] {
        &self.nodes
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: Hash) {
        let (mut level, mut node) = (0, leaf);
        // A node with an odd number on its level is a right child; its left sibling may be before the range.
        while let Some((_, left)) =
            self.nodes.pop_if(|(before, _)| *before == level && (self.end >> level) & 1 == 1)
        {
            node = node_hash(&left, &node);
            level += 1;
        }
        self.nodes.push((level, node));
        self.end += 1;
    }

    /// Appends all leaves to the tree of those before them, `tree` having `begin` leaves.
    pub fn append_to(&self, tree: &mut Tree) {
        debug_assert_eq!(tree.size(), self.begin);
        for (level, root) in &self.nodes {
            tree.push_subtree(*level, *root);
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
                let mut range = CompactRange::new(begin as u64);
                leaves[begin..end].iter().for_each(|leaf| range.push(*leaf));
                let mut joined = tree.clone();
                range.append_to(&mut joined);
                assert_eq!(joined, tree_of(end), "{begin}..{end}");
            }
            tree.push(leaves[begin]);
        }
    }
}
