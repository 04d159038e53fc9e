//! What is on disk.

use std::path::{Path, PathBuf};

use indicatif::BinaryBytes;
use serde::Serialize;

use super::super::output::Look;
use super::readers;
use crate::clock::{parse_rfc3339, rfc3339};
use crate::index::{IndexError, Reader};
use crate::ledger::segment::{self, Encoding, Found};
use crate::words::count;

#[derive(Default, Serialize)]
pub(super) struct Database {
    pub path: PathBuf,
    /// With what is in its write-ahead log.
    pub bytes: u64,
    /// What of it holds nothing now; null if it cannot be read.
    pub free_bytes: Option<u64>,
    /// Its write-ahead log.
    pub wal_bytes: u64,
    /// Who reads it just now: process and name.
    pub readers: Vec<String>,
    /// The next leaf that is not in it.
    pub indexed: Option<u64>,
    pub last_seq: Option<u64>,
    pub last_ts: Option<String>,
    pub error: Option<String>,
}

#[derive(Default, Serialize)]
pub(super) struct Segments {
    pub path: PathBuf,
    pub files: u64,
    pub bytes: u64,
    /// Those that are compressed.
    pub compressed: u64,
    /// Ranges of segments that are gone, the log's beginning included.
    pub holes: u64,
    /// When the oldest one was begun.
    pub oldest: Option<String>,
    pub error: Option<String>,
}

impl Database {
    /// `daemon` is its process, which is no reader to complain of.
    pub(super) fn of(path: &Path, daemon: Option<u32>) -> Self {
        let mut wal = path.as_os_str().to_owned();
        wal.push("-wal");
        let wal_bytes = len(Path::new(&wal));
        let (bytes, readers) = (len(path) + wal_bytes, readers::of(path, daemon));
        let mut database = Self { path: path.into(), bytes, wal_bytes, readers, ..Self::default() };
        if let Err(error) = database.read() {
            database.error = Some(error.to_string());
        }
        database
    }

    fn read(&mut self) -> Result<(), IndexError> {
        let reader = Reader::open(&self.path)?;
        self.indexed = Some(reader.indexed()?);
        self.free_bytes = Some(reader.space()?.free_bytes);
        self.last_seq = reader.last_seq()?;
        let last = self.last_seq.map(|seq| reader.get(seq)).transpose()?.flatten();
        self.last_ts = last.map(|row| rfc3339(row.ts_ns));
        Ok(())
    }

    pub(super) fn text(&self, look: &Look) -> String {
        let path = self.path.display();
        let last = match (&self.error, self.last_seq, self.last_ts.as_deref()) {
            (Some(error), ..) => return error.clone(),
            (None, Some(seq), Some(ts)) => {
                let ns = parse_rfc3339(ts).unwrap_or_default();
                format!("last event seq {seq} of {}", look.time(ns))
            }
            _ => "no events".into(),
        };
        let mut text = format!("{path}, {}", BinaryBytes(self.bytes));
        if self.wal_bytes > MUCH {
            text.push_str(&format!(", {} of it write-ahead log", BinaryBytes(self.wal_bytes)));
        }
        if let Some(free) = self.free_bytes.filter(|free| *free > MUCH) {
            text.push_str(&format!(", {} of it free for new rows", BinaryBytes(free)));
        }
        format!("{text}, {last}")
    }

    /// Who keeps `held` bytes of the write-ahead log from being emptied.
    pub(super) fn held(&self, held: u64) -> String {
        let who = match &self.readers[..] {
            [] => "a program that reads it on and on".to_owned(),
            readers => format!("who reads it on and on: process {}", readers.join(", ")),
        };
        let (held, all) = (BinaryBytes(held), BinaryBytes(self.wal_bytes));
        format!("{held} of the database's write-ahead log ({all}) cannot be freed because of {who}")
    }
}

/// Less than this is not worth a word, bytes.
const MUCH: u64 = 1 << 20;

/// The size of a file; nothing if it is not there.
fn len(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |meta| meta.len())
}

impl Segments {
    pub(super) fn of(dir: &Path) -> Self {
        let mut segments = Self { path: dir.into(), ..Self::default() };
        match segment::list(dir) {
            Ok(found) => {
                segments.files = found.len() as u64;
                segments.bytes = found.iter().map(|found| len(&found.path)).sum();
                let compressed = |found: &&Found| found.encoding != Encoding::Plain;
                segments.compressed = found.iter().filter(compressed).count() as u64;
                segments.holes = holes(found.iter().map(|found| found.header.segment));
                segments.oldest = found.first().map(|found| found.header.opened.clone());
            }
            Err(error) => segments.error = Some(error.to_string()),
        }
        segments
    }

    pub(super) fn text(&self, look: &Look) -> String {
        let path = self.path.display();
        if let Some(error) = &self.error {
            return format!("{path} cannot be read: {error}");
        }
        let files = count(self.files, "file");
        let mut text = format!("{path}, {} in {files}", BinaryBytes(self.bytes));
        if self.compressed > 0 {
            text.push_str(&format!(", {} compressed", self.compressed));
        }
        if self.holes > 0 {
            text.push_str(&format!(", some are gone in {}", count(self.holes, "place")));
        }
        if let Some(oldest) = self.oldest.as_deref().and_then(parse_rfc3339) {
            text.push_str(&format!(", since {}", look.time(oldest)));
        }
        text
    }
}

/// How many ranges of segments are missing, before the first of these numbers and between them. Segments are
/// numbered one by one.
fn holes(numbers: impl Iterator<Item = u64>) -> u64 {
    let (mut holes, mut next) = (0, 0);
    for number in numbers {
        holes += u64::from(number > next);
        next = number + 1;
    }
    holes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_where_numbers_are_left_out() {
        for (numbers, want) in [(&[0, 1, 2][..], 0), (&[], 0), (&[3, 4], 1), (&[2, 5, 5, 6, 9], 3)]
        {
            assert_eq!(holes(numbers.iter().copied()), want, "{numbers:?}");
        }
    }
}
