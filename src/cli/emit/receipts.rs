//! `--receipts FILE`: what the daemon acknowledged, one JSON object a line, for `verify --anchor`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::super::error::Error;
use crate::client::Receipt;
use crate::clock::Clock;
use crate::ledger::{anchor, hex};
use nix::errno::Errno;

/// Longer than a receipt's line.
const LONGEST: u64 = 512;
/// How each begins.
const BEGINNING: &[u8] = b"{\"auditlog_receipt\":";

/// The open file.
pub(super) struct Receipts {
    path: PathBuf,
    file: File,
    error: Option<io::Error>,
}

impl Receipts {
    /// Opens the file for appending, creating it for its owner alone.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let failed =
            |source| Error::File { action: "write the receipts to", path: path.into(), source };
        let file = open(path).map_err(failed)?;
        Ok(Self { path: path.into(), file, error: None })
    }

    /// Appends a receipt; false if that has failed, now or before.
    pub(super) fn keep(&mut self, log_id: Option<&str>, receipt: &Receipt) -> bool {
        if self.error.is_none() {
            self.error = self.append(log_id, receipt).err();
        }
        self.error.is_none()
    }

    fn append(&mut self, log_id: Option<&str>, receipt: &Receipt) -> io::Result<()> {
        let kept = anchor::Receipt {
            log_id: log_id.and_then(hex::decode).ok_or_else(|| strange("which log it writes"))?,
            seq: receipt.seq,
            mac: hex::decode(&receipt.mac).ok_or_else(|| strange("the line's mac"))?,
            received_ns: Clock::System.now().wall_ns,
        };
        self.file.write_all(kept.to_line().as_bytes())
    }

    /// Makes them durable.
    pub(super) fn finish(self) -> Result<(), Error> {
        let synced = match (self.error, self.file.sync_all()) {
            (Some(error), _) => Err(error),
            // A pipe or a terminal, say.
            (None, Err(e)) if e.raw_os_error() == Some(Errno::EINVAL as i32) => Ok(()),
            (None, synced) => synced,
        };
        synced.map_err(|source| Error::File {
            action: "write the receipts to",
            path: self.path,
            source,
        })
    }
}

fn strange(what: &str) -> io::Error {
    io::Error::other(format!(
        "the daemon did not say {what} as it should; it is of another version"
    ))
}

/// The next receipt has a line of its own: of one that was cut when it was written nothing is left, for no
/// command said that it is kept; another unfinished last line is ended.
fn open(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    let len = file.metadata()?.len();
    if !file.metadata()?.is_file() || len == 0 {
        return Ok(file);
    }
    let mut end = Vec::new();
    let mut read = File::open(path)?;
    read.seek(SeekFrom::Start(len.saturating_sub(LONGEST)))?;
    read.read_to_end(&mut end)?;
    let last = &end[memchr::memrchr(b'\n', &end).map_or(0, |lf| lf + 1)..];
    if last.starts_with(BEGINNING) {
        file.set_len(len - last.len() as u64)?;
    } else if !last.is_empty() {
        file.write_all(b"\n")?;
    }
    Ok(file)
}
