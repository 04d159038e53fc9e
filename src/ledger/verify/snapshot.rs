//! The segments and their sizes at one moment: what the daemon writes later is left for later.

use std::io::{self, BufRead};
use std::path::Path;

use crate::ledger::segment::{self, Encoding, Found};

/// The segments of a directory, oldest first, each with the size of its file.
pub struct Snapshot {
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
            // Of the file that was listed, wherever it is by now.
            let (found, file) = segment::reopen(&found)?;
            let len = file.metadata()?.len();
            match segments.last_mut().filter(|(last, _)| last.header == found.header) {
                Some(last) if is_copy(&last.0, &found)? => {}
                Some(last) if is_copy(&found, &last.0)? => *last = (found, len),
                _ => segments.push((found, len)),
            }
        }
        Ok(Self { segments })
    }
}

/// Whether `copy` holds nothing but what `whole` begins with: while a segment is compressed, both files are
/// there. A compressed file that ends too early is one that is still being written.
pub(crate) fn is_copy(whole: &Found, copy: &Found) -> io::Result<bool> {
    let open = |found| segment::contents(segment::open_listed(found)?);
    let (mut whole, mut copied) = (open(whole)?, open(copy)?);
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
