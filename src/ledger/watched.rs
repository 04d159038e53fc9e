//! Reading much of the log at a start, and saying so: whoever waits for the start gives it time as long as it goes on.

use std::io::{self, BufReader, Read};
use std::sync::Arc;

/// Called with the bytes of each stretch of the log that was read, up to 64 KiB of them.
pub type OnRead = Arc<dyn Fn(u64) + Send + Sync>;

/// A reader that tells what it has read.
pub(super) struct Watched<R> {
    reader: R,
    on_read: OnRead,
}

impl<R: Read> Watched<R> {
    pub fn new(reader: R, on_read: &OnRead) -> BufReader<Self> {
        let watched = Self { reader, on_read: on_read.clone() };
        BufReader::with_capacity(1 << 16, watched)
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buf)?;
        if read > 0 {
            (self.on_read)(read as u64);
        }
        Ok(read)
    }
}
