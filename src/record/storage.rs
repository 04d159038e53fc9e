//! What is wrong with the place where the log or its keys are.

use std::fmt;

use serde::Serialize;

/// What the place takes from what the log promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Weakness {
    /// It does not outlive the host's next start, or the container.
    Ephemeral,
    /// What was synced may not be on a disk.
    SyncUnsure,
    /// Keys that were overwritten may still be on the disk.
    KeysLinger,
}

/// The word of the record.
impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Weakness::Ephemeral => "ephemeral",
            Weakness::SyncUnsure => "sync_unsure",
            Weakness::KeysLinger => "keys_linger",
        })
    }
}

/// One thing that is wrong, in sentences for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StorageProblem {
    /// What it is about.
    pub weakness: Weakness,
    /// The keys of the configuration whose directories are there: `log_dir`, `state_dir`.
    pub directories: Vec<String>,
    /// What was found.
    pub what: String,
    /// Why it matters.
    pub why: String,
    /// What to do.
    pub advice: String,
}

/// All of it in one line.
impl fmt::Display for StorageProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.what, self.why, self.advice)
    }
}
