//! The end of a log on its host. As long as its file is there, no daemon goes on with the log; and only if it is
//! there, a package that is purged deletes the log and its keys.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

use super::{LedgerError, Paths};
use crate::clock::rfc3339;
use crate::fs::{Access, Fs, read_small, replace};

/// More than the file ever has, bytes.
const MOST: u64 = 64 << 10;

/// What the file `decommissioned` in the state directory holds, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decommissioned {
    /// The log's id, 32 hex digits.
    pub log_id: String,
    /// When, RFC 3339.
    pub time: String,
    /// Why, for people.
    pub reason: String,
    /// Who asked for it.
    pub uid: u32,
    /// The checkpoint over the whole log, a signed note.
    pub checkpoint: String,
}

impl Decommissioned {
    /// Looks at the state directory; `None` for a log that goes on.
    ///
    /// # Errors
    /// The file is there, but cannot be read or is none of ours: the log may be at its end all the same.
    pub fn of(paths: &Paths) -> io::Result<Option<Self>> {
        let text = read_small(&paths.decommissioned(), MOST)?;
        text.map(|text| serde_json::from_slice(&text).map_err(io::Error::other)).transpose()
    }

    /// Notes durably that the log was closed for good at `wall_ns` (nanoseconds since 1970). The record of it is
    /// sealed by then: a crash before this leaves a log that goes on.
    ///
    /// # Errors
    /// The last checkpoint cannot be read, or the file not be written.
    pub fn note(
        fs: &dyn Fs,
        paths: &Paths,
        (log_id, reason, uid): (&str, &str, u32),
        wall_ns: i64,
    ) -> Result<Self, LedgerError> {
        let last = paths.checkpoint();
        let checkpoint = std::fs::read_to_string(&last).map_err(LedgerError::io("read", &last))?;
        let (log_id, reason, time) = (log_id.to_owned(), reason.to_owned(), rfc3339(wall_ns));
        let noted = Self { log_id, time, reason, uid, checkpoint };
        // A plain struct of strings and a number cannot fail to serialize.
        let mut text = serde_json::to_vec(&noted).unwrap_or_default();
        text.push(b'\n');
        let path = paths.decommissioned();
        replace(fs, &path, &text, Access::Shared).map_err(LedgerError::io("written", &path))?;
        Ok(noted)
    }
}

impl fmt::Display for Decommissioned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "decommissioned at {} by uid {}: {}", self.time, self.uid, self.reason)
    }
}
