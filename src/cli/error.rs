//! Why a command could not do its work, and the exit codes of the whole tool.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use super::context::{advice, system_log_elsewhere};
use crate::config::ConfigError;
use crate::control::ControlError;
use crate::engine::FollowError;
use crate::event::FieldMapError;
use crate::index::IndexError;
use crate::ledger::auditor::KeyError;
use crate::ledger::verify::ReadError;
use crate::maintain::holds::HoldsError;

/// How a command ended, where nothing failed on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// Done.
    Done = 0,
    /// Nothing matched; for `emit`: some events were refused; for `config check`: not valid;
    /// for `status --check`: a warning.
    Nothing = 1,
    /// The command line or the configuration is wrong; for `status --check`: critical.
    Usage = 2,
    /// Something could not be read or written, or the daemon could not be reached; for `status --check`: unknown.
    Io = 3,
    /// `verify`: there is evidence of change; `verify-proof`: it does not hold.
    Tampered = 4,
    /// `verify`: not the whole log.
    Incomplete = 5,
    /// `verify`, `verify-proof`: it could not be checked.
    Unverifiable = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// What went wrong: one sentence, and what to do next.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Time(#[source] super::time::BadTime),
    #[error("{0}")]
    Config(#[source] ConfigError),
    #[error("cannot write the output: {0}")]
    Output(#[source] io::Error),
    #[error("no daemon answers at '{}': {source}; {}", path.display(), advice(path, source))]
    Unreachable { path: PathBuf, source: io::Error },
    #[error("the daemon refused: {0}")]
    Refused(String),
    #[error("{0}; the daemon rebuilds the index as soon as that is over")]
    Waits(String),
    #[error("{it}{}", control_advice(.0), it = .0)]
    Control(#[source] ControlError),
    #[error("{0}")]
    Follow(#[from] FollowError),
    #[error("{0}")]
    Holds(#[from] HoldsError),
    #[error("what would be deleted cannot be told: {0}")]
    Outlook(String),
    #[error("[fields] {0}")]
    Fields(#[from] FieldMapError),
    #[error("cannot read the log in '{}': {source}", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Lock(#[from] crate::engine::LockError),
    #[error("there is no log in '{}'; start auditlogd to make one", path.display())]
    NoLog { path: PathBuf },
    #[error("cannot read the key '{}': {source}", path.display())]
    KeyFile { path: PathBuf, source: io::Error },
    #[error("cannot {action} '{}': {source}", path.display())]
    File { action: &'static str, path: PathBuf, source: io::Error },
    #[error("{0}")]
    Proof(String),
    #[error("'{}' cannot be used: {source}", path.display())]
    Unusable { path: PathBuf, source: io::Error },
    #[error("{0}")]
    AuditorKey(#[from] KeyError),
    #[error("{0}")]
    Decommission(String),
    #[error(transparent)]
    Ledger(#[from] crate::ledger::LedgerError),
    #[error(transparent)]
    Writer(#[from] crate::engine::WriterError),
    #[error("cannot read the answer: {0}")]
    Input(#[source] io::Error),
    #[error("cannot use '{}' as an anchor: {source}", path.display())]
    Anchor { path: PathBuf, source: ReadError },
    #[error("cannot catch signals: {0}")]
    Signals(#[source] io::Error),
    #[error("{0}")]
    Emit(String),
    #[error(transparent)]
    Spool(#[from] crate::client::SpoolError),
    #[error("{source}{}", index_advice(source))]
    Index {
        #[from]
        source: IndexError,
    },
}

impl Error {
    /// Whether the reader of standard output went away.
    fn is_reader_gone(&self) -> bool {
        matches!(self, Error::Output(e) if e.kind() == io::ErrorKind::BrokenPipe)
    }

    /// What the process ends with. A reader that went away is none of our business.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Error::Usage(_) | Error::Time(_) | Error::Config(_) | Error::Fields(_) => Exit::Usage,
            gone if gone.is_reader_gone() => Exit::Done,
            _ => Exit::Io,
        }
    }
}

/// A verdict is the exit code, whether or not somebody read it to its end.
pub(super) fn told(result: Result<(), Error>, verdict: Exit) -> Result<Exit, Error> {
    match result {
        Err(e) if e.is_reader_gone() => Ok(verdict),
        told => told.map(|()| verdict),
    }
}

fn control_advice(error: &ControlError) -> &'static str {
    match error {
        ControlError::Unreachable { path, .. } if system_log_elsewhere(path) => {
            "; for the system's own daemon add --root /"
        }
        _ => "",
    }
}

fn index_advice(error: &IndexError) -> &'static str {
    match error {
        IndexError::Missing { path } if system_log_elsewhere(path) => {
            "; for the system's own log add --root /"
        }
        _ => "",
    }
}
