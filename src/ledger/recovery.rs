//! After a stop or a crash: what the state file says is held against what the segments hold.

mod end;
mod lines;
mod newest;

use std::io;
use std::path::Path;

use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use super::active::Segment;
use super::checkpoint::Signer;
use super::epoch::{Epoch, EpochKeys};
use super::files::{create_segment, open_seals, set_aside};
use super::keys::{LogId, SignKey, text};
use super::line::{self, Body};
use super::log::{boot, hex, signer};
use super::open::{Opened, Setup};
use super::seal::{self, Reason};
use super::seals_file;
use super::segment::{Found, Header};
use super::state::{State, StateFile};
use super::tree::Tree;
use super::{Ledger, LedgerError, Paths};
use crate::clock::{Now, rfc3339};
use crate::fs::{self, Access};
use crate::record::Record;
use end::Unsealed;

/// The comparison of state file and segments.
pub(super) struct Recovery {
    setup: Setup,
    state_file: StateFile,
    state: State,
    newest: Option<Found>,
    tree: Tree,
    unsealed: Unsealed,
    /// Sentences about what is not as the daemon left it.
    damage: Vec<String>,
}

impl Recovery {
    pub fn new(setup: Setup, state_file: StateFile, state: State) -> Result<Self, LedgerError> {
        let newest = newest::of(&setup.paths, &state);
        let newest = newest.map_err(LedgerError::io("listed", &setup.paths.log_dir))?;
        let tree = state.seal.as_ref().map(|seal| seal.tree.clone()).unwrap_or_default();
        let unsealed = Unsealed::default();
        Ok(Self { setup, state_file, state, newest, tree, unsealed, damage: Vec::new() })
    }

    pub fn run(mut self, now: Now) -> Result<Opened, LedgerError> {
        let usable = self.locate_end()?;
        let seals_damage = self.complete_seals()?;
        let epoch_lines = self.unsealed.lines;
        // An epoch without lines says nothing by itself: whoever killed the daemon may have cut them.
        let reason = if epoch_lines == 0 && self.damage.is_empty() && self.was_stopped() {
            Reason::Start
        } else {
            Reason::Recovered
        };
        let at_active = self.is_at_active();
        let segment = match (usable, at_active) {
            // Sealed where its lines are, wherever the file was moved while nobody ran.
            (Some(segment), true) => segment,
            (Some(segment), false) if epoch_lines > 0 => segment,
            _ => self.new_segment(now)?,
        };
        let closed_elsewhere = usable_elsewhere(&segment, &self.setup.paths);
        let rebooted = self.state.boot != boot(&self.setup.host.boot_id);
        let is_found =
            reason == Reason::Recovered || self.unsealed.unterminated > 0 || seals_damage.is_some();
        // That seals.jsonl was damaged says nothing about the epoch, and so nothing to its seal.
        self.damage.extend(seals_damage);
        let record = is_found.then(|| {
            let damage = (!self.damage.is_empty()).then(|| self.damage.join("; "));
            Record::Recovered {
                epoch: self.state.epoch,
                lines: epoch_lines,
                cut_bytes: self.unsealed.unterminated + self.unsealed.garbage,
                rebooted,
                damage,
            }
        });
        let crashed = (!self.was_stopped()).then_some(rebooted);
        let mut ledger = self.into_ledger(segment)?;
        ledger.close_epoch(reason, now)?;
        if closed_elsewhere {
            ledger.open_segment(now)?;
        }
        Ok(Opened { ledger, created: false, crashed, recovered: record })
    }

    /// Whether the last run ended with a stop: nothing but its seal can have been the last line.
    fn was_stopped(&self) -> bool {
        let last = self.state.seal.as_ref().and_then(|last| line::parse(&last.line).ok());
        last.is_some_and(|line| match line.body {
            Body::Seal(json) => seal::parse(json).is_ok_and(|seal| seal.reason == Reason::Stop),
            Body::Event { .. } => false,
        })
    }

    fn is_at_active(&self) -> bool {
        self.newest.as_ref().is_some_and(|found| found.path == self.setup.paths.active())
    }

    /// Opens a new segment at the active path; what stands there is moved aside.
    fn new_segment(&mut self, now: Now) -> Result<Segment, LedgerError> {
        let (fs, paths) = (&*self.setup.fs, &self.setup.paths);
        if let Some(aside) = set_aside(fs, paths, "damaged")? {
            self.damage.push(format!("what was at the active path is now {aside:?}"));
        }
        let known = self.state.seal.as_ref().map_or(0, |last| last.segment);
        let found = self.newest.as_ref().map_or(0, |found| found.header.segment);
        let number = known.max(found) + 1;
        let opened = rfc3339(now.wall_ns);
        let host = &self.setup.host.name;
        let header = Header::new(&self.state.log_id, host, number, &self.tree, opened);
        create_segment(fs, paths, &header)
    }

    fn complete_seals(&self) -> Result<Option<String>, LedgerError> {
        let Some(last) = &self.state.seal else { return Ok(None) };
        let Setup { fs, paths, on_read, .. } = &self.setup;
        let log_id = hex(&self.state.log_id);
        seals_file::complete(&**fs, paths, &log_id, &last.line, on_read)
    }

    fn into_ledger(self, segment: Segment) -> Result<Ledger, LedgerError> {
        let Self { setup, state_file, state, tree, .. } = self;
        let seals = open_seals(&*setup.fs, &setup.paths)?;
        let signer = open_signer(&setup, &state.log_id)?;
        let (first_seq, prev) = match &state.seal {
            Some(last) => (last.tree.size(), seal::hash(&last.line)),
            None => (0, [0; 32]),
        };
        Ok(Ledger {
            signer,
            fs: setup.fs,
            paths: setup.paths,
            host: setup.host,
            entropy: setup.entropy,
            log_id: state.log_id,
            log_id_hex: hex(&state.log_id),
            state: state_file,
            counter: state.counter,
            keys: EpochKeys::from(&state)?,
            epoch: Epoch { number: state.epoch, first_seq, prev },
            tree,
            segment,
            closed: None,
            seals,
            batch: Vec::new(),
            closing: None,
        })
    }
}

/// Whether the open epoch's own key signed this seal: then it was closed, and the state is a copy of before.
fn is_signed(state: &State, seal: &[u8]) -> bool {
    seal::verify(seal, &state.log_id, &state.sign_key.public())
}

fn state_older(setup: &Setup, found: &Found) -> LedgerError {
    LedgerError::StateOlder { state: setup.paths.state(), segment: found.path.clone() }
}

/// Whether `segment` is not the file at the active path.
fn usable_elsewhere(segment: &Segment, paths: &Paths) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(paths.active()).map_or(true, |meta| (meta.dev(), meta.ino()) != segment.id)
}

/// The signer of checkpoints; its verifier key is put back where that was lost.
fn open_signer(setup: &Setup, log_id: &LogId) -> Result<Signer, LedgerError> {
    let Setup { paths, host, .. } = setup;
    let key = read_key(&paths.checkpoint_key())?;
    let path = paths.checkpoint_vkey();
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    let signer = signer(paths, key, &host.name, log_id, &known)?;
    let text = format!("{}\n", signer.verifier_key());
    if known != text {
        fs::replace(&*setup.fs, &path, text.as_bytes(), Access::Shared)
            .map_err(LedgerError::io("written", &path))?;
    }
    Ok(signer)
}

fn read_key(path: &Path) -> Result<SignKey, LedgerError> {
    let read = || {
        let text = text::read(std::fs::File::open(path)?)?;
        let mut seed = Zeroizing::new([0; 32]);
        let digits = text.trim_end().as_bytes();
        let decoded = (digits.len() == 64).then(|| HEXLOWER.decode_mut(digits, &mut *seed));
        match decoded {
            Some(Ok(_)) => SignKey::from_seed(&seed),
            _ => Err(io::Error::other("not 64 hex digits")),
        }
    };
    read().map_err(LedgerError::io("read", path))
}
