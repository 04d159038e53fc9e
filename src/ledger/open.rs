//! Where to go on: a new log is created, a stopped or crashed one is brought back to where nothing is
//! open. What the state file says and what the segments hold are compared; the answer is to go on, to
//! go on and say what is wrong, or to refuse. Never is a history forked or a new one begun in silence.

use std::path::PathBuf;
use std::sync::Arc;

use super::create::create;
use super::keys::Entropy;
use super::recovery::Recovery;
use super::segment::{self, Found};
use super::shelter::put_back;
use super::state::{StateError, StateFile};
pub use super::watched::OnRead;
use super::{Host, Ledger, LedgerError, Paths};
use crate::clock::Now;
use crate::fs::{Access, Fs};
use crate::record::Record;

/// What is needed to open a ledger.
pub struct Setup {
    /// The disk.
    pub fs: Arc<dyn Fs>,
    /// Where the files are.
    pub paths: Paths,
    /// The machine.
    pub host: Host,
    /// Random bytes for keys.
    pub entropy: Entropy,
    /// The peer of the daemon's own records, JSON text.
    pub own_peer: Arc<str>,
    /// A file that may hold the auditor key for a new log; looked at only if one is created.
    pub credential: Option<PathBuf>,
    /// Told what a start reads of the log to bring it back.
    pub on_read: OnRead,
}

/// An open ledger, ready for lines.
pub struct Opened {
    /// The ledger.
    pub ledger: Ledger,
    /// Whether it was created just now.
    pub created: bool,
    /// Whether the host rebooted since the last run, if that did not end with a stop; else none.
    pub crashed: Option<bool>,
    /// What was found, where the last run did not end with a stop: the record that says so, which the
    /// caller writes first.
    pub recovered: Option<Record>,
}

/// Opens the ledger in `setup.paths`, creating it where there is none.
pub fn open(setup: Setup, now: Now) -> Result<Opened, LedgerError> {
    let state_path = setup.paths.state();
    put_back(&setup)?;
    let loaded = match StateFile::load(&*setup.fs, &state_path) {
        // Its very first write was torn.
        Err(StateError::Damaged(_)) if is_unborn(&setup, &list(&setup.paths)?) => {
            // Before the segment goes: without it nothing would tell this from a log whose keys were damaged.
            StateFile::create(&*setup.fs, &state_path)?;
            None
        }
        loaded => loaded?,
    };
    match loaded {
        Some((file, state)) => Recovery::new(setup, file, state)?.run(now),
        None => {
            discard_unborn(&setup, &list(&setup.paths)?)?;
            create(setup, now)
        }
    }
}

fn list(paths: &Paths) -> Result<Vec<Found>, LedgerError> {
    segment::list(&paths.log_dir).map_err(LedgerError::io("listed", &paths.log_dir))
}

/// Without a state there may be no log, but for one whose creation was interrupted.
fn discard_unborn(setup: &Setup, segments: &[Found]) -> Result<(), LedgerError> {
    if segments.is_empty() && !has_seals(setup) {
        return Ok(());
    }
    let (state, log_dir) = (setup.paths.state(), setup.paths.log_dir.clone());
    if !(state.exists() && is_unborn(setup, segments)) {
        return Err(LedgerError::StateMissing { state, log_dir });
    }
    let path = setup.paths.active();
    let discarded = setup.fs.open_append(&path, Access::Shared).and_then(|mut f| f.truncate(0));
    discarded.map_err(LedgerError::io("emptied", &path))
}

/// Whether the log holds its first record at most, so that nobody was told of any line.
fn is_unborn(setup: &Setup, segments: &[Found]) -> bool {
    let [only] = segments else { return false };
    let lines = std::fs::read(&only.path).map(|bytes| memchr::memchr_iter(b'\n', &bytes).count());
    only.path == setup.paths.active()
        && only.header.segment == 0
        && lines.is_ok_and(|lines| lines <= 2)
        && !has_seals(setup)
}

/// Whether a seal was ever written, which no log without a state can have.
fn has_seals(setup: &Setup) -> bool {
    std::fs::metadata(setup.paths.seals()).is_ok_and(|meta| meta.len() > 0)
}
