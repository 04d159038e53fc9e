//! Rows on their way in: one transaction a batch, many rows a statement, text bound as it lies.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::postings::{self, Postings, PostingsBuilder};
use super::row::sql_int;
use super::schema::BLOCK_SHIFT;
use super::statement::Insert;
use super::stored::{Block, Spans};
use super::{EventRow, IndexError, SealRow, SegmentRow};

/// One transaction of the writer; dropped without [`Batch::commit`] it leaves nothing behind.
pub struct Batch<'w> {
    tx: Transaction<'w>,
    path: &'w Path,
    spans: Spans,
    /// Blocks in which rows may have been replaced.
    replaced: BTreeSet<i64>,
}

impl<'w> Batch<'w> {
    pub(super) fn begin(db: &'w mut Connection, path: &'w Path) -> Result<Self, IndexError> {
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate);
        let tx = tx.map_err(|e| IndexError::sqlite(path, e))?;
        Ok(Self { tx, path, spans: Spans::default(), replaced: BTreeSet::new() })
    }

    /// Adds events in the order of the log, and where their values are; rows that are there already are replaced, so that a
    /// part of the ledger may be followed twice.
    pub fn events(&mut self, rows: &[EventRow<'_>]) -> Result<(), IndexError> {
        self.rows(rows)?;
        let mut postings = PostingsBuilder::default();
        let mut full: Vec<_> = rows.iter().filter_map(|row| postings.note(row)).collect();
        full.push(postings.finish());
        full.iter().try_for_each(|postings| self.postings(postings))
    }

    /// The same without where their values are, which is to come in the same transaction: [`Batch::postings`].
    pub fn rows(&mut self, rows: &[EventRow<'_>]) -> Result<(), IndexError> {
        self.try_rows(rows).map_err(|e| IndexError::sqlite(self.path, e))
    }

    /// Adds what a [`PostingsBuilder`] has made of rows.
    pub fn postings(&mut self, postings: &Postings) -> Result<(), IndexError> {
        postings.write(&self.tx).map_err(|e| IndexError::sqlite(self.path, e))
    }

    /// Adds or replaces a seal.
    pub fn seal(&mut self, row: &SealRow<'_>) -> Result<(), IndexError> {
        let done = INSERT_SEAL.rows(&self.tx, &[row], |row| row.values());
        done.map_err(|e| IndexError::sqlite(self.path, e))
    }

    /// Adds or replaces a segment.
    pub fn segment(&mut self, row: &SegmentRow<'_>) -> Result<(), IndexError> {
        let done = INSERT_SEGMENT.rows(&self.tx, &[row], |row| row.values());
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

    fn try_rows(&mut self, rows: &[EventRow<'_>]) -> rusqlite::Result<()> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(()) };
        let (first, last) = (sql_int(first.seq), sql_int(last.seq));
        let sql = "SELECT EXISTS (SELECT 1 FROM event_rows WHERE seq BETWEEN ?1 AND ?2)";
        let insert =
            match self.tx.prepare_cached(sql)?.query_row([first, last], |row| row.get(0))? {
                false => &INSERT_EVENTS,
                true => {
                    self.replaced.extend(rows.iter().map(|row| sql_int(row.seq) >> BLOCK_SHIFT));
                    &REPLACE_EVENTS
                }
            };
        insert.rows(&self.tx, rows, EventRow::values)?;
        for row in rows {
            if let Some(block) = self.spans.note(row.seq, row.ts_ns) {
                self.write_block(block)?;
            }
        }
        Ok(())
    }

    fn try_finish(&mut self, indexed: u64) -> rusqlite::Result<()> {
        if let Some(block) = self.spans.finish() {
            self.write_block(block)?;
        }
        for block in &self.replaced {
            postings::renew(&self.tx, *block)?;
        }
        let sql = "UPDATE meta SET indexed = ?1";
        self.tx.prepare_cached(sql)?.execute([sql_int(indexed)]).map(drop)
    }

    fn write_block(&self, block: Block) -> rusqlite::Result<()> {
        let sql = "INSERT INTO blocks (block, first_ts_ns, last_ts_ns) VALUES (?1, ?2, ?3)
            ON CONFLICT (block) DO UPDATE SET first_ts_ns = min(first_ts_ns, excluded.first_ts_ns),
            last_ts_ns = max(last_ts_ns, excluded.last_ts_ns)";
        let times = [block.number, block.first_ts_ns, block.last_ts_ns];
        self.tx.prepare_cached(sql)?.execute(times)?;
        // What was found out about the time of its rows does not hold for the new ones.
        let sql = "DELETE FROM judged WHERE block = ?1";
        self.tx.prepare_cached(sql)?.execute([block.number]).map(drop)
    }
}

static INSERT_EVENTS: LazyLock<Insert> = LazyLock::new(|| Insert::new(&EventRow::TABLE));
static REPLACE_EVENTS: LazyLock<Insert> = LazyLock::new(|| Insert::replacing(&EventRow::TABLE));
static INSERT_SEAL: LazyLock<Insert> = LazyLock::new(|| Insert::replacing(&SealRow::TABLE));
static INSERT_SEGMENT: LazyLock<Insert> = LazyLock::new(|| Insert::replacing(&SegmentRow::TABLE));
