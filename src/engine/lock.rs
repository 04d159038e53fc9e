//! One writer a log: the state and the log directory are locked for as long as the process lives.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::fs::give_to_owner_of_directory;

/// Holds the locks; the kernel lets go of them when the process ends, however it ends.
pub struct Lock {
    _state: Flock<File>,
    _log: Flock<File>,
}

/// Why the directories cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody has them.
    #[error(
        "{dir:?} is in use by another auditlogd{who}; stop it first, or give this one another directory"
    )]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// Its process id in parentheses, if known.
        who: String,
    },
    /// The kernel refused.
    #[error("{path:?} could not be locked: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

impl Lock {
    /// Locks both directories, or says who has them.
    pub fn take(state_dir: &Path, log_dir: &Path) -> Result<Self, LockError> {
        let path = state_dir.join("lock");
        let io = |source| LockError::Io { path: path.clone(), source };
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = file.open(&path).map_err(io)?;
        give_to_owner_of_directory(&file, &path).map_err(io)?;
        let mut holder = String::new();
        let _unknown_holder = (&mut file).take(20).read_to_string(&mut holder);
        let mut state = lock(file, state_dir, &holder)?;
        state.set_len(0).and_then(|()| io::Seek::rewind(&mut *state)).map_err(io)?;
        writeln!(state, "{}", std::process::id()).map_err(io)?;
        let dir =
            File::open(log_dir).map_err(|source| LockError::Io { path: log_dir.into(), source })?;
        Ok(Self { _state: state, _log: lock(dir, log_dir, "")? })
    }
}

fn lock(file: File, dir: &Path, holder: &str) -> Result<Flock<File>, LockError> {
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        Errno::EWOULDBLOCK => {
            let holder = holder.trim();
            let who =
                if holder.is_empty() { String::new() } else { format!(" (process {holder})") };
            LockError::InUse { dir: dir.into(), who }
        }
        errno => LockError::Io { path: dir.into(), source: errno.into() },
    })
}
