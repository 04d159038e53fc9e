//! The state file: what the daemon must know to go on, in two slots written in turn, so that a crash
//! leaves the newer or the older one whole (docs/ledger-format.md, "State file").

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use super::keys::{EpochSecret, LogId, SignKey};
use super::tree::{Hash, Tree};
use crate::fs::{Access, File, Fs};

const SLOT: usize = 4096;
const CHECKED: usize = SLOT - 32;
const MAGIC: &[u8; 8] = b"ALSTATE1";

/// Everything in a slot.
pub struct State {
    /// Raised by one at each write; the newest valid slot wins.
    pub counter: u64,
    /// The log.
    pub log_id: LogId,
    /// The boot in which it was written: the first 16 bytes of the SHA-256 of the kernel's boot id.
    pub boot: [u8; 16],
    /// The open epoch, e.
    pub epoch: u64,
    /// S_{e+1}.
    pub next_secret: EpochSecret,
    /// sk_e.
    pub sign_key: SignKey,
    /// Where the last seal stands, or has yet to be written; `None` in epoch 0.
    pub seal: Option<LastSeal>,
}

/// The seal that closed epoch e-1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastSeal {
    /// Its whole line, without LF.
    pub line: Vec<u8>,
    /// The number of the segment it stands in.
    pub segment: u64,
    /// Bytes of that segment before it.
    pub offset: u64,
    /// The tree including it.
    pub tree: Tree,
}

/// Why there is no state to go on from.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It could not be read or written.
    #[error("the key state {path:?} could not be used: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Others can read it.
    #[error(
        "the key state {path:?} has mode {mode:o}, so others may have read the keys; look into who did, then run chmod 600 on it"
    )]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Neither slot has a valid checksum.
    #[error(
        "the key state {0:?} is damaged, so this log cannot be continued; move the log and the state directory aside to start a new log, and keep them"
    )]
    Damaged(PathBuf),
}

/// The open state file.
pub struct StateFile {
    path: PathBuf,
    file: Box<dyn File>,
    slot: u64,
}

impl StateFile {
    /// Reads the newest valid slot; `None` if there is no file or it was never written.
    pub fn load(fs: &dyn Fs, path: &Path) -> Result<Option<(Self, State)>, StateError> {
        let io = |source| StateError::Io { path: path.into(), source };
        let bytes = match fs::read(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => Zeroizing::new(read.map_err(io)?),
        };
        let mode = fs::metadata(path).map_err(io)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(StateError::TooOpen { path: path.into(), mode });
        }
        if bytes.iter().all(|b| *b == 0) {
            // Created, and a crash came before the first write: no line was ever signed with it.
            return Ok(None);
        }
        let mut newest: Option<(u64, State)> = None;
        for (slot, bytes) in bytes.chunks_exact(SLOT).take(2).enumerate() {
            let Some(state) = decode(bytes).map_err(io)? else { continue };
            if newest.as_ref().is_none_or(|(_, other)| other.counter < state.counter) {
                newest = Some((slot as u64, state));
            }
        }
        let (slot, state) = newest.ok_or_else(|| StateError::Damaged(path.into()))?;
        let file = fs.open_slots(path, Access::Private).map_err(io)?;
        Ok(Some((Self { path: path.into(), file, slot }, state)))
    }

    /// Creates the file with both slots preallocated; [`StateFile::write`] is what makes it valid.
    pub fn create(fs: &dyn Fs, path: &Path) -> Result<Self, StateError> {
        let io = |source| StateError::Io { path: path.into(), source };
        let mut file = fs.open_slots(path, Access::Private).map_err(io)?;
        file.write_at(&[0; 2 * SLOT], 0).map_err(io)?;
        file.sync().map_err(io)?;
        if let Some(dir) = path.parent() {
            fs.sync_dir(dir).map_err(io)?;
        }
        Ok(Self { path: path.into(), file, slot: 1 })
    }

    /// Writes the other slot; durable on return. The old slot stays until [`StateFile::wipe_old`]. After an error the
    /// next call writes the same slot.
    pub fn write(&mut self, state: &State) -> Result<(), StateError> {
        let (bytes, slot) = (encode(state), 1 - self.slot);
        self.put(&bytes[..], slot)?;
        self.slot = slot;
        Ok(())
    }

    /// Overwrites the slot before the last one written, and with it keys that must be forgotten.
    pub fn wipe_old(&mut self) -> Result<(), StateError> {
        self.put(&[0; SLOT], 1 - self.slot)
    }

    fn put(&mut self, bytes: &[u8], slot: u64) -> Result<(), StateError> {
        let written = self.file.write_at(bytes, slot * SLOT as u64);
        written
            .and_then(|()| self.file.sync())
            .map_err(|source| StateError::Io { path: self.path.clone(), source })
    }
}

fn encode(state: &State) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(SLOT));
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&state.counter.to_be_bytes());
    out.extend_from_slice(&state.log_id);
    out.extend_from_slice(&state.boot);
    out.extend_from_slice(&state.epoch.to_be_bytes());
    out.extend_from_slice(state.next_secret.bytes());
    out.extend_from_slice(state.sign_key.seed());
    if let Some(seal) = &state.seal {
        out.extend_from_slice(&(seal.line.len() as u16).to_be_bytes());
        out.extend_from_slice(&seal.segment.to_be_bytes());
        out.extend_from_slice(&seal.offset.to_be_bytes());
        out.extend_from_slice(&seal.tree.size().to_be_bytes());
        seal.tree.frontier().iter().for_each(|hash| out.extend_from_slice(hash));
        out.extend_from_slice(&seal.line);
    }
    debug_assert!(out.len() <= CHECKED, "64 subtree roots and a seal line fit");
    out.resize(CHECKED, 0);
    let checksum = Sha256::digest(&out[..]);
    out.extend_from_slice(&checksum);
    out
}

/// `None` if the slot is not valid; an error only if no memory for keys can be had.
fn decode(slot: &[u8]) -> io::Result<Option<State>> {
    let (body, checksum) = slot.split_at(CHECKED);
    if Sha256::digest(body)[..] != *checksum {
        return Ok(None);
    }
    let mut at = Fields(body);
    let Some(fields) = at.fixed() else { return Ok(None) };
    let (counter, log_id, boot, epoch, mut next_secret, mut seed) = fields;
    let Some(seal) = at.seal() else { return Ok(None) };
    let state = State {
        counter,
        log_id,
        boot,
        epoch,
        next_secret: EpochSecret::new(&next_secret)?,
        sign_key: SignKey::from_seed(&seed)?,
        seal,
    };
    next_secret.zeroize();
    seed.zeroize();
    Ok(Some(state))
}

/// Takes fields off the front of a slot.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn fixed(&mut self) -> Option<(u64, LogId, [u8; 16], u64, Hash, Hash)> {
        if self.take::<8>()? != *MAGIC {
            return None;
        }
        let (counter, log_id, boot) = (self.number()?, self.take()?, self.take()?);
        Some((counter, log_id, boot, self.number()?, self.take()?, self.take()?))
    }

    fn seal(&mut self) -> Option<Option<LastSeal>> {
        let len = usize::from(u16::from_be_bytes(self.take()?));
        if len == 0 {
            return Some(None);
        }
        let (segment, offset, size) = (self.number()?, self.number()?, self.number()?);
        let frontier: Option<Vec<Hash>> = (0..size.count_ones()).map(|_| self.take()).collect();
        let tree = Tree::from_frontier(size, frontier?)?;
        let line = self.0.get(..len)?.to_vec();
        Some(Some(LastSeal { line, segment, offset, tree }))
    }

    fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::Real;

    fn state(counter: u64) -> State {
        let mut tree = Tree::default();
        (0u8..=6).for_each(|n| tree.push([n; 32]));
        State {
            counter,
            log_id: [1; 16],
            boot: [4; 16],
            epoch: counter,
            next_secret: EpochSecret::new(&[2; 32]).expect("secret"),
            sign_key: SignKey::from_seed(&[3; 32]).expect("key"),
            seal: Some(LastSeal { line: vec![b'x'; 1400], segment: 4, offset: 5, tree }),
        }
    }

    #[test]
    fn the_newest_valid_slot_wins_and_a_torn_one_does_not_count() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("state");
        let fs = Real::default();
        let mut file = StateFile::create(&fs, &path).expect("create");
        assert!(StateFile::load(&fs, &path).expect("load").is_none(), "never written");
        file.write(&state(1)).expect("write");
        file.write(&state(2)).expect("write");
        let (_, loaded) = StateFile::load(&fs, &path).expect("load").expect("some");
        assert_eq!(loaded.counter, 2);
        assert_eq!(loaded.seal, state(2).seal);

        let mut bytes = fs::read(&path).expect("read");
        bytes[SLOT + 100] ^= 1;
        fs::write(&path, &bytes).expect("write");
        let (_, loaded) = StateFile::load(&fs, &path).expect("load").expect("some");
        assert_eq!(loaded.counter, 1);

        bytes[100] ^= 1;
        fs::write(&path, &bytes).expect("write");
        assert!(matches!(StateFile::load(&fs, &path), Err(StateError::Damaged(_))));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_with_a_right_checksum_make_the_reader_panic(
            fields: Vec<u8>, size: u64, len: u16,
        ) {
            for body in [
                [MAGIC, &fields[..]].concat(),
                // Up to the seal: its length, two numbers and the tree's size.
                [&encode(&state(1))[..112], &len.to_be_bytes(), &[0; 16], &size.to_be_bytes(), &fields].concat(),
            ] {
                let mut slot = body;
                slot.resize(CHECKED, 0);
                let checksum = Sha256::digest(&slot);
                slot.extend_from_slice(&checksum);
                proptest::prop_assert!(decode(&slot).is_ok());
            }
        }
    }

    #[test]
    fn a_wiped_slot_holds_no_key() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("state");
        let fs = Real::default();
        let mut file = StateFile::create(&fs, &path).expect("create");
        file.write(&state(1)).expect("write");
        file.write(&state(2)).expect("write");
        file.wipe_old().expect("wipe");
        let bytes = fs::read(&path).expect("read");
        assert_eq!(bytes.windows(32).filter(|w| *w == [3; 32]).count(), 1);
    }

    #[test]
    fn a_state_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("state");
        let fs = Real::default();
        StateFile::create(&fs, &path).expect("create").write(&state(1)).expect("write");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("chmod");
        assert!(matches!(
            StateFile::load(&fs, &path),
            Err(StateError::TooOpen { mode: 0o640, .. })
        ));
    }
}
