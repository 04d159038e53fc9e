//! The signed ledger: its format, its keys, its files, and how it is read and verified.
//!
//! [`mod@line`], [`seal`], [`segment`] and [`tree`] are the format; [`keys`] and [`state`] what makes it
//! hard to change; [`Ledger`] is what the one writer holds; [`open`] finds out after a stop or a crash
//! where to go on; [`reader`], [`backwards`] and [`verify`] never write.

mod active;
pub mod anchor;
pub mod auditor;
pub mod backwards;
pub mod checkpoint;
mod create;
mod decommissioned;
mod epoch;
mod files;
pub mod hex;
pub mod keys;
pub mod line;
mod log;
pub mod note;
pub mod open;
pub mod proof;
mod pruned;
pub mod reader;
mod recovery;
mod rescue;
mod rotate;
pub mod seal;
mod seals_file;
pub mod segment;
mod shelter;
pub mod state;
mod tail;
mod torn;
pub mod tree;
pub mod verify;
mod watched;
mod written;

use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

pub use active::ActiveFile;
pub use decommissioned::Decommissioned;
pub use log::Ledger;
pub use rescue::Rescued;
pub use written::Written;

/// The version of the ledger's format.
pub const FORMAT: u32 = 1;

/// Where a log's files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// Segments.
    pub log_dir: PathBuf,
    /// Keys, seals, checkpoint.
    pub state_dir: PathBuf,
}

impl Paths {
    /// The segment that is written.
    pub fn active(&self) -> PathBuf {
        self.log_dir.join("audit.jsonl")
    }

    /// Every seal ever written.
    pub fn seals(&self) -> PathBuf {
        self.state_dir.join("seals.jsonl")
    }

    /// The two-slot state file.
    pub fn state(&self) -> PathBuf {
        self.state_dir.join("ledger.state")
    }

    /// The last checkpoint.
    pub fn checkpoint(&self) -> PathBuf {
        self.state_dir.join("checkpoint")
    }

    /// The last checkpoints that witnesses have cosigned, one of each.
    pub fn cosigned(&self) -> PathBuf {
        self.state_dir.join("checkpoint.cosigned")
    }

    /// The seed of the key that signs checkpoints, hex.
    pub fn checkpoint_key(&self) -> PathBuf {
        self.state_dir.join("checkpoint.key")
    }

    /// The verifier key of checkpoints.
    pub fn checkpoint_vkey(&self) -> PathBuf {
        self.state_dir.join("checkpoint.vkey")
    }

    /// The public key that signs seal 0, hex.
    pub fn genesis_pub(&self) -> PathBuf {
        self.state_dir.join("genesis.pub")
    }

    /// S_0, hex, until the operator has taken it away.
    pub fn auditor_key(&self) -> PathBuf {
        self.state_dir.join("auditor.key")
    }

    /// What became of S_0, once it is not there any more.
    pub fn auditor_handover(&self) -> PathBuf {
        self.state_dir.join("auditor.handover")
    }

    /// The active segment of a log directory that was removed, until the next start.
    pub fn sheltered(&self) -> PathBuf {
        self.state_dir.join("sheltered.jsonl")
    }

    /// Says that the log has come to its end on this host, once it has.
    pub fn decommissioned(&self) -> PathBuf {
        self.state_dir.join("decommissioned")
    }
}

/// What stands in the records and seals about the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// The kernel's boot id.
    pub boot_id: String,
}

impl Host {
    /// This machine; a name longer than the kernel allows (64) cannot come from it.
    ///
    /// # Errors
    /// What the kernel says instead.
    pub fn of_this_machine() -> io::Result<Self> {
        let boot_id = crate::clock::boot_id()?;
        let name = nix::unistd::gethostname()?;
        Ok(Self { name: name.to_string_lossy().chars().take(64).collect(), boot_id })
    }
}

/// Why the ledger cannot be written or continued.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The disk refused.
    #[error("{path:?} could not be {action}: {source}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The key state cannot be used.
    #[error(transparent)]
    State(#[from] state::StateError),
    /// The auditor key that was given for a new log.
    #[error(
        "the credential {path:?} {why}; a new log needs 64 hex digits there (`openssl rand -hex 32` makes some), or no such credential"
    )]
    Credential {
        /// The credential's file.
        path: PathBuf,
        /// What is wrong with it; never its content.
        why: String,
    },
    /// There are segments or seals, but no keys.
    #[error(
        "there is a log in {log_dir:?}, or its seals are in the state directory, but its key state {state:?} is missing; put it back from where it went, or move both directories aside to start a new log"
    )]
    StateMissing {
        /// The state file.
        state: PathBuf,
        /// The log directory.
        log_dir: PathBuf,
    },
    /// The segments go on where the keys have not been yet.
    #[error(
        "the key state {state:?} is older than the log: {segment:?} holds leaves that it does not know; it was restored from a copy and cannot sign this log; move the log and the state directory aside to start a new one, and keep them"
    )]
    StateOlder {
        /// The state file.
        state: PathBuf,
        /// The segment that is newer.
        segment: PathBuf,
    },
}

impl LedgerError {
    /// Whether the disk may take the same some other time: it is full, it is read-only, it has an error, a directory
    /// is gone, or the system is short of something.
    pub fn is_of_the_disk(&self) -> bool {
        use io::ErrorKind;
        let Some(source) = self.source_io() else { return false };
        let passes = matches!(
            source.kind(),
            ErrorKind::StorageFull
                | ErrorKind::QuotaExceeded
                | ErrorKind::ReadOnlyFilesystem
                | ErrorKind::NotFound
                | ErrorKind::PermissionDenied
                | ErrorKind::StaleNetworkFileHandle
                | ErrorKind::TimedOut
                | ErrorKind::OutOfMemory
        );
        let raw = source.raw_os_error().map(Errno::from_raw);
        passes || matches!(raw, Some(Errno::EIO | Errno::ENFILE | Errno::EMFILE | Errno::ENXIO))
    }

    /// Whether the disk, or the daemon's share of it, is full.
    pub fn is_for_want_of_space(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        self.source_io().is_some_and(|e| matches!(e.kind(), StorageFull | QuotaExceeded))
    }

    /// Whether a directory is gone.
    pub fn is_for_want_of_a_directory(&self) -> bool {
        self.source_io().is_some_and(|e| e.kind() == io::ErrorKind::NotFound)
    }

    fn source_io(&self) -> Option<&io::Error> {
        match self {
            LedgerError::Io { source, .. }
            | LedgerError::State(state::StateError::Io { source, .. }) => Some(source),
            _ => None,
        }
    }

    /// Turns an error of the disk into one that says what was done to which file.
    pub(crate) fn io<'a>(
        action: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> LedgerError + 'a {
        move |source| LedgerError::Io { action, path: path.into(), source }
    }
}
