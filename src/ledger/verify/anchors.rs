//! What was kept off the host, against what the log holds: a log that was cut, rolled back or replaced as
//! a whole is found out by this only.

mod check;
mod read;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use check::{Check, LATER_COPY, Leaves};
pub use read::{ReadError, beside_the_log, cosigned_by_witnesses, read};

use crate::ledger::anchor::Anchor;
use crate::ledger::note::VerifierKey;
use crate::ledger::tree::{Hash, Tree};

/// An anchor, and who gave it.
#[derive(Clone, Debug)]
pub struct Given {
    /// A file's name, or who vouches for it.
    pub from: String,
    /// The anchor.
    pub anchor: Anchor,
}

/// What the anchors cover.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Anchored {
    /// What the highest checkpoint that holds covers.
    pub covered: Option<Covered>,
    /// Checkpoints that hold.
    pub checkpoints: u64,
    /// Receipts whose lines are in the log.
    pub receipts: u64,
    /// The highest of their leaves.
    pub last_receipt: Option<u64>,
    /// Where the key that checkpoints were checked with comes from.
    pub key_from: Option<KeyFrom>,
    /// Sentences about what could not be checked; at most 100.
    pub unchecked: Vec<String>,
}

/// Leaves that somebody off the host vouches for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Covered {
    /// How many: leaves [0, size).
    pub size: u64,
    /// When the last of them was committed, nanoseconds since 1970.
    pub ts_ns: Option<i64>,
    /// Who kept the checkpoint.
    pub from: String,
}

/// Where a checkpoint key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyFrom {
    /// Leaf 0, for which the genesis key vouches.
    Log,
    /// [`super::Options::checkpoint_key`], since leaf 0 was not read.
    Given,
}

/// The places in the log that anchors name, and what was read there.
#[derive(Debug, Default)]
pub struct Places {
    /// Sizes whose roots are asked for, in order.
    pub sizes: Vec<u64>,
    /// Leaves whose macs are asked for, in order.
    pub receipts: Vec<u64>,
    /// For a size, the root, and when the last leaf of it was committed.
    roots: BTreeMap<u64, (Hash, Option<i64>)>,
    macs: BTreeMap<u64, Hash>,
    /// What leaf 0 names, or what an earlier run read there.
    pub key: Option<VerifierKey>,
}

impl Places {
    /// Those that `given` names.
    pub fn of<'a>(given: impl Iterator<Item = &'a Given>) -> Self {
        let mut places = Self::default();
        for Given { anchor, .. } in given {
            match anchor {
                Anchor::Checkpoint { checkpoint, .. } => places.sizes.push(checkpoint.size),
                Anchor::Receipt(receipt) => places.receipts.push(receipt.seq),
            }
        }
        for list in [&mut places.sizes, &mut places.receipts] {
            list.sort_unstable();
            list.dedup();
        }
        places
    }

    /// The tree has these leaves now.
    pub fn pass(&mut self, tree: &Tree, ts_ns: Option<i64>) {
        if self.sizes.binary_search(&tree.size()).is_ok() {
            self.roots.insert(tree.size(), (tree.root(), ts_ns));
        }
    }

    /// A mac that was asked for.
    pub fn mac(&mut self, seq: u64, mac: Hash) {
        self.macs.insert(seq, mac);
    }
}
