//! Rows by their own rules, block after block.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::judge::{Fate, Judge};
use super::{RowsPruned, UNIT_ROWS, drop_if_empty};
use crate::index::postings;
use crate::index::schema::BLOCK_SHIFT;
use crate::retention::Facts;

/// The walk through the blocks.
#[derive(Default)]
pub(super) struct Rows {
    /// The first block that was not looked at.
    next: i64,
    /// The block whose rows are being judged.
    open: Option<Open>,
}

struct Open {
    block: i64,
    /// The first row that was not judged.
    next: i64,
    /// Rows that only holds keep.
    held: u64,
}

impl Rows {
    /// Goes on a little; says how many rows were looked at, or `None` after the last block.
    pub(super) fn unit(
        &mut self,
        tx: &Connection,
        judge: &Judge,
        done: &mut RowsPruned,
    ) -> rusqlite::Result<Option<usize>> {
        let Some(open) = &mut self.open else { return self.find(tx, judge, done) };
        let judged = open.judge(tx, judge, done)?;
        for (from, to) in &judged.over {
            let sql = "DELETE FROM event_rows WHERE seq BETWEEN ?1 AND ?2";
            done.rows += tx.prepare_cached(sql)?.execute([from, to])? as u64;
        }
        if judged.is_last() {
            open.finish(tx, judge)?;
            self.open = None;
        }
        Ok(Some(judged.rows))
    }

    /// The same without deleting anything: only counts what would go.
    pub(super) fn count_unit(
        &mut self,
        db: &Connection,
        judge: &Judge,
        done: &mut RowsPruned,
    ) -> rusqlite::Result<Option<usize>> {
        let Some(open) = &mut self.open else { return self.find(db, judge, done) };
        let judged = open.judge(db, judge, done)?;
        done.rows += judged.going;
        if judged.is_last() {
            self.open = None;
        }
        Ok(Some(judged.rows))
    }

    /// Looks for the next block in which something may be over.
    fn find(
        &mut self,
        tx: &Connection,
        judge: &Judge,
        done: &mut RowsPruned,
    ) -> rusqlite::Result<Option<usize>> {
        let sql = "SELECT b.block, b.first_ts_ns, j.rules, j.keep_seconds, j.held
            FROM blocks b LEFT JOIN judged j ON j.block = b.block
            WHERE b.block >= ?1 ORDER BY b.block LIMIT ?2";
        let mut select = tx.prepare_cached(sql)?;
        let mut rows = select.query(params![self.next, UNIT_ROWS])?;
        let mut seen = 0;
        while let Some(row) = rows.next()? {
            seen += 1;
            let block: i64 = row.get(0)?;
            let rules: Option<String> = row.get(2)?;
            let known = rules.is_some_and(|rules| judge.knows(&rules));
            let judged = if known { row.get(3)? } else { None };
            self.next = block + 1;
            if judge.may_be_over(row.get(1)?, judged) {
                self.open = Some(Open { block, next: block << BLOCK_SHIFT, held: 0 });
                return Ok(Some(seen));
            }
            if known {
                done.kept_by_hold += row.get::<_, i64>(4)?.unsigned_abs();
            }
        }
        Ok((seen > 0).then_some(seen))
    }
}

impl Open {
    /// Judges the next rows of the block.
    fn judge(
        &mut self,
        db: &Connection,
        judge: &Judge,
        done: &mut RowsPruned,
    ) -> rusqlite::Result<Judged> {
        let last = ((self.block + 1) << BLOCK_SHIFT) - 1;
        let judged = judge_rows(db, judge, self.next, last)?;
        self.held += judged.held;
        self.next = judged.next.unwrap_or(self.next);
        done.kept_by_hold += judged.held;
        done.judged += judged.rows as u64;
        Ok(judged)
    }

    /// Notes what is known now that all rows of the block were judged.
    fn finish(&self, tx: &Connection, judge: &Judge) -> rusqlite::Result<()> {
        if drop_if_empty(tx, self.block)? {
            return Ok(());
        }
        // Nothing is left of the values of deleted rows. An earlier job may have deleted some and not come so far.
        postings::renew(tx, self.block)?;
        let sql = "SELECT last_ts_ns FROM blocks WHERE block = ?1";
        let last: Option<i64> =
            tx.prepare_cached(sql)?.query_row([self.block], |row| row.get(0)).optional()?;
        let Some(keep) = last.and_then(|last| judge.over_for_all(last)) else { return Ok(()) };
        let sql = "INSERT OR REPLACE INTO judged (block, rules, keep_seconds, held) VALUES (?1, ?2, ?3, ?4)";
        let held = i64::try_from(self.held).unwrap_or(i64::MAX);
        let rules = judge.name(self.held > 0);
        tx.prepare_cached(sql)?.execute(params![self.block, rules, keep, held]).map(drop)
    }
}

/// Some rows, judged.
#[derive(Default)]
struct Judged {
    rows: usize,
    /// The number after the last one.
    next: Option<i64>,
    /// Those that go: runs of numbers between which no other row is.
    over: Vec<(i64, i64)>,
    /// How many those are.
    going: u64,
    held: u64,
}

impl Judged {
    /// Whether the block has no more rows.
    fn is_last(&self) -> bool {
        self.next.is_none() || self.rows < UNIT_ROWS as usize
    }
}

fn judge_rows(tx: &Connection, judge: &Judge, from: i64, to: i64) -> rusqlite::Result<Judged> {
    let sql = "SELECT seq, ts_ns, event_type, source, actor, target, session_id, correlation_id, unit, uid
        FROM event_rows NOT INDEXED WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq LIMIT ?3";
    let mut select = tx.prepare_cached(sql)?;
    let mut rows = select.query(params![from, to, UNIT_ROWS])?;
    let mut judged = Judged::default();
    let mut in_run = false;
    while let Some(row) = rows.next()? {
        let seq: i64 = row.get(0)?;
        let fate = judge.fate(&facts(row)?, row.get(1)?);
        match (fate, judged.over.last_mut()) {
            (Fate::Goes, Some((_, last))) if in_run => *last = seq,
            (Fate::Goes, _) => judged.over.push((seq, seq)),
            (Fate::Held, _) => judged.held += 1,
            (Fate::Stays, _) => {}
        }
        in_run = fate == Fate::Goes;
        judged.going += u64::from(in_run);
        judged.rows += 1;
        judged.next = seq.checked_add(1);
    }
    Ok(judged)
}

/// What rules look at, as the row has it.
fn facts<'r>(row: &'r Row<'_>) -> rusqlite::Result<Facts<'r>> {
    let text = |at| -> rusqlite::Result<_> {
        Ok(match row.get_ref(at)? {
            ValueRef::Text(text) => std::str::from_utf8(text).ok(),
            _ => None,
        })
    };
    Ok(Facts {
        event_type: text(2)?,
        source: text(3)?,
        actor: text(4)?,
        target: text(5)?,
        session_id: text(6)?,
        correlation_id: text(7)?,
        unit: text(8)?,
        uid: row.get::<_, Option<i64>>(9)?.and_then(|uid| u32::try_from(uid).ok()),
    })
}
