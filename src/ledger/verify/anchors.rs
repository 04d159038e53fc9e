//! What was kept off the host, against what the log holds: a log that was cut, rolled back or replaced as
//! a whole is found out by this only.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::chain::Hole;
use super::{Finding, Options, Paths, Verdict};
use crate::clock::rfc3339;
use crate::fs::open_regular;
use crate::ledger::anchor::{self, Anchor, AnchorError, Anchors, Receipt};
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::keys::LogId;
use crate::ledger::note::{Note, Signed, VerifierKey};
use crate::ledger::tree::{Hash, Tree};

/// Sentences about anchors that could not be checked.
const MOST_SENTENCES: usize = 100;

/// Bytes of a file of the daemon's with a checkpoint for each witness.
const MOST_BESIDE: usize = 1 << 20;

/// What else it can mean that files beside a copy know more than the copy's segments.
pub const LATER_COPY: &str = "either the segments were copied first, while the daemon wrote, or the log's end was cut; copy the files of the state directory first and the segments after them, or verify on the host";

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
    /// [`Options::checkpoint_key`], since leaf 0 was not read.
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

/// Which leaves were read: [first, end) without what is in the holes.
#[derive(Clone, Copy)]
pub struct Leaves<'a> {
    pub first: u64,
    pub end: u64,
    pub holes: &'a [Hole],
}

impl Leaves<'_> {
    /// Why a leaf was not read.
    fn why_not(&self, seq: u64) -> String {
        match self.holes.iter().find(|hole| hole.holds(seq)) {
            Some(Hole { first_seq, through_seq, .. }) => {
                format!("retention deleted lines {first_seq} to {through_seq}")
            }
            None => format!("what was read begins at seq {}", self.first),
        }
    }
}

/// Holds the anchors of a run against the log.
pub struct Check<'a> {
    pub log_id: LogId,
    pub read: Leaves<'a>,
    pub places: &'a Places,
    pub options: &'a Options,
    /// What the log is evidence of, so far.
    pub anchored: Anchored,
    /// Whether the anchors are files beside a copy of the log, which may be newer than its segments.
    pub beside_a_copy: bool,
    /// By size: the first root that was signed for it, and where that was.
    signed: BTreeMap<u64, (Hash, &'a str)>,
}

impl<'a> Check<'a> {
    pub fn new(
        log_id: LogId,
        read: Leaves<'a>,
        places: &'a Places,
        options: &'a Options,
        anchored: Anchored,
    ) -> Self {
        let signed = BTreeMap::new();
        Self { log_id, read, places, options, anchored, beside_a_copy: false, signed }
    }

    /// Checks anchors; returns what they are evidence of.
    pub fn all(&mut self, given: &'a [Given]) -> Vec<Finding> {
        given.iter().filter_map(|given| self.anchor(given).err()).collect()
    }

    fn anchor(&mut self, given: &'a Given) -> Result<(), Finding> {
        let from = &given.from[..];
        match &given.anchor {
            Anchor::Checkpoint { note, checkpoint } => self.checkpoint(from, note, checkpoint),
            Anchor::Receipt(receipt) => self.receipt(from, receipt),
        }
    }

    fn same_log(&self, from: &str, what: &str, log_id: Option<LogId>) -> Result<(), Finding> {
        if log_id == Some(self.log_id) {
            return Ok(());
        }
        let of = log_id.map_or("unknown".to_owned(), |id| HEXLOWER.encode(&id));
        let this = HEXLOWER.encode(&self.log_id);
        let message =
            format!("{from}: the {what} is of another log ({of}), not of this one ({this})");
        Err(Finding::new(Verdict::Unverifiable, message))
    }

    fn checkpoint(
        &mut self,
        from: &'a str,
        note: &Note,
        checkpoint: &Checkpoint,
    ) -> Result<(), Finding> {
        self.same_log(from, "checkpoint", checkpoint.log_id())?;
        self.check_signature(from, note)?;
        let Checkpoint { size, root, .. } = *checkpoint;
        if let Some((_, first)) = self.signed.get(&size).filter(|(other, _)| *other != root) {
            return Err(Finding::new(
                Verdict::Tampered,
                format!(
                    "{from} and {first} hold two different signed checkpoints of the same {size} lines: the log has two histories"
                ),
            ));
        }
        self.signed.entry(size).or_insert((root, from));
        if size > self.read.end {
            return Err(self.beyond_the_end(from, size));
        }
        match self.places.roots.get(&size) {
            Some((found, _)) if *found != root => Err(Finding::new(
                Verdict::Tampered,
                format!(
                    "{from}: the log's first {size} lines are not the ones that the signed checkpoint was made for: they were replaced"
                ),
            )),
            Some((_, ts_ns)) => {
                self.cover(Covered { size, ts_ns: *ts_ns, from: from.to_owned() });
                Ok(())
            }
            None => {
                self.unchecked(format!(
                    "{from}: the checkpoint of {size} lines cannot be checked any more, since {}",
                    self.read.why_not(size.saturating_sub(1))
                ));
                Ok(())
            }
        }
    }

    fn beyond_the_end(&self, from: &str, size: u64) -> Finding {
        let (verdict, why) = match (self.beside_a_copy, self.options.live) {
            (true, _) => (Verdict::Incomplete, LATER_COPY),
            (false, true) => (Verdict::Tampered, "it was cut or rolled back"),
            (false, false) => (
                Verdict::Tampered,
                "it was cut or rolled back, or this copy is older than the checkpoint",
            ),
        };
        let end = self.read.end;
        let message = format!(
            "{from}: a signed checkpoint says that the log had {size} lines, and it has {end} now: {why}"
        );
        Finding::new(verdict, message)
    }

    fn check_signature(&mut self, from: &str, note: &Note) -> Result<(), Finding> {
        let (key, key_from) = match (&self.places.key, &self.options.checkpoint_key) {
            (Some(key), Some(given)) if key != given => {
                let message = format!(
                    "{from}: the checkpoint cannot be trusted, since leaf 0 names another key of checkpoints ({key}) than the one that was pinned ({given})"
                );
                return Err(Finding::new(Verdict::Unverifiable, message));
            }
            (Some(key), _) => (key, KeyFrom::Log),
            (None, Some(key)) => (key, KeyFrom::Given),
            (None, None) => {
                let message = format!(
                    "{from}: the checkpoint cannot be checked, since leaf 0, which names the key of checkpoints, was not read; give the key with --vkey"
                );
                return Err(Finding::new(Verdict::Unverifiable, message));
            }
        };
        note.verify(key).map_err(|e| {
            let message = format!("{from}: the checkpoint is not signed by this log's key: {e}");
            Finding::new(Verdict::Unverifiable, message)
        })?;
        self.anchored.key_from = Some(key_from);
        Ok(())
    }

    fn cover(&mut self, covered: Covered) {
        self.anchored.checkpoints += 1;
        if covered.size == 0 {
            return;
        }
        if self.anchored.covered.as_ref().is_none_or(|old| old.size < covered.size) {
            self.anchored.covered = Some(covered);
        }
    }

    fn receipt(&mut self, from: &str, receipt: &Receipt) -> Result<(), Finding> {
        self.same_log(from, "receipt", Some(receipt.log_id))?;
        let Receipt { seq, mac, received_ns, .. } = *receipt;
        let when = rfc3339(received_ns);
        let tampered = |what: &str| {
            let message =
                format!("{from}: a client got a receipt for seq {seq} at {when}, and {what}");
            Err(Finding::new(Verdict::Tampered, message))
        };
        match self.places.macs.get(&seq) {
            _ if seq >= self.read.end => {
                tampered("the log ends before it: it was cut or rolled back")
            }
            Some(found) if *found != mac => tampered("another line stands there now"),
            Some(_) => {
                self.anchored.receipts += 1;
                self.anchored.last_receipt = self.anchored.last_receipt.max(Some(seq));
                Ok(())
            }
            None => {
                self.unchecked(format!(
                    "{from}: the receipt for seq {seq} cannot be checked any more, since {}",
                    self.read.why_not(seq)
                ));
                Ok(())
            }
        }
    }

    fn unchecked(&mut self, sentence: String) {
        if self.anchored.unchecked.len() < MOST_SENTENCES {
            self.anchored.unchecked.push(sentence);
        }
    }
}

/// What the witnesses of `options` have cosigned of the log's own checkpoints. The strings say which
/// witnesses have cosigned nothing.
pub fn cosigned_by_witnesses(options: &Options, own: &[Given]) -> (Vec<Given>, Vec<String>) {
    let (mut given, mut silent) = (Vec::new(), Vec::new());
    for witness in &options.witnesses {
        let before = given.len();
        given.extend(own.iter().filter_map(|own| cosigned(&own.anchor, witness)));
        if given.len() == before {
            let name = witness.name();
            silent.push(format!("no checkpoint beside the log is cosigned by {name}"));
        }
    }
    (given, silent)
}

/// The checkpoints that the daemon left beside the log. A missing or damaged file is one without.
pub fn beside_the_log(paths: &Paths) -> Vec<Given> {
    let files = [paths.cosigned(), paths.checkpoint()];
    let read = files.iter().filter_map(|path| {
        let file = open_regular(path).ok()?;
        Some((path, read_from(file, MOST_BESIDE).ok()?))
    });
    let all = read.flat_map(|(path, anchors)| {
        let from = path.display().to_string();
        anchors.list.into_iter().map(move |anchor| Given { from: from.clone(), anchor })
    });
    all.filter(|given| matches!(given.anchor, Anchor::Checkpoint { .. })).collect()
}

/// The anchors in a file, or in what comes out of a pipe; and whether it was only the end of a file that is
/// longer than [`anchor::MAX_TEXT`]. There the newest checkpoints are, which cover what older ones do.
pub fn read(path: &Path) -> Result<(Anchors, bool), ReadError> {
    let mut file = File::open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() || meta.len() <= anchor::MAX_TEXT as u64 {
        return Ok((read_from(file, anchor::MAX_TEXT)?, false));
    }
    file.seek(SeekFrom::Start(meta.len() - anchor::MAX_TEXT as u64))?;
    let mut end = Vec::new();
    file.take(anchor::MAX_TEXT as u64).read_to_end(&mut end)?;
    // It may begin inside of a line.
    let line = memchr::memchr(b'\n', &end).map_or(end.len(), |at| at + 1);
    Ok((anchor::read(&String::from_utf8_lossy(&end[line..]))?, true))
}

fn read_from(file: File, most: usize) -> Result<Anchors, ReadError> {
    let mut text = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut text)?;
    if text.len() > most {
        return Err(AnchorError::TooLong.into());
    }
    Ok(anchor::read(&String::from_utf8_lossy(&text))?)
}

/// Why a file is of no use as an anchor.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It holds no anchor, or a damaged one.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
}

fn cosigned(anchor: &Anchor, witness: &VerifierKey) -> Option<Given> {
    let Anchor::Checkpoint { note, .. } = anchor else { return None };
    let Ok(Signed::At(seconds)) = note.verify(witness) else { return None };
    let ns = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000_000);
    let from = format!("the witness {} at {}", witness.name(), rfc3339(ns));
    Some(Given { from, anchor: anchor.clone() })
}
