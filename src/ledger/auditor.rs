//! The auditor key's way off the host. S_0 stands in a file that only its owner reads until somebody has it
//! elsewhere; at every moment of the hand-over there is a whole copy.

use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::{LedgerError, Paths};
use crate::clock::rfc3339;
use crate::fs::{Access, Fs, replace};

/// More than any file with a key needs.
const MAX_FILE: u64 = 1024;

/// The command that takes the key away, for messages.
pub const EXPORT: &str = "auditlog keys export --auditor FILE";

/// Where the auditor key is. Once it is not on the host, this is what `auditor.handover` holds as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Whereabouts {
    /// In a file of the state directory.
    OnHost {
        /// The file.
        file: PathBuf,
        /// When it was written, RFC 3339.
        since: String,
    },
    /// Somebody took it away.
    TakenAway {
        /// When the daemon noticed, RFC 3339; it looks once a minute.
        noticed: Option<String>,
    },
    /// It came with a credential when the log was created, and was never written to a file here.
    Credential {
        /// When the log was created, RFC 3339.
        created: String,
    },
}

impl Whereabouts {
    /// Looks at the state directory.
    ///
    /// # Errors
    /// The directory cannot be searched.
    pub fn of(paths: &Paths) -> io::Result<Self> {
        let file = paths.auditor_key();
        match fs::symlink_metadata(&file) {
            Ok(meta) => {
                let ns = meta.mtime().saturating_mul(1_000_000_000) + meta.mtime_nsec();
                Ok(Self::OnHost { file, since: rfc3339(ns) })
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let noted = fs::read(paths.auditor_handover()).ok();
                let noted = noted.and_then(|text| serde_json::from_slice(&text).ok());
                Ok(noted.unwrap_or(Self::TakenAway { noticed: None }))
            }
            Err(e) => Err(e),
        }
    }

    /// Notes durably that the key is not here, in place of what was noted before.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn note(&self, disk: &dyn Fs, paths: &Paths) -> Result<(), LedgerError> {
        let path = paths.auditor_handover();
        // A plain enum of strings and paths in UTF-8 cannot fail to serialize.
        let mut text = serde_json::to_vec(self).unwrap_or_default();
        text.push(b'\n');
        replace(disk, &path, &text, Access::Shared).map_err(LedgerError::io("written", &path))
    }
}

impl fmt::Display for Whereabouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnHost { since, .. } => {
                write!(f, "still on this host since {since}; take it away with `{EXPORT}`")
            }
            Self::TakenAway { noticed: Some(time) } => {
                write!(f, "already taken away (the daemon noticed at {time})")
            }
            Self::TakenAway { noticed: None } => f.write_str("already taken away"),
            Self::Credential { created } => write!(
                f,
                "never written to this host's state directory: it came with a systemd credential when the log was created at {created}"
            ),
        }
    }
}

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
        let text = read_text(&*lock).map_err(not_read)?;
        if text.starts_with('\0') {
            erase(disk, &path, text.len())?;
            return Err(away());
        }
        match parse(&text) {
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
        parse(&self.text).is_some_and(|own| *own == *key)
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

/// A key as 64 hex digits in either case; blanks between them, as on paper, do not matter.
pub fn parse(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    let mut digits = text.chars().filter(|c| !c.is_ascii_whitespace()).map(|c| c.to_digit(16));
    for byte in key.iter_mut() {
        *byte = u8::try_from(digits.next()?? * 16 + digits.next()??).ok()?;
    }
    digits.next().is_none().then_some(key)
}

/// The auditor key of a new log in a credential; `None` if there is no such credential.
///
/// # Errors
/// [`LedgerError::Credential`] where it cannot be read or is no key.
pub fn from_credential(path: &Path) -> Result<Option<Zeroizing<[u8; 32]>>, LedgerError> {
    let unusable = |why: String| LedgerError::Credential { path: path.into(), why };
    let text = match fs::File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.and_then(|file| read_text(&file)),
    };
    let text = text.map_err(|e| unusable(format!("cannot be read: {e}")))?;
    match parse(&text) {
        Some(key) => Ok(Some(key)),
        None => Err(unusable("does not hold 64 hex digits".into())),
    }
}

/// Reads a key's file; one that is longer than a key can be is cut, and so is no key.
pub fn read_text(from: impl Read) -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE as usize));
    from.take(MAX_FILE).read_to_end(&mut bytes)?;
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(e) => {
            e.into_bytes().zeroize();
            Err(io::Error::new(io::ErrorKind::InvalidData, "it is not text"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_be_written_in_groups_and_in_capitals() {
        let hex = "0123456789abcdef".repeat(4);
        let key = parse(&hex).expect("a key");
        assert_eq!(HEXLOWER.encode(&*key), hex);
        let groups = hex.as_bytes().chunks(8).map(|g| std::str::from_utf8(g).expect("ascii"));
        let groups = groups.collect::<Vec<_>>().join(" \n").to_uppercase();
        assert_eq!(parse(&groups).as_deref(), Some(&*key));
    }

    #[test]
    fn anything_else_is_no_key() {
        for text in ["", "00", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &"é".repeat(64)]
        {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
