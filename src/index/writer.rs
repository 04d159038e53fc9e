//! The one connection that writes: how it is opened, kept small and closed.

mod checkpoint;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::files::Files;
use super::{Batch, IndexError, reset, schema};
use crate::fs::give_to_owner_of_directory;
use checkpoint::Backfill;
pub(super) use checkpoint::WAL_PAGE_BYTES;
pub use checkpoint::WalState;

/// How the index is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// SQLite's page cache, bytes.
    pub cache_bytes: u64,
    /// The mode of a new file; SQLite gives its companions the same.
    pub mode: u32,
    /// The group of a new file, if not the process's.
    pub group: Option<u32>,
    /// How long a call waits for somebody else's lock before it returns [`IndexError::Busy`].
    pub busy_timeout: Duration,
    /// Pages in the write-ahead log from which on [`Writer::checkpoint_due`] holds.
    pub checkpoint_pages: u64,
    /// Where the write-ahead log stops to grow because somebody reads for too long.
    pub max_wal_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes: 16 << 20,
            mode: 0o640,
            group: None,
            busy_timeout: Duration::from_millis(100),
            checkpoint_pages: 8_000,
            max_wal_bytes: 1 << 30,
        }
    }
}

/// The writing connection. There is one for an index at a time.
pub struct Writer {
    /// A checkpoint that is done meanwhile; it ends before the connection is closed.
    backfill: Option<Backfill>,
    db: Connection,
    path: PathBuf,
    log_id: String,
    options: Options,
    /// What `PRAGMA data_version` said: it changes when another connection commits.
    data_version: i64,
    /// After the connection, see there.
    files: Files,
}

impl Writer {
    /// Opens the index of the log `log_id` (32 hex digits), making it if there is none. Every refusal says
    /// what to do; nothing is changed in a database that is refused.
    pub fn open(path: &Path, log_id: &str, options: &Options) -> Result<Self, IndexError> {
        create_file(path, options)?;
        let mut writer = Self::connect(path, log_id, options)?;
        let at = |e| IndexError::sqlite(path, e);
        if schema::is_empty(&writer.db).map_err(at)? {
            schema::create(&writer.db, log_id).map_err(at)?;
        }
        schema::check_version(&writer.db, path)?;
        schema::check_contents(&writer.db, path, log_id)?;
        writer.journal_mode("WAL")?;
        schema::refresh_views(&writer.db, log_id).map_err(at)?;
        writer.data_version = writer.read_data_version()?;
        Ok(writer)
    }

    /// Makes an empty index in place of whatever is there. An index of this log is emptied in place, also
    /// if it is damaged, newer or changed, so that programs that have it open see the new one; a file that
    /// is no database, or of another program or log, is renamed to `<name>.damaged-<n>`. Returns
    /// that name.
    pub fn reset(
        path: &Path,
        log_id: &str,
        options: &Options,
    ) -> Result<(Self, Option<PathBuf>), IndexError> {
        let aside = reset::clear(path, log_id, options)?;
        Ok((Self::open(path, log_id, options)?, aside))
    }

    /// The next leaf that is not in the index.
    pub fn indexed(&self) -> Result<u64, IndexError> {
        let read = || self.db.query_row("SELECT indexed FROM meta", [], |row| row.get::<_, i64>(0));
        let indexed = read().map_err(|e| self.error(e))?;
        u64::try_from(indexed).map_err(|_| IndexError::Value {
            path: self.path.clone(),
            detail: format!("indexed is {indexed}"),
        })
    }

    /// Looks whether somebody did something to the files or in the database. Says whether another program wrote to it
    /// since the last look and left the schema as it was; what was written is not judged.
    pub fn look(&mut self) -> Result<bool, IndexError> {
        self.files.check()?;
        // A checkpoint under way may have written the header before the last pages.
        if self.backfill.as_ref().is_none_or(Backfill::is_over) {
            self.files.check_headers(self.wal()?)?;
        }
        let now = self.read_data_version()?;
        let written = std::mem::replace(&mut self.data_version, now) != now;
        if written {
            schema::check_version(&self.db, &self.path)?;
            schema::check_contents(&self.db, &self.path, &self.log_id)?;
        }
        Ok(written)
    }

    /// Before [`Writer::let_go`]: if only a companion is gone, the database gets what was in it. Fails with a temporary
    /// error if somebody is in the way of that.
    pub fn save(&mut self) -> Result<(), IndexError> {
        if !self.files.has_database() {
            return Ok(());
        }
        match self.checkpoint() {
            Ok(state) if state.checkpointed < state.pages => {
                let bytes = state.held_bytes();
                Err(IndexError::HeldByReader { path: self.path.clone(), bytes })
            }
            Err(error @ IndexError::Busy { .. }) => Err(error),
            // What cannot be saved is read from the ledger again.
            _ => Ok(()),
        }
    }

    /// Lets go of an index of which a file is gone ([`IndexError::Gone`]), so that it can be opened again. If the
    /// database is, its companions go too.
    pub fn let_go(mut self) {
        self.backfill = None;
        if self.files.has_database() {
            // Whatever is left of it is in the way of nobody.
            let _ = self.close();
            return;
        }
        let Self { db, files, .. } = self;
        drop(db);
        files.remove_companions();
    }

    fn read_data_version(&self) -> Result<i64, IndexError> {
        let read = self.db.query_row("PRAGMA data_version", [], |row| row.get(0));
        read.map_err(|e| self.error(e))
    }

    /// Starts a transaction. Fails with a temporary error if somebody else writes, or if a reader has made
    /// the write-ahead log grow to its limit; and with [`IndexError::Gone`] if its files are no longer those
    /// at their paths.
    pub fn begin(&mut self) -> Result<Batch<'_>, IndexError> {
        self.files.check()?;
        if self.files.wal_bytes() > self.options.max_wal_bytes {
            self.restart_wal()?;
        }
        Batch::begin(&mut self.db, &self.path)
    }

    /// Starts a transaction that deletes. It leaves most of the room in the write-ahead log to rows on their
    /// way in: with a long reader it fails at a quarter of the limit, and never waits for that reader.
    pub(super) fn begin_pruning(&mut self) -> Result<Transaction<'_>, IndexError> {
        self.files.check()?;
        let most = self.options.max_wal_bytes / 4;
        if self.wal()?.held_bytes() > most {
            let bytes = self.checkpoint()?.held_bytes();
            if bytes > most {
                return Err(IndexError::HeldByReader { path: self.path.clone(), bytes });
            }
        }
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate);
        tx.map_err(|e| IndexError::sqlite(&self.path, e))
    }

    /// Frees what SQLite holds in memory and can read again.
    pub fn shrink(&mut self) -> Result<(), IndexError> {
        self.backfill = None;
        self.db.execute_batch("PRAGMA shrink_memory").map_err(|e| self.error(e))
    }

    /// Empties the write-ahead log and leaves a database that a user who may only read the file can open:
    /// such a user cannot make the `-shm` file that SQLite needs as long as the mode is WAL. If a
    /// reader prevents that now, the companion files stay, which serves as well.
    pub fn close(mut self) -> Result<(), IndexError> {
        self.backfill = None;
        match self.journal_mode("DELETE") {
            Err(IndexError::Busy { .. }) | Ok(()) => {}
            Err(error) => return Err(error),
        }
        let Self { db, path, files: _open_until_the_connection_is_closed, .. } = self;
        db.close().map_err(|(_, e)| IndexError::sqlite(&path, e))
    }

    /// A connection with everything set that has to be set on each.
    fn connect(path: &Path, log_id: &str, options: &Options) -> Result<Self, IndexError> {
        let files = Files::open(path)?;
        let open = || {
            let db = Connection::open(path)?;
            db.busy_timeout(options.busy_timeout)?;
            db.set_prepared_statement_cache_capacity(32);
            // Triggers and foreign keys can only be somebody else's.
            db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
            db.pragma_update(None, "foreign_keys", false)?;
            // A process that ends without close() leaves the companion files for readers.
            db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            db.pragma_update(None, "synchronous", "NORMAL")?;
            db.pragma_update(None, "wal_autocheckpoint", 0)?;
            db.pragma_update(None, "journal_size_limit", 64 << 20)?;
            let cache_kib = i64::try_from(options.cache_bytes >> 10).unwrap_or(i64::MAX);
            db.pragma_update(None, "cache_size", -cache_kib)?;
            Ok(db)
        };
        let db = open().map_err(|e| IndexError::sqlite(path, e))?;
        let (path, log_id, options) = (path.into(), log_id.into(), options.clone());
        Ok(Self { backfill: None, db, path, log_id, options, data_version: 0, files })
    }

    fn journal_mode(&self, mode: &str) -> Result<(), IndexError> {
        let set = self
            .db
            .pragma_update_and_check(None, "journal_mode", mode, |row| row.get::<_, String>(0));
        match set.map_err(|e| self.error(e))? {
            now if now.eq_ignore_ascii_case(mode) => Ok(()),
            _ => Err(IndexError::Busy { path: self.path.clone() }),
        }
    }

    pub(super) fn error(&self, error: rusqlite::Error) -> IndexError {
        IndexError::sqlite(&self.path, error)
    }
}

/// Makes an empty file with the mode and group that SQLite then copies to the companions.
fn create_file(path: &Path, options: &Options) -> Result<(), IndexError> {
    let make = || -> std::io::Result<()> {
        let made = OpenOptions::new().write(true).create_new(true).mode(options.mode).open(path);
        let file: File = match made {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
            made => made?,
        };
        // The umask may have taken away what readers need.
        file.set_permissions(std::fs::Permissions::from_mode(options.mode))?;
        give_to_owner_of_directory(&file, path)?;
        options.group.map_or(Ok(()), |group| fchown(&file, None, Some(group)))
    };
    make().map_err(|e| IndexError::io(path, &e))
}
