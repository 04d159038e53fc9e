//! What there is: the segments of a log, each with what it holds. A segment is read once; what was found is
//! remembered until the file, the rules or the holds are others.

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::copies::{of_each, whole};
use super::scan::{Lens, Scan, ScanError, scan};
use crate::ledger::segment::{self, Found, Header};

/// The most segments that are remembered.
const MOST: usize = 16_384;

/// A segment of the log, with all files that hold it: while it is compressed there are two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its first line.
    pub header: Header,
    /// Its files.
    pub files: Vec<PathBuf>,
    /// Their bytes on disk.
    pub bytes: u64,
    /// Whether nothing is added to it any more.
    pub closed: bool,
    /// What it holds.
    pub scan: Result<Scan, ScanError>,
}

/// What is remembered of segments, by their headers; to be kept over restarts, and worth nothing but time.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    segments: HashMap<String, Remembered>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    /// Of files, rules and field maps.
    stamp: String,
    /// Of the holds.
    holds: String,
    scan: Scan,
}

/// Looks at all segments of the log in `log_dir`, oldest first. Those with a smaller number than `active` are
/// closed; without it, all but the one with the greatest are. `now_ns` is the believed time.
pub fn survey(
    log_dir: &Path,
    log_id: &str,
    active: Option<u64>,
    lens: &Lens,
    now_ns: i64,
    memory: &mut Memory,
    give_up: &dyn Fn() -> bool,
) -> io::Result<Vec<Segment>> {
    let mut listed = segment::list_of(log_dir, log_id)?;
    listed.retain(|_| is_hex(log_id));
    let newest = listed.iter().map(|found| found.header.segment).max();
    let active = active.or(newest).unwrap_or(0);
    let key = Key::of(lens);
    let mut seen = Memory::default();
    let mut segments = Vec::new();
    for copies in of_each(&listed) {
        let header = copies[0].header.clone();
        let closed = header.segment < active;
        let files = copies.iter().map(|found| found.path.clone()).collect();
        let (bytes, scan) = (0, Err(ScanError::NotNeeded));
        segments.push(Segment { header, files, bytes, closed, scan });
        // What is still written matters only for what its records say of holes.
        let last = segments.len() - 1;
        if closed || has_gaps(&segments) {
            let mut look = Look { lens, key: &key, now_ns, memory, seen: &mut seen, give_up };
            (segments[last].bytes, segments[last].scan) = look.at(copies, closed);
        }
    }
    *memory = seen;
    Ok(segments)
}

/// Whether leaves are missing before some segment, or may be, since it is not known where the one before ends.
fn has_gaps(segments: &[Segment]) -> bool {
    let mut end = Some(0);
    segments.iter().any(|segment| {
        let before = end.is_none_or(|end| end < segment.header.first_seq);
        end = segment.scan.as_ref().ok().map(|scan| scan.end);
        before
    })
}

/// What stands in an id of a log.
fn is_hex(log_id: &str) -> bool {
    log_id.len() == 32 && log_id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What the contents are looked at with, as hashes.
struct Key {
    rules: String,
    holds: String,
}

impl Key {
    fn of(lens: &Lens) -> Self {
        let mut rules = vec![lens.rules.definition()];
        rules.push(lens.early.as_ref().map(|early| early.definition()).unwrap_or_default());
        rules.extend(lens.fields.iter().map(|fields| fields.hash()));
        let holds = serde_json::to_string(&lens.holds).unwrap_or_default();
        Self { rules: rules.join("\n"), holds: hash([holds.as_bytes()]) }
    }
}

fn hash<'b>(parts: impl IntoIterator<Item = &'b [u8]>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    HEXLOWER.encode(&hasher.finalize())
}

struct Look<'l> {
    lens: &'l Lens,
    key: &'l Key,
    now_ns: i64,
    memory: &'l Memory,
    seen: &'l mut Memory,
    give_up: &'l dyn Fn() -> bool,
}

impl Look<'_> {
    /// The bytes of a segment's files and what they hold.
    fn at(&mut self, copies: &[Found], closed: bool) -> (u64, Result<Scan, ScanError>) {
        let header = HEXLOWER.encode(&copies[0].header.hash());
        let (bytes, stamp) = self.stamp(copies);
        if let Some(known) = self.memory.segments.get(&header)
            && known.stamp == stamp
            && (known.holds == self.key.holds || known.scan.not_before_ns() > self.now_ns)
        {
            self.remember(header, known.clone());
            return (bytes, Ok(known.scan.clone()));
        }
        let scan = self.read(copies, closed);
        if let Ok(scan) = &scan {
            let holds = self.key.holds.clone();
            self.remember(header, Remembered { stamp, holds, scan: scan.clone() });
        }
        (bytes, scan)
    }

    fn remember(&mut self, header: String, what: Remembered) {
        if self.seen.segments.len() < MOST {
            self.seen.segments.insert(header, what);
        }
    }

    /// Bytes, and a name for what the files are and what they are looked at with.
    fn stamp(&self, copies: &[Found]) -> (u64, String) {
        let mut bytes = 0;
        let mut parts = vec![self.key.rules.clone().into_bytes()];
        for meta in copies.iter().filter_map(|found| std::fs::metadata(&found.path).ok()) {
            bytes += meta.len();
            let file = [meta.len(), meta.ino(), meta.dev()].map(|n| n as i64);
            // Anybody who may write a file can set its mtime as it was, but not its ctime.
            let times = [meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()];
            parts.extend(file.into_iter().chain(times).map(|n| n.to_be_bytes().to_vec()));
        }
        (bytes, hash(parts.iter().map(Vec::as_slice)))
    }

    /// Of several files the one counts that holds all of the others; if none does, nobody knows which is right.
    fn read(&self, copies: &[Found], closed: bool) -> Result<Scan, ScanError> {
        let unreadable = |e: io::Error| ScanError::Broken(format!("it cannot be read: {e}"));
        match whole(copies).map_err(unreadable)? {
            Some(whole) => scan(whole, self.lens, !closed, self.give_up),
            None => {
                let what = "several files have its header, and none holds all of the others";
                Err(ScanError::Broken(format!("{what}; run `auditlog verify`")))
            }
        }
    }
}
