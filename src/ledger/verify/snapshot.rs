//! The segments and their sizes at one moment: what the daemon writes later is left for later.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::ledger::segment::{self, Contents, Encoding, Found};

/// The segments of a directory, oldest first, each with the size of its file.
pub struct Snapshot {
    dir: PathBuf,
    /// What was found.
    pub segments: Vec<(Found, u64)>,
}

impl Snapshot {
    /// Looks at the directory; again, if a file went away meanwhile, as it does after it was compressed.
    pub fn take(dir: &Path) -> io::Result<Self> {
        const TRIES: usize = 100;
        let mut tries = (0..TRIES).map(|_| Self::look(dir));
        let gone = |taken: &io::Result<Self>| {
            taken.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::NotFound)
        };
        tries.find(|taken| !gone(taken)).unwrap_or_else(|| Self::look(dir))
    }

    fn look(dir: &Path) -> io::Result<Self> {
        let mut segments: Vec<(Found, u64)> = Vec::new();
        for found in segment::list(dir)? {
            let len = std::fs::metadata(&found.path)?.len();
            match segments.last_mut().filter(|(last, _)| last.header == found.header) {
                Some(last) if is_copy(&last.0, &found)? => {}
                Some(last) if is_copy(&found, &last.0)? => *last = (found, len),
                _ => segments.push((found, len)),
            }
        }
        Ok(Self { dir: dir.into(), segments })
    }

    /// Opens a segment, which may have been renamed or compressed since.
    pub fn open(&self, wanted: &Found) -> io::Result<(PathBuf, BufReader<Contents>)> {
        let is_there = segment::read_header(&wanted.path)
            .is_ok_and(|found| found.is_some_and(|found| found.header == wanted.header));
        let path = match is_there {
            true => wanted.path.clone(),
            false => {
                let found = segment::list(&self.dir)?.into_iter();
                let mut found = found.filter(|found| found.header == wanted.header);
                found.next().ok_or(io::ErrorKind::NotFound)?.path
            }
        };
        let reader = segment::open(&path)?;
        Ok((path, reader))
    }
}

/// Whether `copy` holds nothing but what `whole` begins with: while a segment is compressed, both files are
/// there. A compressed file that ends too early is one that is still being written.
fn is_copy(whole: &Found, copy: &Found) -> io::Result<bool> {
    let (mut whole, mut copied) = (segment::open(&whole.path)?, segment::open(&copy.path)?);
    loop {
        let part = match copied.fill_buf() {
            Err(e) if copy.encoding != Encoding::Plain && e.raw_os_error().is_none() => break,
            part => part?,
        };
        if part.is_empty() {
            break;
        }
        let other = whole.fill_buf()?;
        let len = part.len().min(other.len());
        if len == 0 || part[..len] != other[..len] {
            return Ok(false);
        }
        copied.consume(len);
        whole.consume(len);
    }
    Ok(true)
}
