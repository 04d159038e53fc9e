//! What the ledger holds in the end, found out by reading it.

use std::collections::BTreeSet;
use std::io::BufRead;
use std::path::Path;

use auditlogd::engine::Audit;
use auditlogd::ledger::segment::{contents, list, reopen};

/// What it holds.
pub struct Stored {
    /// Events of clients.
    pub events: u64,
    /// Bytes of all segments, uncompressed.
    pub bytes: u64,
}

/// Reads all segments. Fails if the sequence of the lines has a hole, or if the sums that the log says of itself are not
/// those of its lines.
pub fn read(dir: &Path) -> Stored {
    let mut audit = Audit::new(None);
    let (mut bytes, mut seen, mut line) = (0, BTreeSet::new(), Vec::new());
    for found in list(dir).expect("the segments are there") {
        // One that is just being compressed may be there twice.
        if !seen.insert(found.header.segment) {
            continue;
        }
        let (_, file) = reopen(&found).expect("it is there under some name");
        let mut lines = contents(file).expect("it can be read");
        loop {
            line.clear();
            let read = lines.read_until(b'\n', &mut line).expect("it can be read");
            // What is behind the last LF is just being written.
            let Some(text) = line.strip_suffix(b"\n") else { break };
            bytes += read as u64;
            audit.line(text);
        }
    }
    assert!(audit.holes.is_empty(), "lines are missing: {:?}", audit.holes);
    assert!(audit.findings.is_empty(), "{:?}", audit.findings);
    let events = audit.users.values().map(|sums| sums.stored).sum();
    Stored { events, bytes }
}
