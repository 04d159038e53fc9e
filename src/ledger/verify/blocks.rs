//! A segment's contents in blocks of whole lines.

use std::io::{self, BufReader, Read};

use crate::ledger::line;
use crate::ledger::segment::{Contents, Encoding};

/// Bytes of a block: enough to outweigh handing it to another thread, and longer than any line.
const BLOCK: usize = 256 << 10;

/// Cuts a segment into blocks.
pub struct Blocks {
    reader: BufReader<Contents>,
    /// Bytes that may still be read.
    left: u64,
    /// The beginning of a line whose end is not yet read.
    tail: Vec<u8>,
    error: Option<io::Error>,
}

/// What is wrong with a segment's end.
#[derive(Debug)]
pub enum Broken {
    /// The segment was deleted since it was listed.
    Gone,
    /// The disk refused.
    Unreadable(io::Error),
    /// There is evidence of change; a sentence.
    Tampered(String),
}

impl Blocks {
    /// The blocks of a segment from where `reader` stands, `limit` bytes of them at most.
    pub fn new(reader: BufReader<Contents>, limit: u64) -> Self {
        Self { reader, left: limit, tail: Vec::new(), error: None }
    }

    /// The next whole lines, each with its LF; `None` when there is no more whole line, or none that could
    /// be one of a log.
    pub fn next(&mut self) -> Option<Vec<u8>> {
        let mut block = std::mem::take(&mut self.tail);
        if self.error.is_none() {
            block.reserve_exact(BLOCK.saturating_sub(block.len()));
            let room = (BLOCK.saturating_sub(block.len()) as u64).min(self.left);
            let before = block.len();
            self.error = (&mut self.reader).take(room).read_to_end(&mut block).err();
            self.left -= (block.len() - before) as u64;
        }
        let end = memchr::memrchr(b'\n', &block).map_or(0, |at| at + 1);
        self.tail = block[end..].to_vec();
        block.truncate(end);
        (!block.is_empty()).then_some(block)
    }

    /// Once there is no more block: how the segment ends. Only the last line of the segment that is being
    /// written may be `unfinished`.
    pub fn end(self, unfinished: bool) -> Result<(), Broken> {
        let contents = self.reader.into_inner();
        let plain = contents.encoding() == Encoding::Plain;
        // The kernel's errors are the disk's; the others come from decompressing.
        let broken = |error: io::Error| match plain || error.raw_os_error().is_some() {
            true => Broken::Unreadable(error),
            false => Broken::Tampered(format!("the segment cannot be decompressed: {error}")),
        };
        if let Some(error) = self.error {
            return Err(broken(error));
        }
        if self.tail.len() > line::MAX {
            return Err(Broken::Tampered(line::LineError::TooLong.to_string()));
        }
        if !self.tail.is_empty() && !unfinished {
            return Err(Broken::Tampered("the segment ends in the middle of a line".into()));
        }
        match contents.is_at_end() {
            Ok(true) => Ok(()),
            Ok(false) => {
                Err(Broken::Tampered("something was appended to the compressed segment".into()))
            }
            Err(error) => Err(broken(error)),
        }
    }
}
