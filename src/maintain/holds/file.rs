//! What `holds.json` looks like, how it is read and how it is replaced.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::HoldsError;
use crate::fs::{Access, Fs, read_small, replace};
use crate::retention::Hold;

/// More than the most holds of the greatest length come to.
const LONGEST_FILE: u64 = 16 << 20;
const VERSION: u32 = 1;

/// Where the file is.
pub(super) fn path_in(state_dir: &Path) -> PathBuf {
    state_dir.join("holds.json")
}

/// The file's contents.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contents {
    version: u32,
    /// The number of the next hold without a name.
    next: u64,
    pub holds: Vec<Entry>,
}

/// A hold in force.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub hold: Hold,
    /// Whether the log's last word on it is that it is in force; false while a record is on its way.
    pub recorded: bool,
}

impl Contents {
    /// What the file holds; nothing if it is missing.
    pub fn read(state_dir: &Path) -> Result<Self, HoldsError> {
        let path = path_in(state_dir);
        let text = match read_small(&path, LONGEST_FILE) {
            Ok(Some(text)) => text,
            Ok(None) => return Ok(Self { version: VERSION, next: 1, holds: Vec::new() }),
            Err(source) => return Err(HoldsError::Read { path, source }),
        };
        let damaged = |message: String| HoldsError::Damaged { path: path.clone(), message };
        let contents: Self = serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?;
        match contents.version {
            VERSION => Ok(contents),
            other => {
                Err(damaged(format!("it is of version {other}, and this program knows {VERSION}")))
            }
        }
    }

    /// Replaces the file.
    pub fn write(&self, fs: &dyn Fs, state_dir: &Path) -> Result<(), HoldsError> {
        let path = path_in(state_dir);
        // Plain structs of strings and integers cannot fail to serialize.
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default();
        text.push(b'\n');
        replace(fs, &path, &text, Access::Shared)
            .map_err(|source| HoldsError::Write { path, source })
    }

    /// Where the hold of this name stands.
    pub fn find(&self, id: &str) -> Option<usize> {
        self.holds.iter().position(|entry| entry.hold.id == id)
    }

    /// A name for a hold that was given none; it is not used again.
    pub fn number(&mut self) -> String {
        loop {
            let id = format!("hold-{}", self.next);
            self.next = self.next.saturating_add(1);
            if self.find(&id).is_none() {
                return id;
            }
        }
    }
}
