//! What a disk has left, and a file that keeps some of it for the time when it has nothing.

use std::fs::{File, OpenOptions, remove_file};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

/// Bytes that are written at a time where the file system cannot allocate.
const PIECE: usize = 1 << 20;

/// How large a file system is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes that are free for the daemon.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
    /// The file system.
    pub device: u64,
}

/// How much room the file system of `dir` has.
///
/// # Errors
/// What the kernel says.
pub fn space(dir: &Path) -> io::Result<Space> {
    let stat = statvfs(dir)?;
    let unit = stat.fragment_size();
    Ok(Space {
        free: stat.blocks_available().saturating_mul(unit),
        total: stat.blocks().saturating_mul(unit),
        device: std::fs::metadata(dir)?.dev(),
    })
}

/// Bytes, and an inode, of a file system that nobody else can take.
#[derive(Debug)]
pub struct Reserve {
    path: PathBuf,
    bytes: u64,
}

impl Reserve {
    /// A reserve of so many bytes on the file system of `dir`; 0 for none. Nothing is done yet.
    pub fn new(dir: &Path, bytes: u64) -> Self {
        Self { path: dir.join(".reserve"), bytes }
    }

    /// Its size when it is there.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes the bytes; a reserve of another size is made anew.
    ///
    /// # Errors
    /// There is no room for it; then there is none.
    pub fn make(&self) -> io::Result<()> {
        if self.bytes == 0 {
            return self.release();
        }
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600);
        let mut file = options.custom_flags(nix::libc::O_NOFOLLOW).open(&self.path)?;
        let meta = file.metadata()?;
        if meta.len() == self.bytes && meta.blocks() * 512 >= self.bytes {
            return Ok(());
        }
        let made = file.set_len(0).and_then(|()| allocate(&mut file, self.bytes));
        if made.is_err() {
            self.release()?;
        }
        made
    }

    /// Gives them back.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn release(&self) -> io::Result<()> {
        match remove_file(&self.path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }
}

fn allocate(file: &mut File, bytes: u64) -> io::Result<()> {
    match fallocate(&*file, FallocateFlags::empty(), 0, bytes) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
        allocated => return Ok(allocated?),
    }
    let piece = vec![0; PIECE];
    let mut left = bytes;
    while left > 0 {
        let n = left.min(PIECE as u64);
        file.write_all(&piece[..n as usize])?;
        left -= n;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_takes_what_it_says_and_gives_it_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let blocks = || std::fs::metadata(dir.path().join(".reserve")).map(|m| m.blocks() * 512);
        for bytes in [1 << 20, 2 << 20, 2 << 20, 1 << 20] {
            Reserve::new(dir.path(), bytes).make().expect("made");
            assert_eq!(blocks().expect("there"), bytes);
        }
        Reserve::new(dir.path(), 1 << 20).release().expect("released");
        assert!(blocks().is_err());
        Reserve::new(dir.path(), 0).make().expect("nothing to do");
        assert!(blocks().is_err());
    }
}
