//! An archive that is a directory, perhaps on another machine's disk: segments, and the seals of just these, so
//! that it can be verified alone.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::book;
use super::{Context, Refusal};
use crate::fs::{Access, open_regular};
use crate::ledger::segment::{self, Encoding, Found};
use crate::ledger::{line, seal};
use crate::maintain::quiet::forget;
use crate::maintain::staging::{FileError, Staged, clear_leftovers, same};

/// Bytes that are copied between two looks at whether to stop.
const BLOCK: usize = 256 << 10;

pub(super) struct Directory<'a> {
    pub path: &'a Path,
    pub context: &'a Context<'a>,
}

impl From<FileError> for Refusal {
    fn from(e: FileError) -> Self {
        let advice = match e.source.kind() {
            ErrorKind::ReadOnlyFilesystem => {
                "; under systemd the directory has to be in ReadWritePaths= of a drop-in"
            }
            ErrorKind::PermissionDenied => {
                "; the directory has to be the daemon's to write, and to be there when the daemon starts"
            }
            _ => "",
        };
        Refusal::Failed(format!("{e}{advice}"))
    }
}

impl Directory<'_> {
    /// Whether it can be used: it is there, away from the log, and holds no other log. Removes what an earlier
    /// run left unfinished in it.
    pub fn begin(&self) -> Result<(), Refusal> {
        let path = self.path;
        let found = fs::canonicalize(path).map_err(FileError::of("found", path))?;
        if !found.is_dir() {
            return Err(Refusal::Failed(format!("{path:?} is no directory")));
        }
        let paths = self.context.paths;
        let inside = |dir: &Path| fs::canonicalize(dir).is_ok_and(|dir| found.starts_with(dir));
        if inside(&paths.log_dir) || inside(&paths.state_dir) {
            let text = "is with the log itself, where it would go with the log";
            return Err(Refusal::Failed(format!("{found:?} {text}; name a directory elsewhere")));
        }
        let (ours, theirs) = (first_line(&paths.seals())?, first_line(&self.seals())?);
        if ours.zip(theirs).is_some_and(|(ours, theirs)| ours != theirs) {
            let text = "holds the archive of another log; give each log a directory of its own";
            return Err(Refusal::Failed(format!("{path:?} {text}")));
        }
        clear_leftovers(self.context.fs, path)?;
        Ok(())
    }

    /// Copies the segment: when this returns, the copy is on that disk.
    pub fn take(&self, found: &Found) -> Result<(), Refusal> {
        let gone = FileError::of("opened", &found.path);
        let (found, mut file) = segment::reopen(found).map_err(gone)?;
        for encoding in Encoding::ALL {
            let path = self.path.join(name(&found, encoding));
            if fs::symlink_metadata(&path).is_ok() {
                return self.compare(&found, &path);
            }
        }
        let name = name(&found, found.encoding);
        let mut staged = Staged::create(self.context.fs, self.path, &name, Access::Private)?;
        self.copy(&mut file, &found.path, &mut staged)?;
        let written = staged.finish(None)?;
        self.read_back(&mut file, &found.path, &written)?;
        staged.publish()?;
        Ok(())
    }

    fn copy(
        &self,
        file: &mut fs::File,
        from: &Path,
        staged: &mut Staged<'_>,
    ) -> Result<(), Refusal> {
        let path = staged.path().to_owned();
        file.rewind().map_err(FileError::of("read", from))?;
        let mut block = vec![0; BLOCK];
        let mut done = 0;
        loop {
            self.context.check_stop()?;
            let read = file.read(&mut block).map_err(FileError::of("read", from))?;
            if read == 0 {
                return Ok(());
            }
            staged.write_all(&block[..read]).map_err(FileError::of("written", &path))?;
            forget(file, done, read as u64);
            done += read as u64;
        }
    }

    fn read_back(&self, file: &mut fs::File, from: &Path, to: &fs::File) -> Result<(), Refusal> {
        file.rewind().map_err(FileError::of("read", from))?;
        let mut original = BufReader::with_capacity(BLOCK, &*file);
        let mut copy = BufReader::with_capacity(BLOCK, to);
        let same = same(&mut original, &mut copy, &mut |_| !(self.context.stop)());
        forget(file, 0, 0);
        forget(to, 0, 0);
        match same.map_err(FileError::of("read back", self.path))? {
            Some(true) => Ok(()),
            Some(false) => {
                let text = "what was read back of the copy is not the same; check that disk";
                Err(Refusal::Failed(text.into()))
            }
            None => Err(Refusal::Stopped),
        }
    }

    /// What is there already is the segment, however it is stored, or else in its way; a link is no copy, since it
    /// may lead back to the log.
    fn compare(&self, found: &Found, path: &Path) -> Result<(), Refusal> {
        let failed = || FileError::of("compared", path);
        let other = || {
            Refusal::Conflict(format!(
                "{path:?} is there already and holds something else; nothing is overwritten, so look what it is and move it away"
            ))
        };
        if !fs::symlink_metadata(path).map_err(failed())?.is_file() {
            return Err(other());
        }
        let open = |file| segment::contents(file).map_err(failed());
        let mut ours = open(segment::open_listed(found).map_err(failed())?)?;
        let mut theirs = open(open_regular(path).map_err(failed())?)?;
        let same = same(&mut ours, &mut theirs, &mut |_| !(self.context.stop)());
        match same {
            Ok(Some(true)) if theirs.into_inner().is_at_end().map_err(failed())? => Ok(()),
            Ok(None) => Err(Refusal::Stopped),
            Err(e) if e.raw_os_error().is_some() => Err(failed()(e).into()),
            _ => Err(other()),
        }
    }

    /// Brings its copy of seals.jsonl up to the seals of leaves below `below`. Those of segments that it does
    /// not have would look as if its end had been cut.
    pub fn take_seals(&self, below: u64) -> Result<(), Refusal> {
        let from = self.context.paths.seals();
        let failed = || FileError::of("read", &from);
        let file = match fs::File::open(&from) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            opened => opened.map_err(failed())?,
        };
        let name = self.seals();
        let name = name.file_name().unwrap_or_default();
        let mut staged = Staged::create(self.context.fs, self.path, name, Access::Private)?;
        let path = staged.path().to_owned();
        let mut reader = BufReader::with_capacity(BLOCK, file);
        let mut seal = Vec::new();
        loop {
            self.context.check_stop()?;
            seal.clear();
            read_line(&mut reader, &mut seal).map_err(failed())?;
            if size(&seal).is_none_or(|size| size >= below) {
                break;
            }
            staged.write_all(&seal).map_err(FileError::of("written", &path))?;
        }
        staged.finish(None)?;
        staged.replace()?;
        Ok(())
    }

    fn seals(&self) -> PathBuf {
        self.path.join("seals.jsonl")
    }
}

/// A segment's name in the archive. It does not depend on what its file is called, since programs that rotate
/// give the same names again and again.
fn name(found: &Found, encoding: Encoding) -> OsString {
    let (number, id) = (found.header.segment, book::id(&found.header));
    format!("audit-{number:08}-{}.jsonl{}", &id[..12], encoding.ending()).into()
}

fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<usize> {
    reader.take(line::MAX as u64 + 1).read_until(b'\n', line)
}

/// The number of leaves before a seal, whose line with LF this is.
fn size(text: &[u8]) -> Option<u64> {
    match line::parse(text.strip_suffix(b"\n")?).ok()?.body {
        line::Body::Seal(json) => Some(seal::parse(json).ok()?.size),
        line::Body::Event { .. } => None,
    }
}

/// The first line of a file; `None` if there is none.
fn first_line(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    let mut line = Vec::new();
    let read = open_regular(path).and_then(|file| read_line(&mut BufReader::new(file), &mut line));
    match read {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        read => {
            read.map_err(FileError::of("read", path))?;
            Ok(line.ends_with(b"\n").then_some(line))
        }
    }
}
