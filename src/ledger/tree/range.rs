//! The compact range: a run of leaves, kept as the fewest perfect subtrees of the log's tree.

use std::ops::Range;

use super::{Hash, MAX_SIZE, Tree, node_hash};

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

    /// Leaves [begin, end) from the roots of their subtrees; `None` if there is not one for each.
    pub fn from_roots(leaves: Range<u64>, roots: &[Hash]) -> Option<Self> {
        let Range { start: begin, end } = leaves;
        let mut roots = roots.iter();
        let mut next = |(_, level)| Some((level, *roots.next()?));
        let nodes: Option<Vec<_>> = shape(begin, end)?.into_iter().map(&mut next).collect();
        let range = Self { begin, end, nodes: nodes? };
        roots.next().is_none().then_some(range)
    }

    /// The first leaf.
    pub fn begin(&self) -> u64 {
        self.begin
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

    /// The same without levels, which follow from the two ends.
    pub fn roots(&self) -> impl Iterator<Item = Hash> {
        self.nodes.iter().map(|(_, root)| *root)
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: Hash) {
        self.push_subtree(0, leaf);
    }

    /// Appends the leaves that follow it.
    pub fn join(&mut self, next: &Self) {
        debug_assert_eq!(self.end, next.begin);
        next.nodes.iter().for_each(|(level, root)| self.push_subtree(*level, *root));
    }

    /// Appends 2^level leaves, the end being a multiple of their number.
    fn push_subtree(&mut self, mut level: u32, root: Hash) {
        let (mut node, added) = (root, 1 << level);
        // A node with an odd number on its level is a right child; its left sibling may be before the range.
        while let Some((_, left)) =
            self.nodes.pop_if(|(before, _)| *before == level && (self.end >> level) & 1 == 1)
        {
            node = node_hash(&left, &node);
            level += 1;
        }
        self.nodes.push((level, node));
        self.end += added;
    }

    /// Its beginning, up to the end of `tree`, which has the same leaves: the subtrees on the way down to that end
    /// are part of the tree's frontier. `None` if the tree ends elsewhere, or has not all that is missing.
    pub fn up_to(&self, tree: &Tree) -> Option<Self> {
        let end = tree.size();
        if !(self.begin..=self.end).contains(&end) {
            return None;
        }
        let own: Vec<_> = shape(self.begin, self.end)?.into_iter().zip(self.roots()).collect();
        let others: Vec<_> =
            shape(0, end)?.into_iter().zip(tree.frontier().iter().copied()).collect();
        let known = |place: (u64, u32)| {
            let mut all = own.iter().chain(&others);
            all.find(|(at, _)| *at == place).map(|(_, root)| (place.1, *root))
        };
        let nodes: Option<Vec<_>> = shape(self.begin, end)?.into_iter().map(known).collect();
        Some(Self { begin: self.begin, end, nodes: nodes? })
    }

    /// Appends all leaves to the tree of those before them, `tree` having `begin` leaves.
    pub fn append_to(&self, tree: &mut Tree) {
        debug_assert_eq!(tree.size(), self.begin);
        for (level, root) in &self.nodes {
            tree.push_subtree(*level, *root);
        }
    }
}

/// First leaf and level of each maximal perfect subtree over leaves [begin, end); `None` for no range of a log.
fn shape(begin: u64, end: u64) -> Option<Vec<(u64, u32)>> {
    if begin > end || end > MAX_SIZE {
        return None;
    }
    let (mut at, mut subtrees) = (begin, Vec::new());
    while let Some(most) = (end - at).checked_ilog2() {
        let level = at.trailing_zeros().min(most);
        subtrees.push((at, level));
        at += 1 << level;
    }
    Some(subtrees)
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

    fn leaves(count: u32) -> Vec<Hash> {
        (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
    }

    fn range_of(leaves: &[Hash], begin: usize, end: usize) -> CompactRange {
        let mut range = CompactRange::new(begin as u64);
        leaves[begin..end].iter().for_each(|leaf| range.push(*leaf));
        range
    }

    #[test]
    fn a_range_is_its_roots_and_no_other_number_of_them() {
        let leaves = leaves(40);
        for begin in 0..=40 {
            for end in begin..=40 {
                let range = range_of(&leaves, begin, end);
                let mut roots: Vec<_> = range.roots().collect();
                let ends = begin as u64..end as u64;
                assert_eq!(CompactRange::from_roots(ends.clone(), &roots), Some(range));
                roots.push([0; 32]);
                assert_eq!(CompactRange::from_roots(ends.clone(), &roots), None);
                roots.truncate(roots.len().saturating_sub(2));
                assert_eq!(CompactRange::from_roots(ends, &roots).is_some(), begin == end);
            }
        }
        #[expect(clippy::reversed_empty_ranges)]
        let none = [1..0, 0..u64::MAX, u64::MAX - 1..u64::MAX];
        none.into_iter().for_each(|ends| assert_eq!(CompactRange::from_roots(ends, &[]), None));
        let widest = shape(1, MAX_SIZE - 1).expect("a range");
        assert_eq!(widest.len(), 122, "the most that one can have");
    }

    #[test]
    fn ranges_are_joined_and_cut_at_any_leaf() {
        let leaves = leaves(24);
        for begin in 0..=24 {
            for end in begin..=24 {
                let whole = range_of(&leaves, begin, end);
                for cut in begin..=end {
                    let first = range_of(&leaves, begin, cut);
                    let mut joined = first.clone();
                    joined.join(&range_of(&leaves, cut, end));
                    assert_eq!(joined, whole, "{begin}..{cut}..{end}");
                    let mut tree = Tree::default();
                    leaves[..cut].iter().for_each(|leaf| tree.push(*leaf));
                    assert_eq!(whole.up_to(&tree), Some(first), "{begin}..{end} up to {cut}");
                }
                let beyond = Tree::from_frontier(32, vec![[0; 32]]).expect("fits");
                assert_eq!(whole.up_to(&beyond), None);
            }
        }
    }
}
