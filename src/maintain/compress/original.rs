//! The segment that is compressed, and whether it is still what was opened.

use std::ffi::OsString;
use std::fs;
use std::io::{ErrorKind, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::SystemTime;

use super::CompressError;
use crate::config::Compression;
use crate::ledger::segment::{Encoding, Found, open_listed};
use crate::maintain::staging::FileError;

/// The segment as it was when it was opened.
pub(super) struct Original {
    pub path: PathBuf,
    pub file: fs::File,
    pub meta: fs::Metadata,
}

impl Original {
    /// Opens a listed segment, if it is still what was listed.
    pub fn open(found: &Found) -> Result<Self, CompressError> {
        let path = found.path.clone();
        let mut file = match open_listed(found) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Err(CompressError::Changed(path)),
            opened => opened.map_err(FileError::of("opened", &path))?,
        };
        let looked = file.rewind().and_then(|()| file.metadata());
        let meta = looked.map_err(FileError::of("looked at", &path))?;
        let original = Self { path, file, meta };
        original.check()?;
        Ok(original)
    }

    /// Its name as a file of that form.
    pub fn name_as(&self, form: Compression) -> Option<OsString> {
        let encoding = match form {
            Compression::None => return None,
            Compression::Zstd => Encoding::Zstd,
            Compression::Gzip => Encoding::Gzip,
        };
        let mut name = self.path.file_name()?.to_owned();
        name.push(encoding.ending());
        Some(name)
    }

    /// Fails unless the file at its path is the one that was opened, as it was.
    pub fn check(&self) -> Result<(), CompressError> {
        let what = |meta: &fs::Metadata| -> (u64, u64, u64, Option<SystemTime>) {
            (meta.dev(), meta.ino(), meta.len(), meta.modified().ok())
        };
        match fs::symlink_metadata(&self.path) {
            Ok(now) if what(&now) == what(&self.meta) => Ok(()),
            _ => Err(CompressError::Changed(self.path.clone())),
        }
    }
}
