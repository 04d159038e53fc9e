//! The disk: every change the daemon makes to a file goes through [`Fs`], so that a test can make any
//! of them fail ([`faulty`]). Reading needs no trait: whoever reads uses `std::fs`.

pub mod faulty;
mod real;
pub mod space;

use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

pub use real::Real;

/// Who may read what is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only the owner (keys): 0600, directories 0700.
    Private,
    /// The owner writes, the configured group reads (log, database): 0640, directories 0750.
    Shared,
}

/// The changes that can be made to directories.
pub trait Fs: Send + Sync {
    /// Creates the directory and its parents where they are missing.
    fn create_dir(&self, path: &Path, access: Access) -> io::Result<()>;
    /// Opens for appending only, creating the file where it is missing.
    fn open_append(&self, path: &Path, access: Access) -> io::Result<Box<dyn File>>;
    /// Opens for writing at given offsets, creating the file where it is missing.
    fn open_slots(&self, path: &Path, access: Access) -> io::Result<Box<dyn File>>;
    /// Creates a file that must not be there yet; no link is followed.
    fn create_new(&self, path: &Path, access: Access) -> io::Result<Box<dyn File>>;
    /// Takes the file's name away.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Renames within one file system, replacing what has the name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Renames within one file system; what has the name stays, and that is
    /// [`io::ErrorKind::AlreadyExists`].
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the directory's entries durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
}

/// The changes that can be made to an open file.
pub trait File: Send {
    /// Appends all of `bytes`; after an error any prefix of them may be in the file.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// fdatasync: what was written is durable when this returns without an error.
    fn sync(&mut self) -> io::Result<()>;
    /// Makes mode, group and modification time those of another file; durable with the next sync of a file
    /// that is new.
    fn make_like(&mut self, other: &Metadata) -> io::Result<()>;
    /// Cuts the file to `len` bytes and makes that durable.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
    /// All that is in the file, also when it has no name any more.
    fn read_all(&self) -> io::Result<Vec<u8>>;
    /// What the open file is now.
    fn stat(&self) -> io::Result<Stat>;
}

/// Which file it is, and how it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Device and inode: the same file has the same pair.
    pub id: (u64, u64),
    /// Names the file has; 0 once it is unlinked.
    pub links: u64,
    /// Bytes.
    pub len: u64,
}

/// Opens a file for reading that somebody else may have put there. What is no regular file is refused, and not
/// even opened: a FIFO would wait for ever, and opening a device can do something.
pub fn open_regular(path: &Path) -> io::Result<std::fs::File> {
    let check = |meta: std::fs::Metadata| match meta.is_file() {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")),
    };
    check(std::fs::metadata(path)?)?;
    let mut options = std::fs::File::options();
    let file = options.read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
    // Another may stand there by now.
    check(file.metadata()?)?;
    Ok(file)
}

/// Gives a file that root has just made at `path` to the owner of its directory: the tool, which root runs, must leave
/// nothing to a daemon that is not root and that it cannot open.
///
/// # Errors
/// What the kernel says.
pub fn give_to_owner_of_directory(file: &std::fs::File, path: &Path) -> io::Result<()> {
    let Some(dir) = path.parent().filter(|_| nix::unistd::geteuid().is_root()) else {
        return Ok(());
    };
    match std::fs::metadata(dir)?.uid() {
        0 => Ok(()),
        owner => fchown(file, Some(owner), None),
    }
}

/// What a small file holds; `None` if it is not there.
///
/// # Errors
/// Also for what is no regular file, and for more than `most` bytes: nobody acts on a part of a file.
pub fn read_small(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match open_regular(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most {
        true => Err(io::Error::other(format!("it has more than {most} bytes"))),
        false => Ok(Some(bytes)),
    }
}

/// Replaces a small file so that a reader, and a crash, sees either the old or the new one whole.
pub fn replace(fs: &dyn Fs, path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    replace_from(fs, Path::new(&name), path, access, |file| file.write_at(bytes, 0))
}

/// The same for a file of any size, which `fill` writes; until it is whole it is `temporary`, on the same file system.
pub fn replace_from(
    fs: &dyn Fs,
    temporary: &Path,
    path: &Path,
    access: Access,
    fill: impl FnOnce(&mut dyn File) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = fs.open_slots(temporary, access)?;
    file.truncate(0)?;
    fill(&mut *file)?;
    file.sync()?;
    fs.rename(temporary, path)?;
    match path.parent() {
        Some(dir) => fs.sync_dir(dir),
        None => Ok(()),
    }
}
