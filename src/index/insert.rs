//! Rows on their way in: one transaction a batch, many rows a statement, text bound as it lies.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Statement, Transaction, TransactionBehavior, params};

use super::postings::{self, Postings};
use super::row::sql_int;
use super::schema::BLOCK_SHIFT;
use super::stored::{Block, Spans, Table};
use super::{EventRow, IndexError, SealRow, SegmentRow};

/// Rows that one INSERT carries; 64 gain nothing over 32.
const ROWS: usize = 32;

/// One transaction of the writer; dropped without [`Batch::commit`] it leaves nothing behind.
pub struct Batch<'w> {
    tx: Transaction<'w>,
    path: &'w Path,
    spans: Spans,
    postings: Postings,
    /// The next leaf that was not in the index before.
    indexed: i64,
    /// Blocks in which rows may have been replaced.
    replaced: BTreeSet<i64>,
}

impl<'w> Batch<'w> {
    pub(super) fn begin(db: &'w mut Connection, path: &'w Path) -> Result<Self, IndexError> {
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate);
        let tx = tx.map_err(|e| IndexError::sqlite(path, e))?;
        let indexed = tx.query_row("SELECT indexed FROM meta", [], |row| row.get(0));
        let indexed = indexed.map_err(|e| IndexError::sqlite(path, e))?;
        let (spans, postings) = (Spans::default(), Postings::default());
        Ok(Self { tx, path, spans, postings, indexed, replaced: BTreeSet::new() })
    }

    /// Adds events; a row that is there already is replaced, so that a part of the ledger may be
    /// followed twice.
    pub fn events(&mut self, rows: &[EventRow<'_>]) -> Result<(), IndexError> {
        self.try_events(rows).map_err(|e| IndexError::sqlite(self.path, e))
    }

    /// Adds or replaces a seal.
    pub fn seal(&mut self, row: &SealRow<'_>) -> Result<(), IndexError> {
        self.replace(&INSERT_SEAL, &row.values()).map_err(|e| IndexError::sqlite(self.path, e))
    }

    /// Adds or replaces a segment.
    pub fn segment(&mut self, row: &SegmentRow<'_>) -> Result<(), IndexError> {
        let done = self.replace(&INSERT_SEGMENT, &row.values());
        done.map_err(|e| IndexError::sqlite(self.path, e))
    }

    /// Says that rows from `first_seq` on are made with the field map of this definition.
    pub fn field_map(&mut self, first_seq: u64, definition: &str) -> Result<(), IndexError> {
        let sql = "INSERT OR REPLACE INTO field_maps (first_seq, definition) SELECT ?1, ?2
            WHERE ?2 IS NOT (SELECT definition FROM field_maps ORDER BY first_seq DESC LIMIT 1)";
        let done = self.tx.execute(sql, params![sql_int(first_seq), definition]);
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
            let rows: Vec<_> = rows.iter().map(EventRow::values).collect();
            bind(&mut statement, rows.iter().map(|row| &row[..]))?;
        }
        for row in rest {
            self.replace(&INSERT_ROW, &row.values())?;
        }
        rows.iter().try_for_each(|row| self.note(row))
    }

    fn replace(&self, sql: &str, values: &[ValueRef<'_>]) -> rusqlite::Result<()> {
        bind(&mut *self.tx.prepare_cached(sql)?, [values])
    }

    fn try_finish(&mut self, indexed: u64) -> rusqlite::Result<()> {
        if let Some(block) = self.spans.finish() {
            self.write_block(block)?;
        }
        self.postings.write(&self.tx)?;
        for block in &self.replaced {
            postings::renew(&self.tx, *block)?;
        }
        let sql = "UPDATE meta SET indexed = ?1";
        self.tx.prepare_cached(sql)?.execute([sql_int(indexed)]).map(drop)
    }

    fn note(&mut self, row: &EventRow<'_>) -> rusqlite::Result<()> {
        if sql_int(row.seq) < self.indexed {
            self.replaced.insert(sql_int(row.seq) >> BLOCK_SHIFT);
        }
        self.postings.note(&self.tx, row)?;
        self.spans.note(row.seq, row.ts_ns).map_or(Ok(()), |block| self.write_block(block))
    }

    fn write_block(&self, block: Block) -> rusqlite::Result<()> {
        let sql = "INSERT INTO blocks (block, first_ts_ns, last_ts_ns) VALUES (?1, ?2, ?3)
            ON CONFLICT (block) DO UPDATE SET first_ts_ns = min(first_ts_ns, excluded.first_ts_ns),
            last_ts_ns = max(last_ts_ns, excluded.last_ts_ns)";
        bind(&mut *self.tx.prepare_cached(sql)?, [&block.values()[..]])?;
        // What was found out about the time of its rows does not hold for the new ones.
        let sql = "DELETE FROM judged WHERE block = ?1";
        self.tx.prepare_cached(sql)?.execute([block.number]).map(drop)
    }
}

/// The INSERT of [`ROWS`] rows and that of one; the statement cache finds the prepared one by its text.
static INSERT_ROWS: LazyLock<String> = LazyLock::new(|| insert_sql(&EventRow::TABLE, ROWS));
static INSERT_ROW: LazyLock<String> = LazyLock::new(|| insert_sql(&EventRow::TABLE, 1));
static INSERT_SEAL: LazyLock<String> = LazyLock::new(|| insert_sql(&SealRow::TABLE, 1));
static INSERT_SEGMENT: LazyLock<String> = LazyLock::new(|| insert_sql(&SegmentRow::TABLE, 1));

fn insert_sql(table: &Table, rows: usize) -> String {
    let tuple = format!("({})", vec!["?"; table.columns.len()].join(","));
    let columns = table.columns.join(", ");
    let tuples = vec![tuple; rows].join(",");
    format!("INSERT OR REPLACE INTO {} ({columns}) VALUES {tuples}", table.name)
}

fn bind<'v>(
    statement: &mut Statement<'_>,
    rows: impl IntoIterator<Item = &'v [ValueRef<'v>]>,
) -> rusqlite::Result<()> {
    for (at, value) in (1..).zip(rows.into_iter().flatten()) {
        statement.raw_bind_parameter(at, ToSqlOutput::Borrowed(*value))?;
    }
    statement.raw_execute().map(drop)
}
