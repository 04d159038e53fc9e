//! Rows on their way in: one transaction a batch, many rows a statement, text bound as it lies.

use std::path::Path;
use std::sync::LazyLock;

use rusqlite::types::ToSql;
use rusqlite::{Connection, Statement, Transaction, TransactionBehavior, params};

use super::IndexError;
use super::row::{outcome_text, sql_int};
use super::schema::BLOCK_SHIFT;
use crate::event::Event;

/// Rows that one INSERT carries; 64 gain nothing over 32.
const ROWS: usize = 32;
const COLUMNS: &str = "seq, ts_ns, client_id, event_type, priority, source, actor, action, outcome, \
    target, client_ip, session_id, correlation_id, operation, duration_ms, client_ts_ns, uid, gid, \
    pid, unit, exe, mac, event";

/// An event line of the ledger.
#[derive(Clone, Copy, Debug)]
pub struct EventRow<'a> {
    /// The leaf's sequence number.
    pub seq: u64,
    /// When it was written, nanoseconds since 1970.
    pub ts_ns: i64,
    /// The line's id if the client gave it; the others follow from the log's id and `seq`.
    pub client_id: Option<&'a str>,
    /// The sender's user.
    pub uid: u32,
    /// The sender's group.
    pub gid: u32,
    /// The sender's process.
    pub pid: i32,
    /// The sender's systemd unit.
    pub unit: Option<&'a str>,
    /// The sender's executable.
    pub exe: Option<&'a str>,
    /// The event, a JSON object.
    pub event: &'a str,
    /// The line's mac.
    pub mac: [u8; 32],
    /// The event's known members.
    pub fields: &'a Event<'a>,
}

/// A seal line of the ledger.
#[derive(Clone, Copy, Debug)]
pub struct SealRow<'a> {
    /// The leaf's sequence number.
    pub seq: u64,
    /// When it was written, nanoseconds since 1970.
    pub ts_ns: i64,
    /// The epoch that it closes.
    pub epoch: u64,
    /// The epoch's first leaf.
    pub first_seq: u64,
    /// Leaves before the seal.
    pub size: u64,
    /// The Merkle root over them, hex.
    pub root: &'a str,
    /// SHA-256 of the previous seal line, hex.
    pub prev: &'a str,
    /// The next epoch's public key, hex.
    pub next_pub: &'a str,
    /// Why the epoch was closed.
    pub reason: &'a str,
    /// The kernel's boot id.
    pub boot_id: &'a str,
    /// CLOCK_BOOTTIME at the seal, nanoseconds.
    pub boottime_ns: u64,
    /// The whole line without its LF.
    pub line: &'a str,
}

/// A segment of the ledger.
#[derive(Clone, Copy, Debug)]
pub struct SegmentRow<'a> {
    /// Its number.
    pub number: u64,
    /// Its first leaf.
    pub first_seq: u64,
    /// When it was opened, RFC 3339.
    pub opened: &'a str,
    /// The host's name.
    pub host: &'a str,
    /// The file's name when it was indexed.
    pub file: &'a str,
}

/// One transaction of the writer; dropped without [`Batch::commit`] it leaves nothing behind.
pub struct Batch<'w> {
    tx: Transaction<'w>,
    path: &'w Path,
    block: Option<Block>,
}

/// The times seen in one block of sequence numbers.
struct Block {
    number: i64,
    first_ts_ns: i64,
    last_ts_ns: i64,
}

impl<'w> Batch<'w> {
    pub(super) fn begin(db: &'w mut Connection, path: &'w Path) -> Result<Self, IndexError> {
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate);
        let tx = tx.map_err(|e| IndexError::sqlite(path, e))?;
        Ok(Self { tx, path, block: None })
    }

    /// Adds events; a row that is there already is replaced, so that a part of the ledger may be
    /// followed twice.
    pub fn events(&mut self, rows: &[EventRow<'_>]) -> Result<(), IndexError> {
        self.try_events(rows).map_err(|e| IndexError::sqlite(self.path, e))
    }

    /// Adds or replaces a seal.
    pub fn seal(&mut self, row: &SealRow<'_>) -> Result<(), IndexError> {
        self.try_seal(row).map_err(|e| IndexError::sqlite(self.path, e))
    }

    /// Adds or replaces a segment.
    pub fn segment(&mut self, row: &SegmentRow<'_>) -> Result<(), IndexError> {
        let sql = "INSERT OR REPLACE INTO segments (number, first_seq, opened, host, file)
            VALUES (?1, ?2, ?3, ?4, ?5)";
        let (number, first_seq) = (sql_int(row.number), sql_int(row.first_seq));
        let values = params![number, first_seq, row.opened, row.host, row.file];
        let done = self.tx.prepare_cached(sql).and_then(|mut insert| insert.execute(values));
        done.map(drop).map_err(|e| IndexError::sqlite(self.path, e))
    }

    /// Makes the rows visible together with the number of the next leaf that is not in the index.
    pub fn commit(mut self, indexed: u64) -> Result<(), IndexError> {
        let path = self.path;
        self.try_finish(indexed)
            .and_then(|()| self.tx.commit())
            .map_err(|e| IndexError::sqlite(path, e))
    }

    fn try_events(&mut self, rows: &[EventRow<'_>]) -> rusqlite::Result<()> {
        let full = rows.chunks_exact(ROWS);
        let rest = full.remainder();
        for rows in full {
            let mut statement = self.tx.prepare_cached(&INSERT_ROWS)?;
            insert(&mut statement, rows)?;
        }
        for row in rest {
            let mut statement = self.tx.prepare_cached(&INSERT_ROW)?;
            insert(&mut statement, std::slice::from_ref(row))?;
        }
        rows.iter().try_for_each(|row| self.note_time(row))
    }

    fn try_seal(&mut self, row: &SealRow<'_>) -> rusqlite::Result<()> {
        let sql = "INSERT OR REPLACE INTO seals (seq, ts_ns, epoch, first_seq, size, root, prev, next_pub,
            reason, boot_id, boottime_ns, line) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
        let values = params![
            sql_int(row.seq),
            row.ts_ns,
            sql_int(row.epoch),
            sql_int(row.first_seq),
            sql_int(row.size),
            row.root,
            row.prev,
            row.next_pub,
            row.reason,
            row.boot_id,
            sql_int(row.boottime_ns),
            row.line,
        ];
        self.tx.prepare_cached(sql)?.execute(values).map(drop)
    }

    fn try_finish(&mut self, indexed: u64) -> rusqlite::Result<()> {
        self.write_block()?;
        let sql = "UPDATE meta SET indexed = ?1";
        self.tx.prepare_cached(sql)?.execute([sql_int(indexed)]).map(drop)
    }

    /// Keeps the span of times of the row's block, by which a query for a time finds its blocks.
    fn note_time(&mut self, row: &EventRow<'_>) -> rusqlite::Result<()> {
        let number = sql_int(row.seq) >> BLOCK_SHIFT;
        match &mut self.block {
            Some(block) if block.number == number => {
                block.first_ts_ns = block.first_ts_ns.min(row.ts_ns);
                block.last_ts_ns = block.last_ts_ns.max(row.ts_ns);
            }
            _ => {
                self.write_block()?;
                let (first_ts_ns, last_ts_ns) = (row.ts_ns, row.ts_ns);
                self.block = Some(Block { number, first_ts_ns, last_ts_ns });
            }
        }
        Ok(())
    }

    fn write_block(&mut self) -> rusqlite::Result<()> {
        let Some(block) = self.block.take() else { return Ok(()) };
        let sql = "INSERT INTO blocks (block, first_ts_ns, last_ts_ns) VALUES (?1, ?2, ?3)
            ON CONFLICT (block) DO UPDATE SET first_ts_ns = min(first_ts_ns, excluded.first_ts_ns),
            last_ts_ns = max(last_ts_ns, excluded.last_ts_ns)";
        let values = [block.number, block.first_ts_ns, block.last_ts_ns];
        self.tx.prepare_cached(sql)?.execute(values).map(drop)
    }
}

/// The INSERT of [`ROWS`] rows and that of one; the statement cache finds the prepared one by its text.
static INSERT_ROWS: LazyLock<String> = LazyLock::new(|| insert_sql(ROWS));
static INSERT_ROW: LazyLock<String> = LazyLock::new(|| insert_sql(1));

fn insert_sql(rows: usize) -> String {
    let columns = COLUMNS.split(',').count();
    let tuple = format!("({})", vec!["?"; columns].join(","));
    format!("INSERT OR REPLACE INTO events ({COLUMNS}) VALUES {}", vec![tuple; rows].join(","))
}

fn insert(statement: &mut Statement<'_>, rows: &[EventRow<'_>]) -> rusqlite::Result<()> {
    let mut values = Values { statement, next: 1 };
    for row in rows {
        let fields = row.fields;
        values.bind(sql_int(row.seq))?;
        values.bind(row.ts_ns)?;
        values.bind(row.client_id)?;
        values.bind(fields.event_type.as_deref())?;
        values.bind(fields.priority)?;
        values.bind(fields.source.as_deref())?;
        values.bind(fields.actor.as_deref())?;
        values.bind(fields.action.as_deref())?;
        values.bind(fields.outcome.map(outcome_text))?;
        values.bind(fields.target.as_deref())?;
        values.bind(fields.client_ip.as_deref())?;
        values.bind(fields.session_id.as_deref())?;
        values.bind(fields.correlation_id.as_deref())?;
        values.bind(fields.operation.as_deref())?;
        values.bind(fields.duration_ms)?;
        values.bind(fields.client_ts_ns)?;
        values.bind(row.uid)?;
        values.bind(row.gid)?;
        values.bind(row.pid)?;
        values.bind(row.unit)?;
        values.bind(row.exe)?;
        values.bind(&row.mac[..])?;
        values.bind(row.event)?;
    }
    values.statement.raw_execute().map(drop)
}

/// Binds one value after the other.
struct Values<'a, 'c> {
    statement: &'a mut Statement<'c>,
    next: usize,
}

impl Values<'_, '_> {
    fn bind(&mut self, value: impl ToSql) -> rusqlite::Result<()> {
        let at = self.next;
        self.next += 1;
        self.statement.raw_bind_parameter(at, value)
    }
}
