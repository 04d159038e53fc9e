//! The open ledger, as the one writer holds it: lines are signed into a batch, the batch is appended and
//! synced; [`super::epoch`] closes epochs, [`super::active`] opens segments. After any error it must not be used
//! again: what is on disk is then unknown, and [`super::open`] finds out.

use std::io;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::active::Segment;
use super::checkpoint::Signer;
use super::epoch::{Epoch, EpochKeys};
use super::keys::{Entropy, LogId, SignKey};
use super::state::StateFile;
use super::tree::{Hash, Tree, leaf_hash};
use super::{Host, LedgerError, Paths, line};
use crate::fs::{self, Access, File, Fs};

/// The open ledger.
pub struct Ledger {
    pub(super) fs: Arc<dyn Fs>,
    pub(super) paths: Paths,
    pub(super) host: Host,
    pub(super) entropy: Entropy,
    pub(super) log_id: LogId,
    pub(super) log_id_hex: String,
    pub(super) state: StateFile,
    pub(super) counter: u64,
    pub(super) keys: EpochKeys,
    pub(super) signer: Signer,
    pub(super) epoch: Epoch,
    pub(super) tree: Tree,
    pub(super) segment: Segment,
    /// The segment before it, for a while, and CLOCK_BOOTTIME when it was closed.
    pub(super) closed: Option<(u64, Segment)>,
    pub(super) seals: Box<dyn File>,
    /// Signed lines that are not yet in the file.
    pub(super) batch: Vec<u8>,
}

impl Ledger {
    /// The log's id, 32 hex digits.
    pub fn log_id(&self) -> &str {
        &self.log_id_hex
    }

    /// The next leaf's sequence number, lines signed but not yet appended included.
    pub fn next_seq(&self) -> u64 {
        self.tree.size()
    }

    /// Signs one event line into the batch; `id` is a JSON string, or empty for the default one.
    /// Returns its sequence number and mac.
    pub fn sign(
        &mut self,
        ts: &str,
        id: &[u8],
        peer: &str,
        event: &[u8],
    ) -> Result<(u64, [u8; 64]), LedgerError> {
        let seq = self.tree.size();
        let start = self.batch.len();
        if id.is_empty() {
            let mut id = Vec::with_capacity(40);
            line::push_default_id(&mut id, &self.log_id_hex, seq);
            line::push_event(&mut self.batch, seq, ts, &id, peer, event);
        } else {
            line::push_event(&mut self.batch, seq, ts, id, peer, event);
        }
        let ratchet = self.keys.ratchet.as_mut().ok_or_else(no_key)?;
        let mac = ratchet.mac(&self.batch[start..]);
        let hex = line::push_tail(&mut self.batch, &mac);
        debug_assert!(self.batch.len() - start <= line::MAX, "callers bound id, peer and event");
        self.tree.push(leaf_hash(&self.batch[start..]));
        self.batch.push(b'\n');
        Ok((seq, hex))
    }

    /// Appends the batch to the active segment. A crash now leaves any prefix of it on disk; nobody has
    /// been told that it is stored.
    pub fn append(&mut self) -> Result<(), LedgerError> {
        let path = self.paths.active();
        self.segment.file.append(&self.batch).map_err(LedgerError::io("appended to", &path))?;
        self.segment.len += self.batch.len() as u64;
        self.segment.tail.push(&self.batch);
        Ok(())
    }

    /// Syncs the active segment and hands out the batch. From here on its lines survive a crash.
    pub fn sync(&mut self) -> Result<Vec<u8>, LedgerError> {
        let path = self.paths.active();
        self.segment.file.sync().map_err(LedgerError::io("synced", &path))?;
        let capacity = self.batch.len();
        Ok(std::mem::replace(&mut self.batch, Vec::with_capacity(capacity)))
    }

    /// The checkpoint of the tree as it is, a signed note; the same bytes each time.
    pub fn checkpoint(&self) -> Result<String, LedgerError> {
        let note = self.signer.sign(&self.tree).map_err(io::Error::other);
        let note = note.map_err(LedgerError::io("signed for", &self.paths.checkpoint()))?;
        Ok(note.to_string())
    }

    pub(super) fn publish_checkpoint(&self) -> Result<(), LedgerError> {
        let path = self.paths.checkpoint();
        let note = self.checkpoint()?;
        fs::replace(&*self.fs, &path, note.as_bytes(), Access::Shared)
            .map_err(LedgerError::io("replaced", &path))
    }
}

/// What signs the checkpoints, with the verifier key as it is `known` so far.
pub(super) fn signer(
    paths: &Paths,
    key: SignKey,
    host: &str,
    log_id: &LogId,
    known: &str,
) -> Result<Signer, LedgerError> {
    let path = paths.checkpoint_key();
    let signer = Signer::new(key, host, log_id, known).map_err(io::Error::other);
    signer.map_err(LedgerError::io("used", &path))
}

/// How a boot id stands in the state file.
pub(super) fn boot(boot_id: &str) -> [u8; 16] {
    let hash: Hash = Sha256::digest(boot_id).into();
    let mut short = [0; 16];
    short.copy_from_slice(&hash[..16]);
    short
}

/// The log id as it is written.
pub(super) fn hex(log_id: &LogId) -> String {
    HEXLOWER.encode(log_id)
}

/// A line was to be signed before the seal that must follow a recovery: a defect of the caller.
fn no_key() -> LedgerError {
    let source = std::io::Error::other("the epoch's line key is gone");
    LedgerError::Io { action: "signed for", path: "audit.jsonl".into(), source }
}
