//! The open ledger, as the one writer holds it: lines are signed into a batch, the batch is appended and
//! synced; [`super::epoch`] closes epochs, [`super::active`] opens segments. After an error of the disk the same call,
//! and nothing else, may be made again: it does the rest, or all of it with the same bytes. Whoever gives up must not
//! use it again: what is on disk is then unknown, and [`super::open`] finds out.

use std::io;
use std::path::Path;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::active::Segment;
use super::checkpoint::Signer;
use super::epoch::{Closing, Epoch, EpochKeys};
use super::keys::{Entropy, LogId, SignKey};
use super::state::StateFile;
use super::tree::{Hash, Tree, leaf_hash};
use super::{Host, LedgerError, Paths, Written, line};
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
    /// A seal that is being written.
    pub(super) closing: Option<Closing>,
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

    /// Appends the batch to the active segment, syncs it and hands it out. A crash before this returns leaves any
    /// prefix of it on disk, and nobody has been told that it is stored; from then on its lines survive a crash.
    ///
    /// After an error the next call begins with the same bytes: whatever of them is in the file is cut off first.
    /// That also holds for a sync that failed. The kernel may then call pages clean that never came to the disk, but
    /// only pages behind the last sync that succeeded, and those go with the cut and are written anew.
    pub fn store(&mut self) -> Result<Written, LedgerError> {
        self.cut_back()?;
        self.segment.torn = true;
        let path = self.paths.active();
        let file = &mut self.segment.file;
        let appended = file.append(&self.batch).map_err(LedgerError::io("appended to", &path));
        let stored = appended.and_then(|()| file.sync().map_err(LedgerError::io("synced", &path)));
        if let Err(e) = stored {
            // At once, if the disk can do that: who reads the log meanwhile does not see what is not there.
            let _tried_again_with_the_next_call = self.cut_back();
            return Err(e);
        }
        self.segment.torn = false;
        self.segment.len += self.batch.len() as u64;
        let written = Written::of(&self.batch);
        self.batch.clear();
        self.segment.tail.push(&written);
        if let Some((_, closed)) = &mut self.closed {
            closed.tail.make_way(&self.segment.tail);
        }
        Ok(written)
    }

    /// Cuts off what may have been appended and was not synced.
    fn cut_back(&mut self) -> Result<(), LedgerError> {
        if self.segment.torn {
            let (file, path) = (&mut self.segment.file, self.paths.active());
            let cut = file.stat().and_then(|stat| match stat.len > self.segment.len {
                true => file.truncate(self.segment.len),
                false => Ok(()),
            });
            cut.map_err(LedgerError::io("cut back", &path))?;
            self.segment.torn = false;
        }
        Ok(())
    }

    /// Where the segments are, and where keys and seals are.
    pub fn directories(&self) -> [&Path; 2] {
        [&self.paths.log_dir, &self.paths.state_dir]
    }

    /// Makes the log's directories again where somebody has removed them; whether they are there.
    pub fn make_directories(&self) -> bool {
        let mut made = self.directories().into_iter().map(|dir| {
            let made = self.fs.create_dir(dir, Access::Shared);
            made.map_err(|error| tracing::debug!("{dir:?} could not be made again: {error}"))
        });
        made.all(|made| made.is_ok())
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
