//! The open ledger, as the one writer holds it: lines are signed into a batch, the batch is appended and
//! synced, epochs are closed, segments opened. After any error it must not be used again: what is on
//! disk is then unknown, and [`super::open`] finds out.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::checkpoint::Signer;
use super::files::{append_seal, create_segment};
use super::keys::{Entropy, EpochSecret, LogId, Ratchet, SignKey};
use super::seal::{self, Hex, Reason, Seal};
use super::segment::Header;
use super::state::{LastSeal, State, StateFile};
use super::tail::Tail;
use super::tree::{Hash, Tree, leaf_hash};
use super::{Host, LedgerError, Paths, line};
use crate::clock::{Now, rfc3339};
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

/// The keys of the open epoch e.
pub(super) struct EpochKeys {
    /// K_{e,i}; `None` after a crash, when it is lost and only a seal may follow.
    pub ratchet: Option<Ratchet>,
    /// S_{e+1}.
    pub next_secret: EpochSecret,
    /// sk_e.
    pub sign_key: SignKey,
}

impl EpochKeys {
    /// The keys in a state; the line key is not among them.
    pub fn from(state: &State) -> Result<Self, LedgerError> {
        let copy = || {
            Ok(Self {
                ratchet: None,
                next_secret: EpochSecret::new(state.next_secret.bytes())?,
                sign_key: SignKey::from_seed(state.sign_key.seed())?,
            })
        };
        copy().map_err(|source: std::io::Error| LedgerError::Io {
            action: "given locked memory for",
            path: "the keys".into(),
            source,
        })
    }
}

/// The open epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Epoch {
    pub number: u64,
    pub first_seq: u64,
    /// SHA-256 of the last seal's line; zeros before the first.
    pub prev: Hash,
}

/// The segment that is appended to.
pub(super) struct Segment {
    pub file: Box<dyn File>,
    pub number: u64,
    /// SHA-256 of its header line without LF, which its seals repeat.
    pub header_hash: Hash,
    pub header: Header,
    /// Bytes that this daemon knows to be in it.
    pub len: u64,
    pub id: (u64, u64),
    pub tail: Tail,
}

impl Segment {
    /// One that `file` holds, of which `len` bytes are the segment's.
    pub fn new(file: Box<dyn File>, header: &Header, len: u64) -> io::Result<Self> {
        let id = file.stat()?.id;
        let (number, header_hash) = (header.segment, header.hash());
        Ok(Self {
            file,
            number,
            header_hash,
            header: header.clone(),
            len,
            id,
            tail: Tail::new(len),
        })
    }
}

/// How the active segment's file was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActiveFile {
    /// As it was left.
    Intact,
    /// It has another name; whatever stands at its path is not it.
    Renamed,
    /// It has no name any more: its bytes are gone as soon as it is closed.
    Unlinked,
    /// It does not have the length it was left with.
    Resized {
        /// Bytes it should have.
        expected: u64,
        /// Bytes it has.
        found: u64,
    },
}

impl fmt::Display for ActiveFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ActiveFile::Intact => f.write_str("the active file is as it was left"),
            ActiveFile::Renamed => f.write_str("the active file was renamed"),
            ActiveFile::Unlinked => f.write_str("the active file was deleted"),
            ActiveFile::Resized { expected, found } => {
                write!(f, "the active file had {found} bytes instead of {expected}")
            }
        }
    }
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

    /// The open epoch's number.
    pub fn epoch(&self) -> u64 {
        self.epoch.number
    }

    /// Lines of the open epoch.
    pub fn epoch_lines(&self) -> u64 {
        self.tree.size() - self.epoch.first_seq
    }

    /// The active segment's number.
    pub fn segment(&self) -> u64 {
        self.segment.number
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

    /// Closes the open epoch: its seal is appended, its keys are forgotten. All lines before must be
    /// synced. Each step is durable before the next; a crash between any two is answered by
    /// [`super::open`] with the very same bytes. Returns the seal's line with its LF.
    pub fn close_epoch(&mut self, reason: Reason, now: Now) -> Result<Vec<u8>, LedgerError> {
        debug_assert!(self.batch.is_empty(), "lines are synced before their seal");
        let entropy = LedgerError::io("filled with random bytes for", &self.paths.state_dir);
        let new_sign_key = SignKey::generate(&mut self.entropy).map_err(entropy)?;
        let (mut ratchet, next_secret) = self.derive_next()?;
        let mut line = self.seal_line(reason, now, &new_sign_key);
        let mac = match (&mut self.keys.ratchet, reason.key_was_lost()) {
            (Some(key), false) => key.mac(&line),
            _ => ratchet.mac(&line),
        };
        line::push_tail(&mut line, &mac);
        let mut tree = self.tree.clone();
        tree.push(leaf_hash(&line));

        // A crash before this write: the epoch is still open and is closed again at the next start.
        let state = State {
            counter: self.counter + 1,
            log_id: self.log_id,
            boot: boot(&self.host.boot_id),
            epoch: self.epoch.number + 1,
            next_secret,
            sign_key: new_sign_key,
            seal: Some(LastSeal {
                line: line.clone(),
                segment: self.segment.number,
                offset: self.segment.len,
                tree: tree.clone(),
            }),
        };
        self.state.write(&state)?;
        // A crash from here on: the seal is replayed from the state file, byte for byte.
        self.epoch = Epoch { number: state.epoch, first_seq: tree.size(), prev: seal::hash(&line) };
        line.push(b'\n');
        self.batch = line;
        self.append()?;
        self.segment.tail.sealed(now.boot_ns);
        let line = self.sync()?;
        // A crash before this: the start completes seals.jsonl from the state file.
        append_seal(&mut *self.seals, &self.paths, &line)?;
        // Only now is the old slot, with S_{e+1} and sk_e, not needed any more.
        self.state.wipe_old()?;
        self.counter = state.counter;
        self.tree = tree;
        self.keys = EpochKeys {
            ratchet: Some(ratchet),
            next_secret: state.next_secret,
            sign_key: state.sign_key,
        };
        self.publish_checkpoint()?;
        Ok(line)
    }

    /// Opens a new segment at the active path, after whatever is there has been moved away. Outside of
    /// damage this comes right after a seal.
    pub fn open_segment(&mut self, now: Now) -> Result<(), LedgerError> {
        let number = self.segment.number + 1;
        let opened = rfc3339(now.wall_ns);
        let header = Header::new(&self.log_id, &self.host.name, number, &self.tree, opened);
        let new = create_segment(&*self.fs, &self.paths, &header)?;
        let old = std::mem::replace(&mut self.segment, new);
        // What was found cut is not looked at again.
        let len = old.file.stat().map_err(LedgerError::io("looked at", &self.paths.log_dir))?.len;
        self.closed = (len == old.len).then_some((now.boot_ns, old));
        Ok(())
    }

    /// Whether the active segment's file is still where and what this daemon left.
    pub fn check_active(&self) -> Result<ActiveFile, LedgerError> {
        let path = self.paths.active();
        let stat = self.segment.file.stat().map_err(LedgerError::io("looked at", &path))?;
        if stat.links == 0 {
            return Ok(ActiveFile::Unlinked);
        }
        if stat.len != self.segment.len {
            return Ok(ActiveFile::Resized { expected: self.segment.len, found: stat.len });
        }
        match std::fs::metadata(&path) {
            Ok(meta) if (meta.dev(), meta.ino()) == self.segment.id => Ok(ActiveFile::Intact),
            _ => Ok(ActiveFile::Renamed),
        }
    }

    /// K_{e+1,0} and S_{e+2}.
    fn derive_next(&self) -> Result<(Ratchet, EpochSecret), LedgerError> {
        let next = self.epoch.number + 1;
        let secret = &self.keys.next_secret;
        let derived = secret
            .ratchet(&self.log_id, next)
            .and_then(|ratchet| Ok((ratchet, secret.next(&self.log_id, next)?)));
        derived.map_err(LedgerError::io("given locked memory for", &self.paths.state_dir))
    }

    /// The seal's line up to its tail.
    fn seal_line(&self, reason: Reason, now: Now, next_key: &SignKey) -> Vec<u8> {
        let seal = Seal {
            epoch: self.epoch.number,
            first_seq: self.epoch.first_seq,
            size: self.tree.size(),
            root: Hex(self.tree.root()),
            prev: Hex(self.epoch.prev),
            header: Hex(self.segment.header_hash),
            next_pub: Hex(next_key.public()),
            boottime_ns: now.boot_ns,
            boot_id: self.host.boot_id.clone(),
            reason,
        };
        let mut id = Vec::with_capacity(40);
        line::push_default_id(&mut id, &self.log_id_hex, seal.size);
        let mut line = Vec::with_capacity(1024);
        let ts = rfc3339(now.wall_ns);
        seal::push(&mut line, &self.log_id, &ts, &id, &seal, &self.keys.sign_key);
        line
    }

    /// The checkpoint of the tree as it is, a signed note; the same bytes each time.
    pub fn checkpoint(&self) -> Result<String, LedgerError> {
        let note = self.signer.sign(&self.tree).map_err(io::Error::other);
        let note = note.map_err(LedgerError::io("signed for", &self.paths.checkpoint()))?;
        Ok(note.to_string())
    }

    fn publish_checkpoint(&self) -> Result<(), LedgerError> {
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
