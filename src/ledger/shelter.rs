//! The active segment when the log directory is gone and this process cannot make it again, as one that restricts itself
//! cannot: its bytes wait in the state directory until the next start puts them back.

use super::open::Setup;
use super::segment::{self, Header};
use super::{Ledger, LedgerError};
use crate::fs::{Access, replace};

impl Ledger {
    /// Copies the active segment, which may have no name any more, to the state directory. A crash before this returns
    /// loses what was in it, as the removal meant to.
    pub fn shelter(&self) -> Result<(), LedgerError> {
        let path = self.paths.sheltered();
        let mut bytes = self.segment.file.read_all().map_err(LedgerError::io("read", &path))?;
        bytes.truncate(self.segment.len as usize);
        replace(&*self.fs, &path, &bytes, Access::Shared)
            .map_err(LedgerError::io("written", &path))?;
        tracing::warn!("the lines of the active segment wait in {path:?} for the next start");
        Ok(())
    }
}

/// Puts back what the last run has sheltered, unless it is in the log already. A crash in between: it is there twice, and
/// the next start removes one.
pub(super) fn put_back(setup: &Setup) -> Result<(), LedgerError> {
    let (fs, paths) = (&*setup.fs, &setup.paths);
    let path = paths.sheltered();
    let bytes = match std::fs::read(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        read => read.map_err(LedgerError::io("read", &path))?,
    };
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if let Some(header) = Header::parse(line) {
        let found = segment::list(&paths.log_dir);
        let found = found.map_err(LedgerError::io("listed", &paths.log_dir))?;
        if !found.iter().any(|found| found.header == header) {
            let name = format!("audit-rescued-{}.jsonl", header.segment);
            let back = paths.log_dir.join(name);
            replace(fs, &back, &bytes, Access::Shared)
                .map_err(LedgerError::io("written", &back))?;
            tracing::warn!(
                "the last run's active segment, whose directory was removed, is {back:?}"
            );
        }
    }
    let removed = fs.remove(&path).and_then(|()| fs.sync_dir(&paths.state_dir));
    removed.map_err(LedgerError::io("removed", &path))
}
