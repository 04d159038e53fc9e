//! Everything about leaves that are in no segment any more.

use std::ops::RangeInclusive;

use rusqlite::{Connection, params};

use super::{RowsPruned, UNIT_ROWS, drop_if_empty};
use crate::index::postings;
use crate::index::row::sql_int;
use crate::index::schema::BLOCK_SHIFT;

/// What is left of it.
pub(super) struct Gone {
    ranges: std::vec::IntoIter<RangeInclusive<u64>>,
    open: Option<Open>,
}

struct Open {
    first: i64,
    last: i64,
    stage: Stage,
}

/// What goes, in this order.
enum Stage {
    Events,
    Seals,
    /// Blocks from this one on.
    Blocks(i64),
}

impl Gone {
    pub(super) fn new(ranges: Vec<RangeInclusive<u64>>) -> Self {
        Self { ranges: ranges.into_iter(), open: None }
    }

    /// Goes on a little; says how many rows were looked at, or `None` after the last range.
    pub(super) fn unit(
        &mut self,
        tx: &Connection,
        done: &mut RowsPruned,
    ) -> rusqlite::Result<Option<usize>> {
        let Some(open) = &mut self.open else {
            self.open = self.ranges.next().map(|range| Open {
                first: sql_int(*range.start()),
                last: sql_int(*range.end()),
                stage: Stage::Events,
            });
            return Ok(self.open.is_some().then_some(0));
        };
        let rows = match open.stage {
            Stage::Events => {
                let rows = open.delete(tx, "event_rows")?;
                done.rows += rows as u64;
                if rows == 0 {
                    open.stage = Stage::Seals;
                }
                rows
            }
            Stage::Seals => {
                let rows = open.delete(tx, "seals")?;
                done.seals += rows as u64;
                if rows == 0 {
                    open.stage = Stage::Blocks(open.first >> BLOCK_SHIFT);
                }
                rows
            }
            Stage::Blocks(from) => match open.drop_blocks(tx, from)? {
                Some((next, rows)) => {
                    open.stage = Stage::Blocks(next);
                    rows
                }
                None => {
                    let sql = "DELETE FROM segments WHERE first_seq BETWEEN ?1 AND ?2";
                    let rows = tx.prepare_cached(sql)?.execute([open.first, open.last])?;
                    self.open = None;
                    rows
                }
            },
        };
        Ok(Some(rows))
    }
}

impl Open {
    /// Deletes some rows of a table whose key is `seq`; says how many.
    fn delete(&self, tx: &Connection, table: &str) -> rusqlite::Result<usize> {
        let sql = format!(
            "DELETE FROM {table} WHERE seq BETWEEN ?1 AND (SELECT max(seq) FROM
             (SELECT seq FROM {table} NOT INDEXED WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq LIMIT ?3))"
        );
        tx.prepare_cached(&sql)?.execute(params![self.first, self.last, UNIT_ROWS])
    }

    /// Drops those of some blocks in which nothing is left; says where to go on and how many it looked at.
    fn drop_blocks(&self, tx: &Connection, from: i64) -> rusqlite::Result<Option<(i64, usize)>> {
        let sql = "SELECT block FROM blocks WHERE block BETWEEN ?1 AND ?2 ORDER BY block LIMIT ?3";
        let mut select = tx.prepare_cached(sql)?;
        let found = select
            .query_map(params![from, self.last >> BLOCK_SHIFT, UNIT_ROWS], |row| row.get(0))?
            .collect::<rusqlite::Result<Vec<i64>>>()?;
        for block in &found {
            if !drop_if_empty(tx, *block)? {
                postings::renew(tx, *block)?;
            }
        }
        Ok(found.last().map(|last| (last + 1, found.len())))
    }
}
