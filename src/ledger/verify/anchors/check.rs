//! Each anchor against what was read at the place that it names.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;

use super::{Anchored, Covered, Given, KeyFrom, Places};
use crate::clock::rfc3339;
use crate::ledger::anchor::{Anchor, Receipt};
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::keys::LogId;
use crate::ledger::note::Note;
use crate::ledger::tree::Hash;
use crate::ledger::verify::chain::Hole;
use crate::ledger::verify::{Finding, Options, Verdict};

/// Sentences about anchors that could not be checked.
const MOST_SENTENCES: usize = 100;

/// What else it can mean that files beside a copy know more than the copy's segments.
pub const LATER_COPY: &str = "either the segments were copied first, while the daemon wrote, or the log's end was cut; copy the files of the state directory first and the segments after them, or verify on the host";

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
