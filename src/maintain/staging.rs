//! How a file comes into a directory whole or not at all: it is written in a subdirectory, where nobody looks
//! for segments, synced, read back, and only then renamed. What a crash leaves there is removed by the next run.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead, ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::libc::{O_DIRECTORY, O_NOFOLLOW, O_PATH};

use super::quiet::forget;
use crate::fs::{Access, File, Fs, open_regular};

/// The subdirectory.
const DIR: &str = ".maintenance";
/// Bytes of one write.
const WRITE: usize = 1 << 20;
/// Bytes after which they are synced, so that a commit never waits behind more than these.
const SYNC: usize = 16 << 20;

/// What could not be done to a file.
#[derive(Debug, thiserror::Error)]
#[error("{path:?} could not be {action}: {source}")]
pub struct FileError {
    /// What was being done.
    pub action: &'static str,
    /// To which file.
    pub path: PathBuf,
    /// What the kernel said.
    pub source: io::Error,
}

impl FileError {
    pub(super) fn of(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { action, path: path.into(), source }
    }
}

/// The subdirectory, held open. An archive's directory need not be ours alone: whoever may write there can put a
/// link in its place at any moment, and must not lead us to other files of ours.
struct Staging {
    held: fs::File,
}

impl Staging {
    fn open(path: &Path) -> io::Result<Self> {
        let mut options = fs::File::options();
        let held = options.read(true).custom_flags(O_PATH | O_DIRECTORY | O_NOFOLLOW).open(path);
        held.map(|held| Self { held }).map_err(|e| match e.kind() {
            ErrorKind::NotADirectory => {
                let text =
                    "it is no directory, or a link to one; look who put it there, and remove it";
                io::Error::new(ErrorKind::NotADirectory, text)
            }
            _ => e,
        })
    }

    /// The directory that is held, whatever stands at its path by now.
    fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.held.as_raw_fd()).into()
    }
}

/// Removes what a run that was cut off left beside the files of `dir`; returns how many files that were.
///
/// # Errors
/// The first file that cannot be removed.
pub fn clear_leftovers(fs: &dyn Fs, dir: &Path) -> Result<u64, FileError> {
    let dir = dir.join(DIR);
    let staging = match Staging::open(&dir) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(0),
        opened => opened.map_err(FileError::of("opened", &dir))?,
    };
    let mut removed = 0;
    let failed = || FileError::of("listed", &dir);
    for entry in fs::read_dir(staging.path()).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        let path = dir.join(entry.file_name());
        fs.remove(&entry.path()).map_err(FileError::of("removed", &path))?;
        removed += 1;
    }
    Ok(removed)
}

/// A file that is being written; removed when it is dropped before it was published.
pub(super) struct Staged<'a> {
    fs: &'a dyn Fs,
    file: Box<dyn File>,
    staging: Staging,
    /// For people.
    path: PathBuf,
    target: PathBuf,
    buffer: Vec<u8>,
    unsynced: usize,
    published: bool,
}

impl<'a> Staged<'a> {
    /// Begins a file that will be `name` in `dir`.
    pub fn create(
        fs: &'a dyn Fs,
        dir: &Path,
        name: &OsStr,
        access: Access,
    ) -> Result<Self, FileError> {
        let staging = dir.join(DIR);
        let (path, target) = (staging.join(name), dir.join(name));
        let open = || {
            fs.create_dir(&staging, Access::Private)?;
            Staging::open(&staging)
        };
        let staging = open().map_err(FileError::of("opened", &staging))?;
        let at = staging.path().join(name);
        let create = || match fs.create_new(&at, access) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                fs.remove(&at)?;
                fs.create_new(&at, access)
            }
            created => created,
        };
        let file = create().map_err(FileError::of("created", &path))?;
        let buffer = Vec::with_capacity(WRITE);
        Ok(Self { fs, file, staging, path, target, buffer, unsynced: 0, published: false })
    }

    /// Where it is until it is published, for people.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same for the kernel.
    fn at(&self) -> PathBuf {
        self.staging.path().join(self.target.file_name().unwrap_or_default())
    }

    /// Makes all that was written durable, with the mode, group and time of another file where one is given.
    /// Returns it for reading back, from the disk and not from memory.
    pub fn finish(&mut self, like: Option<&fs::Metadata>) -> Result<fs::File, FileError> {
        let mut finish = || {
            self.flush()?;
            like.map_or(Ok(()), |like| self.file.make_like(like))?;
            self.file.sync()?;
            let written = open_regular(&self.at())?;
            forget(&written, 0, 0);
            Ok(written)
        };
        finish().map_err(FileError::of("written", &self.path))
    }

    /// Gives it its name, durably. Nothing is replaced: that would be [`ErrorKind::AlreadyExists`].
    pub fn publish(self) -> Result<PathBuf, FileError> {
        let renamed = self.fs.rename_new(&self.at(), &self.target);
        self.published_if(renamed)
    }

    /// Puts it in the place of an older one, durably.
    pub fn replace(self) -> Result<PathBuf, FileError> {
        let renamed = self.fs.rename(&self.at(), &self.target);
        self.published_if(renamed)
    }

    fn published_if(mut self, renamed: io::Result<()>) -> Result<PathBuf, FileError> {
        renamed.map_err(FileError::of("given its name", &self.target))?;
        self.published = true;
        let dir = self.target.parent().unwrap_or(&self.target);
        self.fs.sync_dir(dir).map_err(FileError::of("synced", dir))?;
        Ok(std::mem::take(&mut self.target))
    }
}

impl Write for Staged<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= WRITE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.file.append(&self.buffer)?;
        self.unsynced += self.buffer.len();
        self.buffer.clear();
        if self.unsynced >= SYNC {
            self.file.sync()?;
            self.unsynced = 0;
        }
        Ok(())
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if !self.published {
            // If even that fails the next run does it.
            let _it_stays = self.fs.remove(&self.at());
        }
    }
}

/// Whether two contents are the same; `on` is told how far that is known and may say that it is enough, which
/// is `None`.
pub(super) fn same(
    one: &mut dyn BufRead,
    other: &mut dyn BufRead,
    on: &mut dyn FnMut(u64) -> bool,
) -> io::Result<Option<bool>> {
    let mut done = 0;
    while on(done) {
        let (part, with) = (one.fill_buf()?, other.fill_buf()?);
        let len = part.len().min(with.len());
        if len == 0 {
            return Ok(Some(part.len() == with.len()));
        }
        if part[..len] != with[..len] {
            return Ok(Some(false));
        }
        one.consume(len);
        other.consume(len);
        done += len as u64;
    }
    Ok(None)
}
