//! How far the last verification came, kept for `--quick`: a file for each log, in a directory that is not
//! the daemon's.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use data_encoding::HEXLOWER;

use crate::cli::context::Context;
use crate::fs::{Access, Real, replace};
use crate::ledger::verify::Position;
use crate::ledger::{Paths, segment};

/// No position is longer: it holds at most 1,000 findings.
const MOST_BYTES: u64 = 4 << 20;

/// The file for one log.
pub(super) struct Kept(PathBuf);

impl Kept {
    /// The file for the log at `paths` that began with the key `genesis`; `None` if there is no log, or no
    /// place for the file.
    pub(super) fn of(context: &Context, paths: &Paths, genesis: &[u8; 32]) -> Option<Self> {
        let segments = segment::list(&paths.log_dir).ok()?;
        let log_id = &segments.first()?.header.log_id;
        // A header may say anything.
        let hex = log_id.len() == 32 && log_id.bytes().all(|b| b.is_ascii_hexdigit());
        let dir = context.sources(None).verified_dir().ok().filter(|_| hex)?;
        Some(Self(dir.join(format!("{log_id}-{}.json", &HEXLOWER.encode(genesis)[..16]))))
    }

    /// What was kept; `None` if there is nothing that can be used.
    pub(super) fn load(&self) -> Option<Position> {
        let mut text = Vec::new();
        fs::File::open(&self.0).ok()?.take(MOST_BYTES).read_to_end(&mut text).ok()?;
        Position::from_json(&text)
    }

    /// Keeps a position in place of the last one; whoever reads the file sees either of them whole.
    pub(super) fn save(&self, position: &Position) -> io::Result<()> {
        if let Some(dir) = self.0.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        replace(&Real::default(), &self.0, position.to_json().as_bytes(), Access::Private)
    }
}
