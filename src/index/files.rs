//! The files of an open index, watched: whether they are still the ones that were opened, and whether they look as the
//! daemon left them. Anybody who may write to the directory can delete, replace or cut them at any moment.

use std::collections::HashSet;
use std::fs::{File, Metadata, OpenOptions, symlink_metadata};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc::O_NONBLOCK;

use super::writer::{WAL_PAGE_BYTES, WalState};
use super::{IndexError, reset, schema};

/// SQLite's header: the page size at 16, the number of pages at 28, the application id at 68 ("Database File
/// Format", section 1.3).
const HEADER: usize = 100;
/// Of the write-ahead log: the magic number, of which the lowest bit tells the byte order (section 4.1).
const WAL_MAGIC: u32 = 0x377f_0682;
const WAL_HEADER: u64 = 32;
/// The page that holds this byte is for locks: nothing is ever written to it (section 1.5).
const LOCKED_BYTE: u64 = 1 << 30;

/// Device and inode.
type Identity = (u64, u64);

/// The three files as they were when they were first seen.
pub(super) struct Files {
    path: PathBuf,
    /// The database once more, to read its header. To close it would take away the locks of SQLite, which are the
    /// process's (fcntl(2)), so it is dropped after SQLite's connection.
    database: File,
    main: Identity,
    /// The write-ahead log and its index, from when they are there on.
    companions: [(PathBuf, Option<Identity>); 2],
}

impl Files {
    /// Opens the database at `path`, which has to be a file. A symbolic link is none: SQLite would keep the companions
    /// elsewhere, and a database that was moved behind a link has lost them.
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        let io = |e| IndexError::io(path, &e);
        let meta = symlink_metadata(path).map_err(io)?;
        check_type(path, &meta)?;
        // Whatever took its place since then: nobody waits for the other end of a FIFO.
        let options = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).clone();
        let database = options.open(path).map_err(io)?;
        let main = identity(&database.metadata().map_err(io)?);
        let companions = ["-wal", "-shm"].map(|suffix| (reset::companion(path, suffix), None));
        Ok(Self { path: path.into(), database, main, companions })
    }

    /// Fails with [`IndexError::Gone`] if one of them is no longer at its path: nobody would ever read what is
    /// written to it.
    pub fn check(&mut self) -> Result<(), IndexError> {
        let gone = |path: &Path| Err(IndexError::Gone { path: path.into() });
        if at(&self.path) != Some(self.main) {
            return gone(&self.path);
        }
        for (path, known) in &mut self.companions {
            match (at(path), *known) {
                (found, None) => *known = found,
                (found, known) if found != known => return gone(path),
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether the database itself is the one that was opened.
    pub fn has_database(&self) -> bool {
        at(&self.path) == Some(self.main)
    }

    /// Removes the companions of a database that is gone. They would be taken for those of what is there now.
    pub fn remove_companions(&self) {
        for (path, known) in &self.companions {
            if known.is_some() && at(path) == *known {
                // What cannot be removed is found by whoever opens the next one.
                let _ = std::fs::remove_file(path);
            }
        }
    }

    /// The size of the write-ahead log; 0 if there is none.
    pub fn wal_bytes(&self) -> u64 {
        symlink_metadata(&self.companions[0].0).map_or(0, |file| file.len())
    }

    /// Looks at the headers and sizes, for which SQLite looks only when it opens a file. `wal` is what SQLite
    /// believes.
    pub fn check_headers(&self, wal: WalState) -> Result<(), IndexError> {
        let corrupt = |detail: &str| {
            Err(IndexError::Corrupt { path: self.path.clone(), detail: detail.into() })
        };
        let mut header = [0; HEADER];
        let read = self.database.read_exact_at(&mut header, 0);
        match read {
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => return corrupt("it was cut off"),
            read => read.map_err(|e| IndexError::io(&self.path, &e))?,
        }
        if !header.starts_with(schema::MAGIC) {
            return corrupt("its header was overwritten");
        }
        let size = self.database.metadata().map_err(|e| IndexError::io(&self.path, &e))?.len();
        let page = match u64::from(u16::from_be_bytes([header[16], header[17]])) {
            1 => 65_536,
            bytes => bytes.max(1),
        };
        self.check_wal(wal)?;
        let missing = size / page + 1..u64::from(be32(&header[28..32])) + 1;
        if !missing.is_empty() && !self.wal_brings(missing, LOCKED_BYTE / page + 1, wal)? {
            return corrupt("it was cut off");
        }
        Ok(())
    }

    /// Whether a checkpoint that goes on writes these pages. It begins with the first page, which says how many there are:
    /// if it ends early, by a kill or a reader, the last ones are only in the write-ahead log.
    fn wal_brings(
        &self,
        pages: Range<u64>,
        locked: u64,
        wal: WalState,
    ) -> Result<bool, IndexError> {
        if wal.checkpointed == wal.pages {
            return Ok(false);
        }
        let (path, _) = &self.companions[0];
        let io = |e| IndexError::io(path, &e);
        let file = open_beside(path).map_err(io)?;
        let mut brought = HashSet::new();
        for frame in 0..wal.pages {
            let mut number = [0; 4];
            let at = WAL_HEADER + frame * WAL_PAGE_BYTES;
            file.read_exact_at(&mut number, at).map_err(io)?;
            brought.insert(u64::from(be32(&number)));
        }
        brought.insert(locked);
        brought.retain(|page| pages.contains(page));
        Ok(brought.len() as u64 == pages.end - pages.start)
    }

    fn check_wal(&self, wal: WalState) -> Result<(), IndexError> {
        if wal.pages == 0 {
            return Ok(());
        }
        let (path, _) = &self.companions[0];
        let corrupt =
            |detail: &str| Err(IndexError::Corrupt { path: path.clone(), detail: detail.into() });
        if self.wal_bytes() < WAL_HEADER + wal.pages * WAL_PAGE_BYTES {
            return corrupt("it was cut off");
        }
        let mut header = [0; 4];
        let read = open_beside(path).and_then(|file| file.read_exact_at(&mut header, 0));
        read.map_err(|e| IndexError::io(path, &e))?;
        match be32(&header) & !1 {
            WAL_MAGIC => Ok(()),
            _ => corrupt("its header was overwritten"),
        }
    }
}

/// Refuses what is no file, and what leads to one.
pub(super) fn check_type(path: &Path, meta: &Metadata) -> Result<(), IndexError> {
    let kind = meta.file_type();
    let what = match () {
        () if kind.is_file() => return Ok(()),
        () if kind.is_symlink() => "a symbolic link",
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a FIFO",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    Err(IndexError::NotAFile { path: path.into(), what })
}

/// A write-ahead log. SQLite locks nothing in this file, so it may be opened and closed beside it.
fn open_beside(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path)
}

/// What is at a path now, not what a link leads to.
fn at(path: &Path) -> Option<Identity> {
    symlink_metadata(path).ok().as_ref().map(identity)
}

fn identity(meta: &Metadata) -> Identity {
    (meta.dev(), meta.ino())
}

fn be32(bytes: &[u8]) -> u32 {
    bytes.try_into().map_or(0, u32::from_be_bytes)
}
