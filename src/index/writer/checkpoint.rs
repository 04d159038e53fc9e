//! From the write-ahead log into the database: when, and by which thread.

use std::path::{Path, PathBuf};
use std::thread::{Builder, JoinHandle};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::Writer;
use crate::index::IndexError;

/// How much smaller checkpoints are while the index keeps up with the ledger. A checkpoint syncs all that it writes, and a
/// sync of the ledger waits for that; fewer and larger ones are quicker to catch up with.
const KEEPING_UP: u64 = 15;

/// A page in the write-ahead log: SQLite's usual size, and a header.
pub(in crate::index) const WAL_PAGE_BYTES: u64 = 4096 + 24;

/// How often one that is done meanwhile begins again at most: somebody who writes without end may be as fast.
const ROUNDS: u32 = 4;
/// Pages that are not worth another round.
const FEW: i64 = 1000;

/// The write-ahead log at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WalState {
    /// Pages in it.
    pub pages: u64,
    /// Those of them that the database has already.
    pub checkpointed: u64,
    /// The file's size; it is used again from the front, and cut when it was large.
    pub bytes: u64,
}

impl WalState {
    /// Bytes that wait to get into the database. After a checkpoint, they are what a reader holds.
    pub fn held_bytes(self) -> u64 {
        self.pages.saturating_sub(self.checkpointed) * WAL_PAGE_BYTES
    }
}

impl Writer {
    /// Whether it is time for a checkpoint or to end one; sooner while the index keeps up with the ledger.
    pub fn checkpoint_due(&self, keeps_up: bool) -> Result<bool, IndexError> {
        if let Some(backfill) = &self.backfill {
            return Ok(keeps_up || backfill.is_over());
        }
        let state = self.wal()?;
        let most = self.options.checkpoint_pages / if keeps_up { KEEPING_UP } else { 1 };
        Ok(state.pages.saturating_sub(state.checkpointed) >= most)
    }

    /// Copies what it can from the write-ahead log into the database without waiting for anybody.
    /// It syncs both files, so it may take a tenth of a second.
    pub fn checkpoint(&mut self) -> Result<WalState, IndexError> {
        self.backfill = None;
        self.run_checkpoint("PASSIVE").map(|(_, state)| state)
    }

    /// The same for a writer that has much to do: another thread copies, and the first call after it is done copies what
    /// came meanwhile and gives the state. Only then does the write-ahead log begin at its front again.
    pub fn checkpoint_meanwhile(&mut self) -> Result<Option<WalState>, IndexError> {
        if self.backfill.is_none() {
            self.backfill = Backfill::start(&self.path);
        }
        match &self.backfill {
            Some(backfill) if !backfill.is_over() => Ok(None),
            _ => self.checkpoint().map(Some),
        }
    }

    /// The write-ahead log now.
    pub fn wal(&self) -> Result<WalState, IndexError> {
        self.run_checkpoint("NOOP").map(|(_, state)| state)
    }

    /// Makes the next commit start at the front of the write-ahead log, if no reader is in the way.
    pub(super) fn restart_wal(&mut self) -> Result<(), IndexError> {
        self.backfill = None;
        let (busy, state) = self.run_checkpoint("TRUNCATE")?;
        if busy {
            return Err(IndexError::HeldByReader { path: self.path.clone(), bytes: state.bytes });
        }
        Ok(())
    }

    fn run_checkpoint(&self, mode: &str) -> Result<(bool, WalState), IndexError> {
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        let run = || {
            self.db.query_row(&sql, [], |row| {
                Ok((row.get::<_, bool>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
            })
        };
        let (busy, pages, checkpointed) = run().map_err(|e| self.error(e))?;
        let count = |n| u64::try_from(n).unwrap_or_default();
        let bytes = self.files.wal_bytes();
        Ok((busy, WalState { pages: count(pages), checkpointed: count(checkpointed), bytes }))
    }
}

/// A checkpoint under way. To drop it waits for its end.
pub(super) struct Backfill(Option<JoinHandle<()>>);

impl Backfill {
    /// Begins one. `None` if there is no thread to be had.
    pub fn start(path: &Path) -> Option<Self> {
        let path: PathBuf = path.into();
        // Whatever goes wrong, the writer's next checkpoint meets it, too.
        let work = move || drop(checkpoint(&path));
        Builder::new().name("index-wal".into()).spawn(work).ok().map(|thread| Self(Some(thread)))
    }

    /// Whether nobody has to wait for it any more.
    pub fn is_over(&self) -> bool {
        self.0.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Backfill {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            // A panic has been told by its thread.
            let _ = thread.join();
        }
    }
}

/// Copies what is in the write-ahead log, and again what came meanwhile as long as that is much: the rest is for the writer,
/// who waits for it. A connection does one thing at a time, so this has its own; it takes no lock that the writer or a
/// reader waits for.
fn checkpoint(path: &Path) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let db = Connection::open_with_flags(path, flags)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    db.pragma_update(None, "synchronous", "NORMAL")?;
    let mut copied = 0;
    for _ in 0..ROUNDS {
        let sql = "PRAGMA wal_checkpoint(PASSIVE)";
        let all: i64 = db.query_row(sql, [], |row| row.get(2))?;
        if all - copied < FEW {
            break;
        }
        copied = all;
    }
    Ok(())
}
