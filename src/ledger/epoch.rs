//! Closing an epoch: a seal with the next epoch's key, and the old keys forgotten.

use super::files::append_seal;
use super::keys::{EpochSecret, Ratchet, SignKey};
use super::log::boot;
use super::seal::{self, Hex, Reason, Seal};
use super::state::{LastSeal, State};
use super::tree::{Hash, Tree, leaf_hash};
use super::{Ledger, LedgerError, Written, line};
use crate::clock::{Now, rfc3339};

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

/// A seal on its way to the disk. The disk may fail at each step; the next try goes on with that step, and never
/// with another seal: the state file names this one.
pub(super) struct Closing {
    state: State,
    ratchet: Ratchet,
    tree: Tree,
    /// The seal's line with its LF.
    line: Vec<u8>,
    boot_ns: u64,
    step: Step,
    /// Bytes of seals.jsonl before it.
    seals_len: Option<u64>,
}

/// What is to be done next for a seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    State,
    Line,
    Seals,
    Keys,
    Checkpoint,
    Done,
}

impl Ledger {
    /// The open epoch's number.
    pub fn epoch(&self) -> u64 {
        self.epoch.number
    }

    /// Lines of the open epoch.
    pub fn epoch_lines(&self) -> u64 {
        self.tree.size() - self.epoch.first_seq
    }

    /// Closes the open epoch: its seal is appended, its keys are forgotten. All lines before must be
    /// synced. Each step is durable before the next; a crash between any two is answered by
    /// [`super::open`] with the very same bytes. Returns the seal's line. After an error the next call
    /// goes on with the same seal, whatever it is given.
    pub fn close_epoch(&mut self, reason: Reason, now: Now) -> Result<Written, LedgerError> {
        let mut closing = match self.closing.take() {
            Some(begun) => begun,
            None => self.begin_closing(reason, now)?,
        };
        while closing.step != Step::Done {
            if let Err(e) = self.step(&mut closing) {
                self.closing = Some(closing);
                return Err(e);
            }
        }
        let Closing { state, ratchet, line, .. } = closing;
        self.counter = state.counter;
        self.keys = EpochKeys {
            ratchet: Some(ratchet),
            next_secret: state.next_secret,
            sign_key: state.sign_key,
        };
        Ok(Written::of(&line))
    }

    fn begin_closing(&mut self, reason: Reason, now: Now) -> Result<Closing, LedgerError> {
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
        line.push(b'\n');
        let (boot_ns, step) = (now.boot_ns, Step::State);
        Ok(Closing { state, ratchet, tree, line, boot_ns, step, seals_len: None })
    }

    fn step(&mut self, closing: &mut Closing) -> Result<(), LedgerError> {
        let Closing { state, tree, line, boot_ns, step, seals_len, .. } = closing;
        *step = match step {
            // A crash before this write: the epoch is still open and is closed again at the next start.
            Step::State => {
                self.state.write(state)?;
                // A crash from here on: the seal is replayed from the state file, byte for byte.
                let prev = seal::hash(&line[..line.len() - 1]);
                self.epoch = Epoch { number: state.epoch, first_seq: tree.size(), prev };
                self.batch.clone_from(line);
                Step::Line
            }
            Step::Line => {
                self.store()?;
                self.segment.tail.sealed(*boot_ns);
                Step::Seals
            }
            // A crash before this: the start completes seals.jsonl from the state file.
            Step::Seals => {
                append_seal(&mut *self.seals, &self.paths, line, seals_len)?;
                Step::Keys
            }
            // Only now is the old slot, with S_{e+1} and sk_e, not needed any more.
            Step::Keys => {
                self.state.wipe_old()?;
                Step::Checkpoint
            }
            Step::Checkpoint | Step::Done => {
                self.tree.clone_from(tree);
                self.publish_checkpoint()?;
                Step::Done
            }
        };
        Ok(())
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
}
