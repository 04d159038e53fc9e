//! The segments and their sizes at one moment: what the daemon writes later is left for later.

use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use crate::ledger::segment::{self, Contents, Found};

/// The segments of a directory, oldest first, each with the size of its file.
pub struct Snapshot {
    dir: PathBuf,
    /// What was found.
    pub segments: Vec<(Found, u64)>,
}

impl Snapshot {
    /// Looks at the directory.
    pub fn take(dir: &Path) -> io::Result<Self> {
        let mut segments = Vec::new();
        for found in segment::list(dir)? {
            let len = std::fs::metadata(&found.path).map_or(0, |meta| meta.len());
            segments.push((found, len));
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
