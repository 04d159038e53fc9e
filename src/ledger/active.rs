//! The active segment: the one file of the log that is appended to.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;

use super::files::create_segment;
use super::segment::Header;
use super::tail::Tail;
use super::tree::Hash;
use super::{Ledger, LedgerError};
use crate::clock::{Now, parse_rfc3339, rfc3339};
use crate::fs::File;

/// The segment that is appended to.
pub(super) struct Segment {
    pub file: Box<dyn File>,
    pub number: u64,
    /// SHA-256 of its header line without LF, which its seals repeat.
    pub header_hash: Hash,
    pub header: Header,
    /// Bytes that this daemon knows to be in it.
    pub len: u64,
    pub id: (u64, u64),
    pub tail: Tail,
    /// There may be bytes behind `len` that were appended and not synced.
    pub torn: bool,
}

impl Segment {
    /// One that `file` holds, of which `len` bytes are the segment's.
    pub fn new(file: Box<dyn File>, header: &Header, len: u64) -> io::Result<Self> {
        let id = file.stat()?.id;
        let (number, header_hash) = (header.segment, header.hash());
        Ok(Self {
            file,
            number,
            header_hash,
            header: header.clone(),
            len,
            id,
            tail: Tail::new(len),
            torn: false,
        })
    }
}

/// How the active segment's file was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActiveFile {
    /// As it was left.
    Intact,
    /// It has another name; whatever stands at its path is not it.
    Renamed,
    /// It has no name any more: its bytes are gone as soon as it is closed.
    Unlinked,
    /// It does not have the length it was left with.
    Resized {
        /// Bytes it should have.
        expected: u64,
        /// Bytes it has.
        found: u64,
    },
}

impl fmt::Display for ActiveFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ActiveFile::Intact => f.write_str("the active file is as it was left"),
            ActiveFile::Renamed => f.write_str("the active file was renamed"),
            ActiveFile::Unlinked => f.write_str("the active file was deleted"),
            ActiveFile::Resized { expected, found } => {
                write!(f, "the active file had {found} bytes instead of {expected}")
            }
        }
    }
}

impl Ledger {
    /// The active segment's number.
    pub fn segment(&self) -> u64 {
        self.segment.number
    }

    /// Bytes in the active segment.
    pub fn segment_len(&self) -> u64 {
        self.segment.len
    }

    /// When the active segment was opened, by the wall clock of then.
    pub fn segment_opened_ns(&self) -> Option<i64> {
        parse_rfc3339(&self.segment.header.opened)
    }

    /// Opens a new segment at the active path, after whatever is there has been moved away. Outside of
    /// damage this comes right after a seal.
    pub fn open_segment(&mut self, now: Now) -> Result<(), LedgerError> {
        let number = self.segment.number + 1;
        let opened = rfc3339(now.wall_ns);
        let header = Header::new(&self.log_id, &self.host.name, number, &self.tree, opened);
        let new = create_segment(&*self.fs, &self.paths, &header)?;
        let old = std::mem::replace(&mut self.segment, new);
        // What was found cut is not looked at again.
        let len = old.file.stat().map_err(LedgerError::io("looked at", &self.paths.log_dir))?.len;
        self.closed = (len == old.len).then_some((now.boot_ns, old));
        Ok(())
    }

    /// Whether the active segment's file is still where and what this daemon left.
    pub fn check_active(&self) -> Result<ActiveFile, LedgerError> {
        let path = self.paths.active();
        let stat = self.segment.file.stat().map_err(LedgerError::io("looked at", &path))?;
        if stat.links == 0 {
            return Ok(ActiveFile::Unlinked);
        }
        if stat.len != self.segment.len {
            return Ok(ActiveFile::Resized { expected: self.segment.len, found: stat.len });
        }
        match std::fs::metadata(&path) {
            Ok(meta) if (meta.dev(), meta.ino()) == self.segment.id => Ok(ActiveFile::Intact),
            _ => Ok(ActiveFile::Renamed),
        }
    }
}
