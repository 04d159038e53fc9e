//! `--receipts FILE`: what the daemon acknowledged, one JSON object a line, for `verify --anchor`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use serde::Serialize;

use super::super::error::Error;
use super::tally::Receipt;
use crate::clock::{Clock, rfc3339};

/// A receipt as it is kept.
#[derive(Serialize)]
struct Line<'a> {
    /// The version of this form.
    auditlog_receipt: u32,
    log_id: &'a str,
    #[serde(flatten)]
    receipt: &'a Receipt,
    /// This process's clock when the daemon's answer came.
    received: String,
}

/// The open file.
pub(super) struct Receipts {
    path: PathBuf,
    file: File,
    error: Option<io::Error>,
}

impl Receipts {
    /// Opens the file for appending, creating it for its owner alone.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Receipts { path: path.into(), source };
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
        let nameless = || io::Error::other("the daemon has not said which log it writes");
        let line = Line {
            auditlog_receipt: 1,
            log_id: log_id.ok_or_else(nameless)?,
            receipt,
            received: rfc3339(Clock::System.now().wall_ns),
        };
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        self.file.write_all(&text)
    }

    /// Makes them durable.
    pub(super) fn finish(self) -> Result<(), Error> {
        let synced = match (self.error, self.file.sync_all()) {
            (Some(error), _) => Err(error),
            // A pipe or a terminal, say.
            (None, Err(e)) if e.raw_os_error() == Some(Errno::EINVAL as i32) => Ok(()),
            (None, synced) => synced,
        };
        synced.map_err(|source| Error::Receipts { path: self.path, source })
    }
}

/// What a crash left of a last line is ended, so that the next receipt has a line of its own.
fn open(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    if file.metadata()?.is_file() && file.metadata()?.len() > 0 {
        let mut last = [0];
        let mut read = File::open(path)?;
        read.seek(SeekFrom::End(-1))?;
        read.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}
