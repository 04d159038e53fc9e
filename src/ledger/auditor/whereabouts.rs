//! Where the auditor key is, and what is remembered of it once it is away.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::clock::rfc3339;
use crate::fs::{Access, Fs, replace};
use crate::ledger::{LedgerError, Paths};

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
