//! The files of the log with their sums.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::ledger::segment;

/// A segment's file as it was.
pub(super) struct Summed {
    /// Its name in the directory.
    pub name: String,
    /// The segment's number.
    pub segment: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// SHA-256 of them, hex.
    pub sha256: String,
    /// The host's name in its first line.
    pub host: String,
}

/// All segments of the log, in order.
pub(super) fn sum(dir: &Path, log_id: &str) -> io::Result<Vec<Summed>> {
    let mut summed = Vec::new();
    for found in segment::list(dir)? {
        if found.header.log_id != log_id {
            continue;
        }
        let file = match File::open(&found.path) {
            Ok(file) => file,
            // Renamed or compressed since: the page lists what it could read.
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(e),
        };
        // The daemon may go on writing: only what is there now.
        let len = file.metadata()?.len();
        let mut hash = Sha256::new();
        let bytes = io::copy(&mut file.take(len), &mut Hashing(&mut hash))?;
        summed.push(Summed {
            name: found.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            segment: found.header.segment,
            bytes,
            sha256: HEXLOWER.encode(&hash.finalize()),
            host: found.header.host,
        });
    }
    Ok(summed)
}

/// Whether the name stands for itself in the shell and for `sha256sum`.
pub(super) fn is_plain(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-+@:".contains(&b);
    !name.starts_with('-') && name.bytes().all(plain)
}

struct Hashing<'h>(&'h mut Sha256);

impl io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
