//! What becomes of the active file when a new one takes its place.

use std::io::ErrorKind;
use std::path::PathBuf;

use super::{Ledger, LedgerError};
use crate::clock::{Now, rfc3339};

/// Names that are tried for a closed segment before it is given up.
const NAMES: u32 = 100;

impl Ledger {
    /// Gives the active file the name of a closed segment, durably, and returns its path; nothing that
    /// exists is replaced. A crash afterwards: the start finds the segment by its header, whatever its
    /// name, and opens a new one. The outer error is of a disk whose state is unknown; after the inner
    /// one the file still has its name.
    pub fn move_active(&self, now: Now) -> Result<Result<PathBuf, LedgerError>, LedgerError> {
        let active = self.paths.active();
        let mut tried = Err(ErrorKind::AlreadyExists.into());
        for n in 0..NAMES {
            let path = self.paths.log_dir.join(closed_name(now, self.segment.number, n));
            tried = self.fs.rename_new(&active, &path).map(|()| path);
            match &tried {
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                _ => break,
            }
        }
        if tried.is_ok() {
            let dir = &self.paths.log_dir;
            self.fs.sync_dir(dir).map_err(LedgerError::io("synced", dir))?;
        }
        Ok(tried.map_err(LedgerError::io("renamed", &active)))
    }
}

/// `audit-20261121T012345Z-17.jsonl`: when segment 17 was closed, in UTC. The `n`th name for it; only
/// where somebody has put another file there is one but the first needed.
fn closed_name(now: Now, segment: u64, n: u32) -> String {
    let time: String =
        rfc3339(now.wall_ns).chars().take(19).filter(|c| !matches!(c, '-' | ':')).collect();
    match n {
        0 => format!("audit-{time}Z-{segment}.jsonl"),
        n => format!("audit-{time}Z-{segment}.{n}.jsonl"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_closed_segment_says_when_and_which() {
        let now = Now { wall_ns: 1_795_224_225_123_456_789, boot_ns: 0 };
        assert_eq!(closed_name(now, 17, 0), "audit-20261121T012345Z-17.jsonl");
        assert_eq!(closed_name(now, 17, 2), "audit-20261121T012345Z-17.2.jsonl");
    }
}
