//! The same answers from tlog_tiles, a port of Go's golang.org/x/mod/sumdb/tlog.

use auditlogd::ledger::tree::{Hash, leaf_hash};
use tlog_tiles::{Error, HashReader};

use crate::{consistency, inclusion, tree};

/// All hashes of a tree, as that library stores them.
#[derive(Default)]
struct Stored(Vec<tlog_tiles::Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, Error> {
        Ok(indexes.iter().map(|index| self.0[*index as usize]).collect())
    }
}

fn foreign(hashes: &[Hash]) -> Vec<tlog_tiles::Hash> {
    hashes.iter().map(|hash| tlog_tiles::Hash(*hash)).collect()
}

#[test]
fn roots_and_proofs_of_every_tree_are_those_of_tlog_tiles() {
    let mut stored = Stored::default();
    let mut leaves: Vec<Hash> = Vec::new();
    for size in 1..=70u64 {
        let line = format!("line {size}");
        let new = tlog_tiles::stored_hashes(size - 1, line.as_bytes(), &stored).expect("hashes");
        stored.0.extend(new);
        leaves.push(leaf_hash(line.as_bytes()));
        let root = tlog_tiles::tree_hash(size, &stored).expect("a root");
        assert_eq!(root.0, tree(&leaves).root());
        for index in 0..size {
            let theirs = tlog_tiles::prove_record(size, index, &stored).expect("a proof");
            assert_eq!(foreign(&inclusion(index as usize, &leaves)), theirs, "{index} in {size}");
            let theirs = tlog_tiles::prove_tree(size, index + 1, &stored).expect("a proof");
            let ours = consistency(index as usize + 1, &leaves);
            assert_eq!(foreign(&ours), theirs, "{} to {size}", index + 1);
        }
    }
}
