//! The auditor key's way off the host. S_0 stands in a file that only its owner reads until somebody has it
//! elsewhere; at every moment of the hand-over there is a whole copy.

mod whereabouts;

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use zeroize::Zeroizing;

use super::keys::text;
use super::{LedgerError, Paths};
use crate::fs::{Access, Fs};

pub use whereabouts::{EXPORT, Whereabouts};

/// Why the auditor key could not be handed over.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is nothing to hand over.
    #[error("there is no auditor key to take: it was {0}")]
    Away(Whereabouts),
    /// Two at once.
    #[error("{0:?} is being taken away by another process at this moment")]
    Busy(PathBuf),
    /// The file does not hold a key.
    #[error("{0:?} does not hold 64 hex digits, so it is no key; it was left as it is")]
    Damaged(PathBuf),
    /// The target is there already.
    #[error("{0:?} exists already and is not overwritten; name a new file")]
    Exists(PathBuf),
    /// Somebody's copy is another key.
    #[error("that is not the auditor key in {0:?}, which stays where it is")]
    Different(PathBuf),
    /// The copy could not be made; the host's copy is still there.
    #[error(
        "the auditor key could not be written to {path:?}: {source}; this host's copy was left as it is"
    )]
    NotWritten {
        /// The target.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The host's copy could not be read.
    #[error(
        "{path:?} could not be read: {source}; only root and the daemon's own user may take the key"
    )]
    NotRead {
        /// The host's copy.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The copy was made, but the host's copy is still there.
    #[error(
        "the copy is made, but {path:?} could not be removed: {source}; remove it with `shred -u`, or run `auditlog keys remove --auditor COPY`"
    )]
    NotRemoved {
        /// The host's copy.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// The auditor key of a new log in a credential; `None` if there is no such credential.
///
/// # Errors
/// [`LedgerError::Credential`] where it cannot be read or is no key.
pub fn from_credential(path: &Path) -> Result<Option<Zeroizing<[u8; 32]>>, LedgerError> {
    let unusable = |why: String| LedgerError::Credential { path: path.into(), why };
    let text = match fs::File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.and_then(|file| text::read(&file)),
    };
    let text = text.map_err(|e| unusable(format!("cannot be read: {e}")))?;
    match text::parse(&text) {
        Some(key) => Ok(Some(key)),
        None => Err(unusable("does not hold 64 hex digits".into())),
    }
}

/// The copy on the host, locked: only one process hands it over.
pub struct HostCopy {
    path: PathBuf,
    text: Zeroizing<String>,
    _lock: Flock<fs::File>,
}

impl HostCopy {
    /// Opens the host's copy. One whose removal a crash interrupted is removed now, and is away.
    ///
    /// # Errors
    /// [`KeyError::Away`], [`KeyError::Busy`], [`KeyError::Damaged`], [`KeyError::NotRead`].
    pub fn open(disk: &dyn Fs, paths: &Paths) -> Result<Self, KeyError> {
        let path = paths.auditor_key();
        let not_read = |source| KeyError::NotRead { path: path.clone(), source };
        let away = || Whereabouts::of(paths).map_or_else(not_read, KeyError::Away);
        let file = match fs::File::open(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(away()),
            opened => opened.map_err(not_read)?,
        };
        let lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Err((_, Errno::EWOULDBLOCK)) => return Err(KeyError::Busy(path)),
            locked => locked.map_err(|(_, errno)| not_read(errno.into()))?,
        };
        // Who had the lock before may have removed it.
        if lock.metadata().map_err(not_read)?.nlink() == 0 {
            return Err(away());
        }
        let text = text::read(&*lock).map_err(not_read)?;
        if text.starts_with('\0') {
            erase(disk, &path, text.len())?;
            return Err(away());
        }
        match text::parse(&text) {
            Some(key) => {
                Ok(Self { path, text: Zeroizing::new(HEXLOWER.encode(&*key)), _lock: lock })
            }
            None => Err(KeyError::Damaged(path)),
        }
    }

    /// 64 hex digits.
    pub fn hex(&self) -> &str {
        &self.text
    }

    /// Writes a copy to a new file of mode 0600, durably, and reads it back. A target that could not be
    /// written whole is taken away again.
    ///
    /// # Errors
    /// [`KeyError::Exists`], [`KeyError::NotWritten`]; the host's copy is untouched.
    pub fn copy_to(&self, disk: &dyn Fs, target: &Path) -> Result<(), KeyError> {
        let not_written = |source| KeyError::NotWritten { path: target.into(), source };
        let mut file = match disk.create_new(target, Access::Private) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                return Err(KeyError::Exists(target.into()));
            }
            created => created.map_err(not_written)?,
        };
        let line = Zeroizing::new(format!("{}\n", self.hex()));
        let mut write = || {
            file.write_at(line.as_bytes(), 0)?;
            file.sync()?;
            disk.sync_dir(parent(target))?;
            let back = Zeroizing::new(fs::read(target)?);
            let same = *back == line.as_bytes();
            same.then_some(()).ok_or_else(|| io::Error::other("what was read back differs"))
        };
        write().map_err(|e| {
            let _best_effort = disk.remove(target);
            not_written(e)
        })
    }

    /// Whether `key` is this key.
    pub fn is(&self, key: &[u8; 32]) -> bool {
        text::parse(&self.text).is_some_and(|own| *own == *key)
    }

    /// Overwrites and removes the host's copy, durably. Whoever calls it has another one.
    ///
    /// # Errors
    /// [`KeyError::NotRemoved`].
    pub fn remove(self, disk: &dyn Fs) -> Result<(), KeyError> {
        erase(disk, &self.path, self.text.len() + 1)
    }

    /// The error of a copy that is somebody else's.
    pub fn different(&self) -> KeyError {
        KeyError::Different(self.path.clone())
    }
}

/// Ends a removal that a crash interrupted: the key is gone by then, its file is not. Of a key that is
/// there only the first digit is read.
///
/// # Errors
/// [`KeyError::NotRemoved`].
pub fn end_removal(disk: &dyn Fs, paths: &Paths) -> Result<(), KeyError> {
    let mut first = [0; 1];
    let read = fs::File::open(paths.auditor_key()).and_then(|mut file| file.read_exact(&mut first));
    if read.is_err() || first != *b"\0" {
        return Ok(());
    }
    match HostCopy::open(disk, paths) {
        Err(e @ KeyError::NotRemoved { .. }) => Err(e),
        // Another process is about to remove it, or has.
        _ => Ok(()),
    }
}

/// A crash between the steps leaves NULs where the key was, and [`HostCopy::open`] goes on with it.
fn erase(disk: &dyn Fs, path: &Path, len: usize) -> Result<(), KeyError> {
    let erase = || {
        let mut file = disk.open_slots(path, Access::Private)?;
        file.write_at(&vec![0; len], 0)?;
        file.sync()?;
        disk.remove(path)?;
        disk.sync_dir(parent(path))
    };
    erase().map_err(|source| KeyError::NotRemoved { path: path.into(), source })
}

/// The directory of a file; of a bare name, the working directory.
pub fn parent(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
