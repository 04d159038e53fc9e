//! What the index thread needs, and why it may not follow.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::Config;
use crate::event::FieldMap;
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
            FollowError::NotThere { .. } => true,
            FollowError::Segments { .. } => false,
        }
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
}

impl IndexSetup {
    /// The index of a configuration, readable for `group`.
    pub fn new(config: &Config, fields: Arc<FieldMap>, group: Option<u32>) -> Self {
        let cache_bytes = config.index.cache_bytes as u64;
        Self {
            database: config.database(),
            log_dir: config.log_dir.clone(),
            options: Options { cache_bytes, group, ..Options::default() },
            batch_rows: config.index.batch_rows,
            queue_bytes: config.index.queue_bytes,
            fields,
        }
    }
}
