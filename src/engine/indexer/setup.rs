//! What the index thread needs, and why it may not follow.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::config::Config;
use crate::event::FieldMap;
use crate::fs::space::{Space, space};
use crate::index::{IndexError, Options};

/// Why the index does not follow.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The database.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The segments.
    #[error("the segments in {dir:?} could not be read: {source}")]
    Segments {
        /// Where they are.
        dir: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// What the disk has left belongs to the ledger.
    #[error(
        "only {free} bytes are free for the index {path:?}, and {reserve} are left to the log; free some space"
    )]
    NoRoom {
        /// The database.
        path: PathBuf,
        /// Bytes that are free.
        free: u64,
        /// Bytes that the index leaves free.
        reserve: u64,
    },
    /// The segment that is being written has lost its name.
    #[error("no segment holds seq {from} to {to} now; was the active file moved away or deleted?")]
    NotThere {
        /// The first leaf wanted.
        from: u64,
        /// The last one that is durable.
        to: u64,
    },
}

impl FollowError {
    /// Whether it passes by itself, as a lock does that somebody holds.
    pub(super) fn is_temporary(&self) -> bool {
        match self {
            FollowError::Index(e) => e.is_temporary(),
            FollowError::NotThere { .. } | FollowError::NoRoom { .. } => true,
            FollowError::Segments { .. } => false,
        }
    }

    /// Whether the next try repairs what is wrong, as it does where the database was deleted.
    pub(super) fn mends_itself(&self) -> bool {
        matches!(self, FollowError::Index(IndexError::Gone { .. }))
    }
}

/// What the index needs.
pub struct IndexSetup {
    /// The database.
    pub database: PathBuf,
    /// The segments.
    pub log_dir: PathBuf,
    /// SQLite's part.
    pub options: Options,
    /// The most rows in one transaction.
    pub batch_rows: usize,
    /// Fresh lines kept for it, bytes.
    pub queue_bytes: usize,
    /// Where the known members of events are.
    pub fields: Arc<FieldMap>,
    /// Bytes that the database leaves free on its file system: below that nothing is inserted until there are more
    /// again. May be changed at any time.
    pub reserve: Arc<AtomicU64>,
}

/// The index stops to grow so many bytes before the first event would not be stored.
const MARGIN: u64 = 64 << 20;

impl IndexSetup {
    /// Whether the database may grow. Deleting rows is always allowed.
    pub(super) fn has_room(&self) -> Result<(), FollowError> {
        let reserve = self.reserve.load(Ordering::Relaxed);
        match space_of(&self.database) {
            Some(Space { free, .. }) if free < reserve => {
                Err(FollowError::NoRoom { path: self.database.clone(), free, reserve })
            }
            // A directory that is not there is found by whoever opens the database.
            _ => Ok(()),
        }
    }

    /// The index of a configuration, readable for `group`.
    pub fn new(config: &Config, fields: Arc<FieldMap>, group: Option<u32>) -> Self {
        let database = config.database();
        // More than the log needs to store everything, which is a fifth of the disk at most.
        let reserve = config.space.low_bytes.saturating_add(MARGIN);
        let total = space_of(&database).map_or(u64::MAX, |space| space.total);
        let reserve = reserve.min(total / 4);
        let cache_bytes = config.index.cache_bytes as u64;
        Self {
            database,
            log_dir: config.log_dir.clone(),
            options: Options { cache_bytes, group, ..Options::default() },
            batch_rows: config.index.batch_rows,
            queue_bytes: config.index.queue_bytes,
            fields,
            reserve: Arc::new(reserve.into()),
        }
    }
}

/// The room on the file system of the database.
fn space_of(database: &Path) -> Option<Space> {
    space(database.parent()?).ok()
}
