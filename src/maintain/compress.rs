//! Compressing a closed segment: written beside, synced, read back and compared, renamed, and only then is the
//! original removed. A kill at any moment leaves the one, the other, or both, which verification takes for one.

mod encoder;
mod original;

use std::fs;
use std::io::{BufReader, ErrorKind, Read, Seek};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use encoder::{GZIP_LEVEL, ZSTD_LEVEL};
use original::Original;

use super::quiet::forget;
use super::staging::{FileError, Staged, same};
use crate::config::Compression;
use crate::fs::{Access, Fs};
use crate::ledger::segment::{Encoding, Found, contents, read_header};

/// Bytes between two looks at whether to stop.
const BLOCK: usize = 256 << 10;

/// A segment that was compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compressed {
    /// Where it is now.
    pub path: PathBuf,
    /// Its size before, bytes.
    pub before: u64,
    /// Its size after, bytes.
    pub after: u64,
    /// How long it took.
    pub duration: Duration,
}

/// Why a segment stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum CompressError {
    /// It was asked for.
    #[error("the compression of {0:?} was stopped; the next run begins it anew")]
    Stopped(PathBuf),
    /// Somebody else was at it.
    #[error(
        "{0:?} was changed or renamed while it was compressed, and stays as it is; the next run looks again"
    )]
    Changed(PathBuf),
    /// The name is not free.
    #[error(
        "{path:?} cannot be compressed: {target:?} is there already and does not hold the same; nothing is overwritten, so move one of them out of the directory"
    )]
    Taken {
        /// The segment.
        path: PathBuf,
        /// What is in its way.
        target: PathBuf,
    },
    /// The disk or the memory is broken.
    #[error(
        "{0:?} stays as it is: what was read back of its compressed form is not the same; check the disk and the memory of this host"
    )]
    Differs(PathBuf),
    /// The kernel refused something.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Compresses a closed segment in the log directory `dir`, which nobody writes any more. `None`: it is
/// compressed already, or `to` says that it should not be. `stop` is asked again and again and ends it early.
/// Also ends what an earlier run left undone, when both forms of a segment are there.
///
/// # Errors
/// Then the segment is as it was, or both forms of it are there.
pub fn compress(
    fs: &dyn Fs,
    dir: &Path,
    found: &Found,
    to: Compression,
    stop: &dyn Fn() -> bool,
) -> Result<Option<Compressed>, CompressError> {
    let begun = Instant::now();
    if found.encoding != Encoding::Plain {
        return Ok(None);
    }
    let mut task = Task { fs, dir, stop, original: Original::open(found)? };
    let written = match task.written_earlier(to)? {
        Some(path) => Some(path),
        None => task.write(to)?,
    };
    let Some(path) = written else { return Ok(None) };
    let after = fs::metadata(&path).map_err(FileError::of("looked at", &path))?.len();
    task.remove_original(&path)?;
    let before = task.original.meta.len();
    Ok(Some(Compressed { path, before, after, duration: begun.elapsed() }))
}

/// One compression.
struct Task<'a> {
    fs: &'a dyn Fs,
    dir: &'a Path,
    stop: &'a dyn Fn() -> bool,
    original: Original,
}

impl Task<'_> {
    /// The compressed form that a run left which was cut off before it removed the original, made durable.
    fn written_earlier(&mut self, to: Compression) -> Result<Option<PathBuf>, CompressError> {
        for form in [Compression::Zstd, Compression::Gzip] {
            let Some(name) = self.original.name_as(form) else { continue };
            let path = self.dir.join(name);
            let Ok(meta) = fs::symlink_metadata(&path) else { continue };
            if meta.is_file() && self.is_whole(&path)? {
                let sync = || self.fs.open_append(&path, Access::Shared)?.sync();
                sync().map_err(FileError::of("synced", &path))?;
                let synced = self.fs.sync_dir(self.dir);
                synced.map_err(FileError::of("synced", self.dir))?;
                return Ok(Some(path));
            }
            if form == to {
                return Err(CompressError::Taken {
                    path: self.original.path.clone(),
                    target: path,
                });
            }
        }
        Ok(None)
    }

    /// Whether the file at `path` is a segment in compressed form that holds the same; anything else may be
    /// there too.
    fn is_whole(&mut self, path: &Path) -> Result<bool, CompressError> {
        let failed = || FileError::of("read", path);
        match read_header(path).map_err(failed())? {
            Some(found) if found.encoding != Encoding::Plain => {}
            _ => return Ok(false),
        }
        let file = crate::fs::open_regular(path).map_err(failed())?;
        self.holds_the_same(&file)
    }

    /// Writes the compressed form and gives it its name.
    fn write(&mut self, to: Compression) -> Result<Option<PathBuf>, CompressError> {
        let Some(name) = self.original.name_as(to) else { return Ok(None) };
        let mut staged = Staged::create(self.fs, self.dir, &name, Access::Shared)?;
        self.encode(&mut staged, to)?;
        let written = staged.finish(Some(&self.original.meta))?;
        if !self.holds_the_same(&written)? {
            return Err(CompressError::Differs(self.original.path.clone()));
        }
        self.original.check()?;
        match staged.publish() {
            Err(e) if e.source.kind() == ErrorKind::AlreadyExists => {
                Err(CompressError::Taken { path: self.original.path.clone(), target: e.path })
            }
            published => Ok(Some(published?)),
        }
    }

    fn encode(&mut self, staged: &mut Staged<'_>, to: Compression) -> Result<(), CompressError> {
        let path = staged.path().to_owned();
        let wrong = || FileError::of("written", &path);
        let len = self.original.meta.len();
        let mut encoder = encoder::new(staged, to, len).map_err(wrong())?;
        let mut block = vec![0; BLOCK];
        let mut done = 0;
        while done < len {
            self.check_stop()?;
            let wanted = BLOCK.min((len - done) as usize);
            let read = self.original.file.read(&mut block[..wanted]);
            let read = read.map_err(FileError::of("read", &self.original.path))?;
            if read == 0 {
                return Err(CompressError::Changed(self.original.path.clone()));
            }
            encoder.write_all(&block[..read]).map_err(wrong())?;
            forget(&self.original.file, done, read as u64);
            done += read as u64;
        }
        encoder.finish().map_err(wrong())?;
        Ok(())
    }

    /// Whether a compressed file is whole, alone, and holds what the original does.
    fn holds_the_same(&mut self, written: &fs::File) -> Result<bool, CompressError> {
        let compare = || {
            let mut written = contents(written.try_clone()?)?;
            let mut file = &self.original.file;
            file.rewind()?;
            let mut original = BufReader::with_capacity(BLOCK, file);
            let mut forgotten = 0;
            let on = &mut |done: u64| {
                if done - forgotten >= BLOCK as u64 {
                    forget(file, forgotten, done - forgotten);
                    forgotten = done;
                }
                !(self.stop)()
            };
            match same(&mut written, &mut original, on) {
                Ok(Some(true)) => Ok(Some(written.into_inner().is_at_end()?)),
                // What the decompressor says, and not the kernel.
                Err(e) if e.raw_os_error().is_none() => Ok(Some(false)),
                other => other,
            }
        };
        let compared = compare();
        forget(written, 0, 0);
        let compared = compared
            .map_err(FileError::of("compared with its compressed form", &self.original.path))?;
        compared.ok_or_else(|| CompressError::Stopped(self.original.path.clone()))
    }

    /// The compressed form at `path` has taken its place. If the original is not what was compressed any more,
    /// it is the other way round.
    fn remove_original(&self, path: &Path) -> Result<(), CompressError> {
        let changed = self.original.check();
        let goes = if changed.is_ok() { &self.original.path } else { path };
        self.fs.remove(goes).map_err(FileError::of("removed", goes))?;
        self.fs.sync_dir(self.dir).map_err(FileError::of("synced", self.dir))?;
        changed
    }

    fn check_stop(&self) -> Result<(), CompressError> {
        match (self.stop)() {
            true => Err(CompressError::Stopped(self.original.path.clone())),
            false => Ok(()),
        }
    }
}
