//! What can go wrong with the index. None of it concerns the ledger, which goes on.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why the index could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Another connection holds a lock; the same call works once it lets go.
    #[error("the index {path:?} is locked by another program; close its transaction")]
    Busy {
        /// The database.
        path: PathBuf,
    },
    /// A reader keeps the write-ahead log from being emptied, and it has reached its limit.
    #[error(
        "the write-ahead log of {path:?} has grown to {bytes} bytes because a program holds a read transaction open; end it"
    )]
    HeldByReader {
        /// The database.
        path: PathBuf,
        /// The size of the write-ahead log.
        bytes: u64,
    },
    /// The file is damaged or is no database.
    #[error("the index {path:?} is damaged ({detail}); rebuild it with `auditlog reindex`")]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        detail: String,
    },
    /// A later version of the daemon made it.
    #[error(
        "the index {path:?} has schema version {found} and this program knows {known}; use the newer program or rebuild it with `auditlog reindex`"
    )]
    NewerVersion {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: i32,
        /// The version of this program.
        known: i32,
    },
    /// It is another program's database.
    #[error(
        "{path:?} is a database of another program; set another path, or run `auditlog reindex` to move it aside and build the index"
    )]
    NotOurs {
        /// The database.
        path: PathBuf,
    },
    /// It is the index of another ledger.
    #[error(
        "the index {path:?} belongs to the log {found:?}, not to {expected:?}; run `auditlog reindex` to move it aside and build the index anew"
    )]
    OtherLog {
        /// The database.
        path: PathBuf,
        /// The id of the log that it indexes.
        found: String,
        /// The id of the log that it should index.
        expected: String,
    },
    /// Somebody changed its tables or indexes.
    #[error(
        "the index {path:?} is not as auditlogd made it ({detail}); rebuild it with `auditlog reindex`"
    )]
    Changed {
        /// The database.
        path: PathBuf,
        /// What differs.
        detail: String,
    },
    /// The disk or the quota is full.
    #[error("the disk of the index {path:?} is full; free some space")]
    Full {
        /// The database.
        path: PathBuf,
    },
    /// There is no such file.
    #[error(
        "there is no index {path:?} yet; auditlogd makes it when it runs and its disk has room, and so does `auditlog reindex`"
    )]
    Missing {
        /// The database.
        path: PathBuf,
    },
    /// Somebody deleted or replaced the file or one of its companions while it was open. What is there now, or an empty
    /// index, takes its place.
    #[error(
        "{path:?} of the index was deleted or replaced while it was in use; the index is opened again, or built anew from the log"
    )]
    Gone {
        /// The file.
        path: PathBuf,
    },
    /// Something else stands in its place.
    #[error(
        "{path:?} is {what} and not the file of the index; run `auditlog reindex` to move it aside and build the index"
    )]
    NotAFile {
        /// The database.
        path: PathBuf,
        /// `a directory`.
        what: &'static str,
    },
    /// The caller may not read or write it.
    #[error(
        "the index {path:?} cannot be opened ({detail}); check its permissions and those of its directory"
    )]
    Denied {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        detail: String,
    },
    /// A value in it is not what the schema promises, or a number does not fit.
    #[error(
        "the index {path:?} holds or was given a value out of range ({detail}); rebuild it with `auditlog reindex`"
    )]
    Value {
        /// The database.
        path: PathBuf,
        /// Which.
        detail: String,
    },
    /// More text is searched for than SQLite can.
    #[error("the text to search for has {bytes} bytes; at most {most} can be searched for")]
    TextTooLong {
        /// The length of the text.
        bytes: usize,
        /// The longest that works.
        most: usize,
    },
    /// Reading, writing or renaming the file failed.
    #[error("the index {path:?} could not be read or written ({detail}); check the disk")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        detail: String,
    },
}

impl IndexError {
    /// Whether the same call can succeed later with nothing done to the database.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::HeldByReader { .. } | Self::Full { .. })
    }

    /// Whether `auditlog reindex` is the remedy.
    pub fn needs_reindex(&self) -> bool {
        matches!(
            self,
            Self::Corrupt { .. }
                | Self::NewerVersion { .. }
                | Self::NotOurs { .. }
                | Self::OtherLog { .. }
                | Self::Changed { .. }
                | Self::NotAFile { .. }
                | Self::Value { .. }
        )
    }

    pub(super) fn io(path: &Path, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        let (path, detail) = (path.into(), error.to_string());
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::PermissionDenied => Self::Denied { path, detail },
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Io { path, detail },
        }
    }

    /// Sorts an error of SQLite by what has to be done about it. The statements are fixed and known to
    /// fit the schema, so a statement that SQLite does not understand means that the schema was changed.
    pub(super) fn sqlite(path: &Path, error: rusqlite::Error) -> Self {
        let path = path.to_owned();
        let detail = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Corrupt { path, detail }
            }
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
                Self::Denied { path, detail }
            }
            Some(ErrorCode::Unknown | ErrorCode::ConstraintViolation) => {
                Self::Changed { path, detail }
            }
            Some(_) => Self::Io { path, detail },
            None => Self::Value { path, detail },
        }
    }
}
