//! What the writer is about to store, said where it outlives the process, and held against the ledger at the
//! next start: a connection that goes on then is read from behind its last stored line.

use std::io;
use std::path::Path;

use super::submit::{Queued, Receipt};
use crate::kept::{Intended, Memory, Promise};
use crate::ledger::line::{self, Body};
use crate::ledger::reader::Reader;

/// Bytes of the ledger that are read at a time.
const CHUNK: usize = 1 << 20;

/// Says which lines the batch holds that begins with the line `first`, with this mac.
pub fn promise(promise: &mut Promise, batch: &[Queued], first: u64, mac: &[u8; 64]) {
    let mut next = first;
    for queued in batch {
        let items = &queued.submission.items;
        if let Some(origin) = queued.submission.origin {
            let intended =
                items.iter().map(|i| Intended { end: i.end, line: i.line, accepted: i.accepted });
            promise.add(origin, next, intended);
        }
        next += items.len() as u64;
    }
    if let Err(error) = promise.make(first, next - first, mac) {
        tracing::warn!(%error, "what is about to be stored could not be noted: a kill now may store it twice");
    }
}

/// Marks which lines of the last run's last batch are in the ledger; why that cannot be told, if it cannot.
pub fn settle(kept: &Memory, log_dir: &Path, log_id: &str) -> Option<String> {
    let mut reader = Reader::new(log_dir, log_id);
    let settled = kept.settle(|first, lines| macs(&mut reader, first, first.saturating_add(lines)));
    let error = settled.err()?;
    tracing::warn!(%error, "what the last run stored last is not known: clients' last lines may be stored twice");
    Some(format!("what was stored last is not known: {error}"))
}

/// The macs of the event lines [from, to), up to the first line that is a seal.
fn macs(reader: &mut Reader, from: u64, to: u64) -> io::Result<Vec<[u8; 64]>> {
    let mut macs = Vec::new();
    let mut next = from;
    while next < to {
        let lines = reader.read(next, to, CHUNK)?;
        if lines.next == next {
            break;
        }
        for text in lines.bytes.split(|&byte| byte == b'\n').filter(|text| !text.is_empty()) {
            let line = line::parse(text).map_err(io::Error::other)?;
            if line.seq != from + macs.len() as u64 || matches!(line.body, Body::Seal(_)) {
                return Ok(macs);
            }
            macs.push(Receipt::of(&line).mac);
        }
        next = lines.next;
    }
    Ok(macs)
}
