//! A part of the ledger, leaf by leaf, against the rows of its leaves.

use super::{Difference, Found, Kind, Snapshot};
use crate::index::row::sql_int;
use crate::index::schema::BLOCK_SHIFT;
use crate::index::stored::{Block, Spans};
use crate::index::{EventRow, IndexError, SealRow};

/// How far the comparison of the blocks is, from one part to the next.
#[derive(Default)]
pub struct Progress {
    spans: Spans,
    /// The first block that was not compared.
    blocks_from: i64,
    /// Whether that block may also hold rows before those that are compared.
    begun_before: bool,
    /// Whether the last block may also hold rows after them.
    grows: bool,
}

impl Progress {
    /// The leaves before `first` are not compared: a block that holds some of them may span their times.
    pub fn skip_to(&mut self, first: u64) {
        self.spans.finish();
        self.blocks_from = sql_int(first) >> BLOCK_SHIFT;
        self.begun_before = !first.is_multiple_of(1 << BLOCK_SHIFT);
    }

    /// Compares what is left of the blocks after leaf `end`, up to which the ledger was compared.
    pub fn finish(
        &mut self,
        snapshot: &Snapshot<'_>,
        end: u64,
        found: &mut Found<'_>,
    ) -> Result<(), IndexError> {
        // Rows that came since may have widened the last block and begun others.
        self.grows = snapshot.indexed > end;
        if let Some(block) = self.spans.finish() {
            self.block(&block, snapshot, found)?;
        }
        let later = match snapshot.indexed > end {
            true => ((sql_int(snapshot.indexed) - 1) >> BLOCK_SHIFT) + 1,
            false => self.blocks_from + i64::from(self.begun_before),
        };
        for keys in [i64::MIN..=-1, later..=i64::MAX] {
            let none: [[_; 3]; 0] = [];
            snapshot.compare(&Block::TABLE, keys, none, found)?;
        }
        Ok(())
    }

    fn block(
        &mut self,
        block: &Block,
        snapshot: &Snapshot<'_>,
        found: &mut Found<'_>,
    ) -> Result<(), IndexError> {
        let begun_before = std::mem::take(&mut self.begun_before);
        // Of the block that was begun nothing was compared where only seals came after.
        let unseen = begun_before && block.number > self.blocks_from;
        let loose = begun_before && !unseen || self.grows;
        let keys = self.blocks_from + i64::from(unseen)..=block.number;
        self.blocks_from = block.number + 1;
        let mut differs = false;
        let mut note = |difference: Difference| match difference.kind {
            Kind::Changed(_) => differs = true,
            _ => found(difference),
        };
        snapshot.compare(&Block::TABLE, keys, [block.values()], &mut note)?;
        if differs && !(loose && snapshot.spans(block)?) {
            let kind = Kind::Changed(vec!["first_ts_ns", "last_ts_ns"]);
            found(Difference { table: Block::TABLE.name, key: block.number, kind });
        }
        Ok(())
    }
}

impl Snapshot<'_> {
    /// Whether the row of this block spans at least its times.
    fn spans(&self, block: &Block) -> Result<bool, IndexError> {
        let sql = "SELECT first_ts_ns <= ?2 AND last_ts_ns >= ?3 FROM blocks WHERE block = ?1";
        let values = [block.number, block.first_ts_ns, block.last_ts_ns];
        self.tx.query_row(sql, values, |row| row.get(0)).map_err(|e| self.reader.error(e))
    }
}

/// Compares the leaves [from, to) of the ledger, which are given one after the other.
pub struct Part<'p, 'r, 'f> {
    snapshot: &'p Snapshot<'r>,
    progress: &'p mut Progress,
    found: &'p mut Found<'f>,
    events_from: i64,
    seals_from: i64,
}

impl<'p, 'r, 'f> Part<'p, 'r, 'f> {
    /// Begins at leaf `from`.
    pub fn new(
        snapshot: &'p Snapshot<'r>,
        progress: &'p mut Progress,
        from: u64,
        found: &'p mut Found<'f>,
    ) -> Self {
        let from = sql_int(from);
        Self { snapshot, progress, found, events_from: from, seals_from: from }
    }

    /// The next events.
    pub fn events(&mut self, rows: &[EventRow<'_>]) -> Result<(), IndexError> {
        let Some(last) = rows.last() else { return Ok(()) };
        let keys = self.events_from..=sql_int(last.seq);
        self.events_from = sql_int(last.seq) + 1;
        let values = rows.iter().map(EventRow::values);
        self.snapshot.compare(&EventRow::TABLE, keys, values, self.found)?;
        for row in rows {
            if let Some(block) = self.progress.spans.note(row.seq, row.ts_ns) {
                self.progress.block(&block, self.snapshot, self.found)?;
            }
        }
        Ok(())
    }

    /// The next seal.
    pub fn seal(&mut self, row: &SealRow<'_>) -> Result<(), IndexError> {
        let keys = self.seals_from..=sql_int(row.seq);
        self.seals_from = sql_int(row.seq) + 1;
        self.snapshot.compare(&SealRow::TABLE, keys, [row.values()], self.found)
    }

    /// There are no more before `to`.
    pub fn finish(self, to: u64) -> Result<(), IndexError> {
        let last = sql_int(to) - 1;
        let none: [[_; 23]; 0] = [];
        self.snapshot.compare(&EventRow::TABLE, self.events_from..=last, none, self.found)?;
        let none: [[_; 12]; 0] = [];
        self.snapshot.compare(&SealRow::TABLE, self.seals_from..=last, none, self.found)
    }
}
