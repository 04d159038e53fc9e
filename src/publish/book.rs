//! What each anchor has: `anchors.json` in the state directory, so that a restart knows from which size a
//! witness goes on; and `checkpoint.cosigned` for whoever verifies.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use crate::fs::{self, Access, Fs};

/// The longest file that is read back.
const MOST: u64 = 1 << 20;

/// The last delivery to one anchor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// The checkpoint's size.
    pub size: u64,
    /// When, RFC 3339.
    pub delivered: String,
    /// The checkpoint with the witness's cosignature, a signed note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cosigned: Option<String>,
}

pub(super) struct Book {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    cosigned: PathBuf,
    /// By the name of the anchor.
    entries: Mutex<BTreeMap<String, Entry>>,
}

impl Book {
    /// Reads it; a damaged one is as good as none, for witnesses tell their size themselves.
    pub fn open(fs: Arc<dyn Fs>, path: PathBuf, cosigned: PathBuf) -> Self {
        let entries = read(&path).unwrap_or_else(|e| {
            tracing::warn!("{path:?} cannot be used and is written anew: {e}");
            BTreeMap::new()
        });
        Self { fs, path, cosigned, entries: Mutex::new(entries) }
    }

    /// The last delivery to this anchor.
    pub fn get(&self, anchor: &str) -> Option<Entry> {
        self.entries.lock().unwrap_or_else(|e| e.into_inner()).get(anchor).cloned()
    }

    /// Remembers a delivery. A crash between the two files, or before them: the witness is asked again and
    /// tells its size.
    pub fn put(&self, anchor: &str, entry: Entry) -> Result<(), String> {
        let mut entries = self.entries.lock().unwrap_or_else(|e| e.into_inner());
        let cosigned = entry.cosigned.is_some();
        entries.insert(anchor.to_owned(), entry);
        if cosigned {
            let notes: Vec<&str> =
                entries.values().filter_map(|entry| entry.cosigned.as_deref()).collect();
            self.replace(&self.cosigned, notes.join("\n").as_bytes())?;
        }
        let text = serde_json::to_vec(&*entries).map_err(|e| e.to_string())?;
        self.replace(&self.path, &text)
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), String> {
        fs::replace(&*self.fs, path, bytes, Access::Shared)
            .map_err(|e| format!("it was delivered, but {path:?} could not be replaced: {e}"))
    }
}

fn read(path: &Path) -> io::Result<BTreeMap<String, Entry>> {
    Ok(match fs::read_small(path, MOST)? {
        Some(text) => serde_json::from_slice(&text)?,
        None => BTreeMap::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::Real;

    fn entry(size: u64, cosigned: Option<&str>) -> Entry {
        let cosigned = cosigned.map(str::to_owned);
        Entry { size, delivered: "2026-11-21T01:00:00.000000000Z".into(), cosigned }
    }

    #[test]
    fn it_survives_a_restart_and_has_the_notes_of_all_witnesses() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, cosigned) = (dir.path().join("anchors.json"), dir.path().join("cosigned"));
        let open = || Book::open(Arc::new(Real::default()), path.clone(), cosigned.clone());
        let book = open();
        assert_eq!(book.get("witness b"), None);
        book.put("witness b", entry(7, Some("b 7\n"))).expect("written");
        book.put("file /x", entry(9, None)).expect("written");
        book.put("witness a", entry(8, Some("a 8\n"))).expect("written");
        let again = open();
        assert_eq!(again.get("witness b"), Some(entry(7, Some("b 7\n"))));
        assert_eq!(again.get("file /x"), Some(entry(9, None)));
        assert_eq!(std::fs::read_to_string(&cosigned).expect("text"), "a 8\n\nb 7\n");
    }

    #[test]
    fn a_damaged_one_is_written_anew() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("anchors.json");
        std::fs::write(&path, "{\"x\":").expect("written");
        let book = Book::open(Arc::new(Real::default()), path.clone(), dir.path().join("c"));
        assert_eq!(book.get("x"), None);
        book.put("x", entry(1, None)).expect("written");
        assert_eq!(read(&path).expect("whole").len(), 1);
    }
}
