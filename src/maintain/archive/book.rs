//! Which segments each archive has: `archives.json` in the state directory, so that a restart hands nothing over
//! twice. A segment is known by the hash of its header, whatever its file is called and however it is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use crate::fs::{self, Access, Fs};
use crate::ledger::segment::{Found, Header};

/// The longest file that is read back: nearly a million segments.
const MOST: u64 = 64 << 20;

/// What one archive has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// The hashes of their headers, hex.
    pub segments: BTreeSet<String>,
    /// When it took the last one, RFC 3339.
    pub taken: Option<String>,
    /// Its copy of seals.jsonl holds the seals of leaves below this one.
    pub seals_below: u64,
}

pub(super) struct Book {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    /// By the name of the archive.
    entries: BTreeMap<String, Entry>,
}

impl Book {
    /// Reads it. After a damaged one everything is handed over again, and until then nobody has anything.
    pub fn open(fs: Arc<dyn Fs>, path: PathBuf) -> Self {
        let entries = read(&path).unwrap_or_else(|e| {
            tracing::warn!(
                "{path:?} cannot be used; all closed segments are handed over again: {e}"
            );
            BTreeMap::new()
        });
        Self { fs, path, entries }
    }

    /// What this archive has.
    pub fn get(&self, archive: &str) -> Entry {
        self.entries.get(archive).cloned().unwrap_or_default()
    }

    /// Whether this archive has the segment.
    pub fn has(&self, archive: &str, segment: &Header) -> bool {
        self.entries.get(archive).is_some_and(|entry| entry.segments.contains(&id(segment)))
    }

    /// Remembers something, durably. A crash before that: it is handed over once more.
    pub fn change(&mut self, archive: &str, change: impl FnOnce(&mut Entry)) -> Result<(), String> {
        change(self.entries.entry(archive.to_owned()).or_default());
        self.write()
    }

    /// Forgets segments that are not in the log any more.
    pub fn keep_only(&mut self, segments: &[Found]) -> Result<(), String> {
        let there: BTreeSet<String> = segments.iter().map(|found| id(&found.header)).collect();
        let count = |book: &Self| book.entries.values().map(|e| e.segments.len()).sum::<usize>();
        let before = count(self);
        self.entries.values_mut().for_each(|entry| entry.segments.retain(|id| there.contains(id)));
        if count(self) == before { Ok(()) } else { self.write() }
    }

    fn write(&self) -> Result<(), String> {
        let text = serde_json::to_vec(&self.entries).map_err(|e| e.to_string())?;
        fs::replace(&*self.fs, &self.path, &text, Access::Shared)
            .map_err(|e| format!("{:?} could not be replaced: {e}", self.path))
    }
}

/// A segment's name in the book.
pub(super) fn id(segment: &Header) -> String {
    HEXLOWER.encode(&segment.hash())
}

fn read(path: &Path) -> io::Result<BTreeMap<String, Entry>> {
    Ok(match fs::read_small(path, MOST)? {
        Some(text) => serde_json::from_slice(&text)?,
        None => BTreeMap::new(),
    })
}
