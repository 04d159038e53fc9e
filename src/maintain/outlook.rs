//! What a run would delete if it came now, from the files and the configuration alone. Nothing is changed.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::Settings;
use super::archive::Archives;
use super::believed::Believed;
use super::boot::Boot;
use super::decide::Basis;
use super::holds::{Holds, HoldsError};
use super::plan::Plan;
use super::state::StateFile;
use crate::clock::{self, Clock, Now};
use crate::config::Config;
use crate::event::FieldMapError;
use crate::fs::Real;
use crate::index::{IndexError, PruneRows, Reader, RowsPruned};
use crate::ledger::{Paths, segment};

/// What would be done.
pub struct Outlook {
    /// What would become of each segment.
    pub plan: Plan,
    /// Rows of the database that would go by their own rules.
    pub rows: u64,
    /// Those that have expired and that only holds keep.
    pub rows_held: u64,
    /// The time that it goes by, nanoseconds since 1970.
    pub believed_ns: i64,
}

/// Why that cannot be told; a run would delete nothing either.
#[derive(Debug, thiserror::Error)]
pub enum OutlookError {
    /// The holds.
    #[error(transparent)]
    Holds(#[from] HoldsError),
    /// The fields of the configuration.
    #[error("[fields] {0}")]
    Fields(#[from] FieldMapError),
    /// The segments, or the kernel's boot id.
    #[error("{what} cannot be read: {source}")]
    Read {
        /// What.
        what: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// There is nothing to look at.
    #[error("there is no log in {0:?}")]
    NoLog(PathBuf),
    /// What the decision needs.
    #[error("{0}")]
    Undecided(String),
}

/// What a run would delete at `now`.
pub fn outlook(config: &Config, now: Now) -> Result<Outlook, OutlookError> {
    let paths = Paths { log_dir: config.log_dir.clone(), state_dir: config.state_dir.clone() };
    let read = |what: String| move |source| OutlookError::Read { what, source };
    let dir = &config.log_dir;
    let listed = segment::list(dir).map_err(read(format!("the log in {dir:?}")))?;
    let newest = listed.iter().max_by_key(|found| found.header.segment);
    let log_id = newest.ok_or_else(|| OutlookError::NoLog(dir.clone()))?.header.log_id.clone();
    let boot = Boot(clock::boot_id().map_err(read("the kernel's boot id".into()))?);
    let disk = Arc::new(Real::default());
    let file = StateFile::new(disk.clone(), &config.state_dir);
    let (state, _) = file.read();
    let believed = Believed::next(state.believed.as_ref(), now, &boot);
    let believed_ns = believed.for_retention(now);
    let holds = Holds::load_known(&config.state_dir, state.holds)?;
    let settings = Settings::of(config, Arc::new(config.field_map()?));
    let basis = Basis {
        log_dir: dir,
        log_id: &log_id,
        active: None,
        database: &config.database(),
        settings: &settings,
        archives: &Archives::open(disk, paths, Clock::System),
        holds: &holds,
        believed_ns,
        wall_ns: now.wall_ns,
    };
    let plan = basis.decide(&mut file.read_memory(), &|| false).map_err(OutlookError::Undecided)?;
    let what = PruneRows { rules: settings.rules.clone(), believed_ns, holds, gone: Vec::new() };
    let rows = Reader::open(&config.database()).and_then(|reader| reader.would_prune(what));
    let rows = match rows {
        Err(IndexError::Missing { .. }) => RowsPruned::default(),
        rows => rows.map_err(|e| OutlookError::Undecided(e.to_string()))?,
    };
    Ok(Outlook { plan, rows: rows.rows, rows_held: rows.kept_by_hold, believed_ns })
}
