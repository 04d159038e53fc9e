//! The ledger's files: how they come into being and how they are moved out of the way.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::active::Segment;
use super::segment::Header;
use super::{LedgerError, Paths};
use crate::fs::{Access, File, Fs};

/// Creates the active segment with `header`, durably. An empty file at its path, or the beginning of a
/// header that a crash left, or this very header that an earlier call could not sync, is taken over; anything else is
/// moved aside.
pub(super) fn create_segment(
    fs: &dyn Fs,
    paths: &Paths,
    header: &Header,
) -> Result<Segment, LedgerError> {
    let path = paths.active();
    let line = header.to_line();
    let ours = std::fs::metadata(&path).is_ok_and(|meta| meta.len() == line.len() as u64)
        && std::fs::read(&path).is_ok_and(|found| found == line);
    if !ours {
        set_aside(fs, paths, "damaged")?;
    }
    let created = LedgerError::io("created", &path);
    let create = || {
        let mut file = fs.open_append(&path, Access::Shared)?;
        if file.stat()?.len > 0 {
            file.truncate(0)?;
        }
        file.append(&line)?;
        file.sync()?;
        fs.sync_dir(&paths.log_dir)?;
        Segment::new(file, header, line.len() as u64)
    };
    create().map_err(created)
}

/// Appends a seal's line to seals.jsonl, durably. `before` is how long the file was: none at the first try, and what a
/// try that failed has appended is cut off by the next one.
pub(super) fn append_seal(
    file: &mut dyn File,
    paths: &Paths,
    line: &[u8],
    before: &mut Option<u64>,
) -> Result<(), LedgerError> {
    let mut append = || {
        let len = file.stat()?.len;
        match *before.get_or_insert(len) {
            before if before < len => file.truncate(before)?,
            _ => {}
        }
        file.append(line)?;
        file.sync()
    };
    append().map_err(LedgerError::io("appended to", &paths.seals()))
}

/// Moves what stands at the active path to a name that says why, unless it holds no whole line.
pub(super) fn set_aside(
    fs: &dyn Fs,
    paths: &Paths,
    why: &str,
) -> Result<Option<PathBuf>, LedgerError> {
    let active = paths.active();
    if !holds_a_line(&active) {
        return Ok(None);
    }
    let aside = (0..u32::MAX)
        .map(|n| paths.log_dir.join(format!("audit-{why}-{n}.jsonl")))
        .find(|path| !path.exists())
        .unwrap_or_else(|| paths.log_dir.join(format!("audit-{why}.jsonl")));
    let moved = fs.rename(&active, &aside).and_then(|()| fs.sync_dir(&paths.log_dir));
    moved.map_err(LedgerError::io("moved aside", &active))?;
    Ok(Some(aside))
}

fn holds_a_line(path: &Path) -> bool {
    let mut start = Vec::new();
    let limit = super::segment::MAX_HEADER;
    let read = std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut start));
    read.is_ok() && (start.contains(&b'\n') || start.len() as u64 == limit)
}

pub(super) fn open_seals(fs: &dyn Fs, paths: &Paths) -> Result<Box<dyn File>, LedgerError> {
    let path = paths.seals();
    fs.open_append(&path, Access::Shared).map_err(LedgerError::io("opened", &path))
}
