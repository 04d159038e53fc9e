//! The reading side: what `auditlog` asks, on a connection that cannot write.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params_from_iter};

use super::row::{PAGE_ROWS, page, sql_int};
use super::{Filter, IndexError, Line, Order, Row, Rows, files, schema};

/// A reader waits this long for the moments in which the daemon starts or stops.
const BUSY: Duration = Duration::from_secs(2);

/// A read-only connection to an index. It never holds a transaction between two calls.
pub struct Reader {
    pub(super) db: Connection,
    pub(super) path: PathBuf,
}

impl Reader {
    /// Opens the index for reading, whether a daemon writes to it or not.
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        match path.metadata() {
            // Opening a FIFO would wait for somebody at its other end.
            Ok(meta) => {
                files::check_type(path, &meta)?;
                if meta.len() == 0 {
                    return Err(IndexError::Missing { path: path.into() });
                }
            }
            Err(e) if e.kind() == ErrorKind::NotFound => {
                return Err(IndexError::Missing { path: path.into() });
            }
            Err(e) => {
                return Err(IndexError::Denied { path: path.into(), detail: e.to_string() });
            }
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || {
            let db = Connection::open_with_flags(path, flags)?;
            db.busy_timeout(BUSY)?;
            db.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
            Ok(db)
        };
        let db = open().map_err(|e| IndexError::sqlite(path, e))?;
        // A daemon that is making it has the file before it has the tables, for long on a full disk.
        if schema::is_empty(&db).map_err(|e| IndexError::sqlite(path, e))? {
            return Err(IndexError::Missing { path: path.into() });
        }
        schema::check_version(&db, path)?;
        Ok(Self { db, path: path.into() })
    }

    /// The id of the log that is indexed, 32 hex digits.
    pub fn log_id(&self) -> Result<String, IndexError> {
        self.value("SELECT log_id FROM meta")
    }

    /// The next leaf that is not in the index.
    pub fn indexed(&self) -> Result<u64, IndexError> {
        let indexed: i64 = self.value("SELECT indexed FROM meta")?;
        Ok(u64::try_from(indexed).unwrap_or_default())
    }

    /// The last event's sequence number.
    pub fn last_seq(&self) -> Result<Option<u64>, IndexError> {
        let last: Option<i64> = self.value("SELECT max(seq) FROM event_rows")?;
        Ok(last.and_then(|seq| u64::try_from(seq).ok()))
    }

    /// The definitions of the field maps that its rows were made with.
    pub fn field_maps(&self) -> Result<Vec<String>, IndexError> {
        let read = || -> rusqlite::Result<Vec<String>> {
            let mut query = self.db.prepare("SELECT DISTINCT definition FROM field_maps")?;
            query.query_map((), |row| row.get(0))?.collect()
        };
        read().map_err(|e| self.error(e))
    }

    /// A number that changes whenever somebody committed: cheap to poll.
    pub fn data_version(&self) -> Result<i64, IndexError> {
        self.value("PRAGMA data_version")
    }

    /// The events that match, at most `limit`. They are read in pages; events that arrive meanwhile
    /// are not among them.
    pub fn query(
        &self,
        filter: &Filter,
        order: Order,
        limit: Option<u64>,
    ) -> Result<Rows<'_, Row>, IndexError> {
        let mut filter = filter.clone();
        let end = self.last_seq()?.map_or(0, |seq| seq + 1);
        filter.before_seq = Some(filter.before_seq.map_or(end, |before| before.min(end)));
        let mut left = limit.unwrap_or(u64::MAX);
        Ok(Rows::new(move || {
            let (rows, more) = self.page(&filter, order, left)?;
            left -= rows.len() as u64;
            match (rows.last(), order) {
                (Some(last), Order::Newest) => filter.before_seq = Some(last.seq),
                (Some(last), Order::Oldest) => filter.after_seq = Some(last.seq),
                (None, _) => {}
            }
            Ok((rows, more && left > 0))
        }))
    }

    /// How many events match.
    pub fn count(&self, filter: &Filter) -> Result<u64, IndexError> {
        let query = filter.count()?;
        let read = || {
            let mut select = self.db.prepare(&query.sql)?;
            select.query_row(params_from_iter(&query.values), |row| row.get::<_, i64>(0))
        };
        let count = read().map_err(|e| self.error(e))?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// The event with this sequence number.
    pub fn get(&self, seq: u64) -> Result<Option<Row>, IndexError> {
        let sql = format!("SELECT {} FROM event_rows e WHERE e.seq = ?1", Row::COLUMNS);
        let row = self.db.query_row(&sql, [sql_int(seq)], Row::read);
        row.optional().map_err(|e| self.error(e))
    }

    /// The newest event with this id, whether a client or the daemon gave it.
    pub fn get_by_id(&self, id: &str) -> Result<Option<Row>, IndexError> {
        let seq = id.rsplit_once('-').and_then(|(_, digits)| digits.parse().ok());
        let row = seq.map_or(Ok(None), |seq| self.get(seq))?.filter(|row| row.id == id);
        if row.is_some() {
            return Ok(row);
        }
        let filter = Filter { client_id: Some(id.to_owned()), ..Filter::default() };
        self.query(&filter, Order::Newest, Some(1))?.next().transpose()
    }

    /// All seals from `from` in the ledger's order; their mac is in the text.
    pub fn seal_lines(&self, from: i64) -> Rows<'_, Line> {
        let sql = "SELECT seq, line FROM seals WHERE seq >= ?1 ORDER BY seq";
        let mut next = Some(from);
        Rows::new(move || {
            let read = |from| {
                let mut select = self.db.prepare_cached(sql)?;
                page(&mut select.query([from])?, Line::read)
            };
            let Some(from) = next else { return Ok((Vec::new(), false)) };
            let (lines, more) = read(from).map_err(|e| self.error(e))?;
            next = lines.last().and_then(|line: &Line| line.seq.checked_add(1));
            Ok((lines, more))
        })
    }

    fn page(
        &self,
        filter: &Filter,
        order: Order,
        left: u64,
    ) -> Result<(Vec<Row>, bool), IndexError> {
        let limit = sql_int(left.min(PAGE_ROWS as u64));
        let query = filter.select(Row::COLUMNS, order, limit)?;
        let read = || {
            let mut select = self.db.prepare_cached(&query.sql)?;
            page(&mut select.query(params_from_iter(&query.values))?, Row::read)
        };
        read().map_err(|e| self.error(e))
    }

    fn value<T: rusqlite::types::FromSql>(&self, sql: &str) -> Result<T, IndexError> {
        self.db.query_row(sql, [], |row| row.get(0)).map_err(|e| self.error(e))
    }

    pub(super) fn error(&self, error: rusqlite::Error) -> IndexError {
        IndexError::sqlite(&self.path, error)
    }
}
