//! Why holds cannot be read or changed, for people.

use std::io;
use std::path::PathBuf;

/// Whoever asks may not be allowed to read what the daemon reads.
fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => {
            "root may, and the group that was given the log; while the daemon cannot either, nothing is deleted"
        }
        _ => "nothing is deleted until they can",
    }
}

/// Why holds cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum HoldsError {
    /// The disk refused to read.
    #[error("the holds in {path:?} cannot be read: {source}; {}", advice(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It is gone, and with it what is held.
    #[error(
        "the holds in {path:?} are missing, though there were {known}; nothing is deleted until the file is there: put \
         it back, or add what is still to be held again, by the `hold_added` records (`auditlog query --type \
         'auditlogd.hold_*'`)"
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// How many holds there were.
        known: usize,
    },
    /// What was read is no list of holds.
    #[error(
        "the holds in {path:?} cannot be understood: {message}; nothing is deleted until they can: put the file \
         right by the `hold_added` records (`auditlog query --type 'auditlogd.hold_*'`)"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The disk refused to write.
    #[error("the holds in {path:?} cannot be written: {source}; nothing was changed")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// What was asked for cannot be a hold.
    #[error("{0}")]
    Refused(String),
    /// There is one of this name.
    #[error("there is a hold {0} already; remove it first, or give another name")]
    Exists(String),
    /// There is none of this name.
    #[error("there is no hold {0}; `auditlog hold list` shows those in force")]
    Unknown(String),
    /// The record could not be written.
    #[error(
        "the writer of the log has ended, so that nothing can be recorded; the hold {0} is in force"
    )]
    WriterEnded(String),
}
