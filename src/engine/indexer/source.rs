//! Where the lines come from that the index inserts: the writer, or the segments.

use std::io;
use std::sync::Arc;

use super::ahead::Piece;
use crate::engine::feed::Followed;
use crate::ledger::reader::Reader;

/// Bytes of segments read at a time.
const READ_BYTES: usize = 256 << 10;
/// Bytes of lines from which on a transaction takes no more.
pub(super) const MOST_BYTES: usize = 8 << 20;

/// Lines of the writer: one transaction.
pub(super) fn fresh(lines: &Followed) -> impl Iterator<Item = io::Result<Piece>> + Send {
    let pieces = lines.lines.pieces();
    let ends = |at| (at == pieces.len()).then_some(lines.next);
    (1..).zip(pieces).map(move |(at, piece)| Ok(Piece { lines: piece.clone(), ends: ends(at) }))
}

/// Leaves [next, to) of the segments, transaction by transaction.
pub(super) struct Segments<'r> {
    reader: &'r mut Reader,
    next: u64,
    to: u64,
    batch_rows: usize,
    /// Bytes of the transaction under way.
    begun: Option<usize>,
}

impl<'r> Segments<'r> {
    pub fn new(reader: &'r mut Reader, next: u64, to: u64, batch_rows: usize) -> Self {
        Self { reader, next, to, batch_rows, begun: None }
    }
}

impl Iterator for Segments<'_> {
    type Item = io::Result<Piece>;

    fn next(&mut self) -> Option<Self::Item> {
        let end = end(self.next, self.batch_rows);
        let read = match self.reader.read(self.next, end.min(self.to), READ_BYTES) {
            Ok(read) => read,
            Err(e) => return Some(Err(e)),
        };
        let goes_on = read.next > self.next;
        if !goes_on && self.begun.is_none() {
            return None;
        }
        self.next = read.next;
        let bytes = self.begun.unwrap_or(0) + read.bytes.len();
        let is_whole = !goes_on || self.next >= end || bytes >= MOST_BYTES;
        self.begun = (!is_whole).then_some(bytes);
        Some(Ok(Piece { lines: Arc::from(read.bytes), ends: is_whole.then_some(self.next) }))
    }
}

/// The leaf before which a transaction that begins at `next` ends if there is much to do.
pub(super) fn end(next: u64, batch_rows: usize) -> u64 {
    let rows = batch_rows as u64;
    // As a rule that is a block, of which each value then is written once.
    (next / rows).saturating_add(1).saturating_mul(rows)
}
