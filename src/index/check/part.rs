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
}

impl Progress {
    /// Begins with leaf `first`: a block that holds leaves before it may span their times.
    pub fn begin(&mut self, first: u64) {
        self.blocks_from = sql_int(first) >> BLOCK_SHIFT;
        self.begun_before = !first.is_multiple_of(1 << BLOCK_SHIFT);
    }

    /// Goes on with leaf `first`, since the ledger lacks what is before it: a block that holds leaves of that may
    /// span their times.
    pub fn skip_to(
        &mut self,
        first: u64,
        snapshot: &Snapshot<'_>,
        found: &mut Found<'_>,
    ) -> Result<(), IndexError> {
        if let Some(block) = self.spans.finish() {
            self.block(&block, true, snapshot, found)?;
        }
        self.begin(first);
        Ok(())
    }

    /// Compares what is left of the blocks after leaf `end`, up to which the ledger was compared.
    pub fn finish(
        &mut self,
        snapshot: &Snapshot<'_>,
        end: u64,
        found: &mut Found<'_>,
    ) -> Result<(), IndexError> {
        // Rows that came since may have widened the last block and begun others.
        let grows = snapshot.indexed > end;
        if let Some(block) = self.spans.finish() {
            self.block(&block, grows, snapshot, found)?;
        }
        let later = match grows {
            true => ((sql_int(snapshot.indexed) - 1) >> BLOCK_SHIFT) + 1,
            false => self.blocks_from + i64::from(self.begun_before),
        };
        for keys in [i64::MIN..=-1, later..=i64::MAX] {
            let none: [[_; 3]; 0] = [];
            snapshot.compare(&Block::TABLE, keys, none, found)?;
        }
        Ok(())
    }

    /// Compares a block; `wider` if it may span more than these times.
    fn block(
        &mut self,
        block: &Block,
        wider: bool,
        snapshot: &Snapshot<'_>,
        found: &mut Found<'_>,
    ) -> Result<(), IndexError> {
        let begun_before = std::mem::take(&mut self.begun_before);
        // Of the block that was begun nothing was compared where only seals came after.
        let unseen = begun_before && block.number > self.blocks_from;
        let wider = begun_before && !unseen || wider;
        let keys = self.blocks_from + i64::from(unseen)..=block.number;
        self.blocks_from = block.number + 1;
        let (mut differs, mut missing) = (false, None);
        let mut note = |difference: Difference| match difference.kind {
            Kind::Changed(_) => differs = true,
            Kind::Missing => missing = Some(difference),
            Kind::Extra => found(difference),
        };
        snapshot.compare(&Block::TABLE, keys, [block.values()], &mut note)?;
        // With its last row the block's goes too.
        if let Some(difference) = missing
            && snapshot.has_events(block)?
        {
            found(difference);
        }
        if differs && !(wider && snapshot.spans(block)?) {
            let kind = Kind::Changed(vec!["first_ts_ns", "last_ts_ns"]);
            found(Difference { table: Block::TABLE.name, key: block.number, kind });
        }
        Ok(())
    }
}

impl Snapshot<'_> {
    /// Whether any row of an event of this block is there.
    fn has_events(&self, block: &Block) -> Result<bool, IndexError> {
        let sql =
            "SELECT EXISTS (SELECT 1 FROM event_rows NOT INDEXED WHERE seq BETWEEN ?1 AND ?2)";
        let first = block.number << BLOCK_SHIFT;
        let seqs = [first, first + (1 << BLOCK_SHIFT) - 1];
        self.tx.query_row(sql, seqs, |row| row.get(0)).map_err(|e| self.reader.error(e))
    }

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

    /// The next events; retention may have deleted those rows of them that `gone` says.
    pub fn events(
        &mut self,
        rows: &[EventRow<'_>],
        gone: &mut dyn FnMut(&EventRow<'_>) -> bool,
    ) -> Result<(), IndexError> {
        let Some(last) = rows.last() else { return Ok(()) };
        let found = &mut *self.found;
        let mut differ = |difference: Difference| {
            let at = rows.binary_search_by_key(&difference.key, |row| sql_int(row.seq));
            let missing = at.ok().filter(|_| difference.kind == Kind::Missing);
            if !missing.is_some_and(|at| gone(&rows[at])) {
                found(difference);
            }
        };
        let keys = self.events_from..=sql_int(last.seq);
        self.events_from = sql_int(last.seq) + 1;
        let values = rows.iter().map(EventRow::values);
        self.snapshot.compare(&EventRow::TABLE, keys, values, &mut differ)?;
        for row in rows {
            if let Some(block) = self.progress.spans.note(row.seq, row.ts_ns) {
                self.progress.block(&block, false, self.snapshot, self.found)?;
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
