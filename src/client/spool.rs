//! The file that events wait in while the daemon is away: bounded, appended to, and emptied once they are answered.
//!
//! NDJSON: a first line that says what it is, an event a line, and now and then a mark of how far they are answered.
//! What is not an event begins with a space, as no event does. A crash leaves at most an unfinished last line, which
//! nobody was told is kept. One process at a time has it, by flock(2).

mod open;

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::fcntl::Flock;

/// The first line.
const HEADER: &[u8] = b" {\"auditlogd_spool\":1}\n";
/// How a mark begins; the offset up to which everything is answered and `}` follow.
const MARK: &str = " {\"acknowledged\":";
/// Marks are at least so many bytes of events apart.
const MARK_EVERY: u64 = 1024 * 1024;
/// What is read at a time, bytes; more where a line is longer.
const READ: u64 = 256 * 1024;
/// The longest line of an event, bytes without LF: far more than any daemon takes.
pub(super) const LONGEST: usize = 1024 * 1024;

/// Why the spool cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// Reading or writing failed.
    #[error("cannot {action} the spool '{}': {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Another process has it.
    #[error(
        "the spool '{}' is in use by another process; wait for it, or use a file for each",
        path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("'{}' is no spool: {why}; name a file of its own for it", path.display())]
    NotASpool {
        /// The file.
        path: PathBuf,
        /// How that is seen.
        why: String,
    },
    /// The bound is reached.
    #[error(
        "the spool '{}' is full: it holds {used} of {limit} bytes; start auditlogd so that it can be sent",
        path.display()
    )]
    Full {
        /// The file.
        path: PathBuf,
        /// Bytes in it.
        used: u64,
        /// Bytes that may be.
        limit: u64,
    },
}

/// The open file, locked.
#[derive(Debug)]
pub(crate) struct Spool {
    path: PathBuf,
    file: Flock<File>,
    limit: u64,
    /// Where the next event goes. Bytes after it are of a write that failed.
    len: u64,
    /// Where the last event ends.
    end: u64,
    /// Up to where it was read to be sent.
    read: u64,
    /// The last mark.
    marked: u64,
    /// Up to where everything is answered.
    answered: u64,
    /// Events after that.
    events: u64,
}

impl Spool {
    /// Events that are not answered.
    pub fn events(&self) -> u64 {
        self.events
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there are events that were not read.
    pub fn has_unread(&self) -> bool {
        self.read < self.end
    }

    /// Whether so many bytes of lines can be appended.
    pub fn fits(&self, bytes: usize) -> bool {
        self.len.max(HEADER.len() as u64) + bytes as u64 <= self.limit
    }

    /// The longest line, without LF, that can be in it at all.
    pub fn longest(&self) -> usize {
        let room = usize::try_from(self.limit).unwrap_or(usize::MAX);
        room.saturating_sub(HEADER.len() + 1).min(LONGEST)
    }

    /// Appends whole lines, `events` of them; they are durable when it returns. Gives the offset of the first.
    pub fn append(&mut self, lines: &[u8], events: u64) -> Result<u64, SpoolError> {
        if !self.fits(lines.len()) {
            let (path, used, limit) = (self.path.clone(), self.len, self.limit);
            return Err(SpoolError::Full { path, used, limit });
        }
        let header = if self.len == 0 { HEADER } else { b"" };
        let first = self.len + header.len() as u64;
        let written = self
            .write([header, lines].concat().as_slice())
            .and_then(|()| self.file.sync_data())
            .map_err(|source| self.failed("write", source));
        if written.is_err() {
            // What is half there would be taken for an event; the next append writes over it in any case.
            let _ = self.file.set_len(self.len);
        }
        written?;
        if self.len == 0 {
            (self.read, self.marked, self.answered) = (first, first, first);
        }
        self.len = first + lines.len() as u64;
        self.end = self.len;
        self.events += events;
        Ok(first)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.len)?;
        // Of a write that failed before there may be more.
        match self.file.metadata()?.len() > self.len + bytes.len() as u64 {
            true => self.file.set_len(self.len + bytes.len() as u64),
            false => Ok(()),
        }
    }

    /// Everything was read that was appended until now: the window has it.
    pub fn skip_to_end(&mut self) {
        self.read = self.end;
    }

    /// The next events and where each ends: a part of the file, no more.
    pub fn next(&mut self) -> Result<Vec<(Vec<u8>, u64)>, SpoolError> {
        let (mut events, mut want) = (Vec::new(), READ);
        while events.is_empty() && self.has_unread() {
            let mut bytes = vec![0; want.min(self.end - self.read) as usize];
            let read = self.file.read_exact_at(&mut bytes, self.read);
            read.map_err(|source| self.failed("read", source))?;
            let whole = memchr::memrchr(b'\n', &bytes).map_or(0, |lf| lf + 1);
            for line in bytes[..whole].split_inclusive(|byte| *byte == b'\n') {
                self.read += line.len() as u64;
                if !line.starts_with(b" ") {
                    events.push((line[..line.len() - 1].to_vec(), self.read));
                }
            }
            want *= 2;
        }
        Ok(events)
    }

    /// `events` more events are answered, all up to that offset. Once all are, the file is emptied.
    pub fn answered(&mut self, until: u64, events: u64) -> Result<(), SpoolError> {
        self.events = self.events.saturating_sub(events);
        self.answered = self.answered.max(until);
        if self.answered == self.end {
            (self.len, self.end, self.read, self.marked, self.answered) = (0, 0, 0, 0, 0);
            // Durable, so that nobody sends them again long after the daemon has forgotten them.
            let emptied = self.file.set_len(0).and_then(|()| self.file.sync_data());
            return emptied.map_err(|source| self.failed("empty", source));
        }
        if self.answered - self.marked >= MARK_EVERY { self.mark() } else { Ok(()) }
    }

    /// Notes how far the events are answered. It need not be durable: what is sent again is known by its id.
    pub fn mark(&mut self) -> Result<(), SpoolError> {
        if self.answered == self.marked {
            return Ok(());
        }
        let mut mark = Vec::new();
        // A vector takes everything.
        let _ = writeln!(mark, "{MARK}{}}}", self.answered);
        self.write(&mark).map_err(|source| self.failed("write", source))?;
        self.len += mark.len() as u64;
        self.marked = self.answered;
        Ok(())
    }

    fn failed(&self, action: &'static str, source: io::Error) -> SpoolError {
        SpoolError::Io { action, path: self.path.clone(), source }
    }
}

#[cfg(test)]
mod tests;
