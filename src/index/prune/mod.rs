//! Deleting rows whose time is over, in steps so small that rows on their way in hardly wait.
//!
//! A row goes by its own rule, also while its line lives on in a segment. Rows are judged in Rust, block after block
//! of 8,192 numbers, and the table `judged` remembers what came of it: that in a block nothing is left that is kept
//! for so long or shorter. So rows that a longer rule keeps are not read again before that rule is over, whatever else
//! the block held. New rows in a block undo its judgement, and so do other rules, and other holds if one of them
//! held something in it. All of it is in the transaction of the rows that it is about: whenever a job is
//! interrupted, the next one goes on.

mod gone;
mod judge;
mod outlook;
mod rows;
mod space;

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::schema::BLOCK_SHIFT;
use super::{IndexError, Writer, postings};
use crate::retention::{Hold, Rules};
use gone::Gone;
use judge::Judge;
use rows::Rows;
pub use space::Space;

/// A step stops to work after so long; what it has done is then committed, which takes about as long again.
const WORK: Duration = Duration::from_millis(5);
/// The most rows that a step looks at, and how many it looks at between two looks at the clock.
const STEP_ROWS: usize = 1024;
const UNIT_ROWS: u32 = 64;

/// What is to be deleted.
#[derive(Clone, Debug)]
pub struct PruneRows {
    /// How long rows are kept.
    pub rules: Rules,
    /// The time that this is held against, nanoseconds since 1970.
    pub believed_ns: i64,
    /// What is kept for longer.
    pub holds: Vec<Hold>,
    /// Leaves that are in no segment any more: all that is about them goes, whatever rules and holds say.
    pub gone: Vec<RangeInclusive<u64>>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowsPruned {
    /// Events that were deleted.
    pub rows: u64,
    /// Seals that were.
    pub seals: u64,
    /// Bytes of the file that became free by that, for new rows or for other files.
    pub freed_bytes: u64,
    /// Bytes that were given back to the file system.
    pub returned_bytes: u64,
    /// Events whose time is over and which only holds keep.
    pub kept_by_hold: u64,
    /// Events that were judged. A run in which nothing is over judges none, however many there are.
    pub judged: u64,
    /// Transactions.
    pub steps: u64,
    /// The time spent in them.
    pub busy: Duration,
    /// The longest of them.
    pub longest_step: Duration,
}

/// A job that is under way. After an error it is over: another one does what is left.
pub struct Pruning {
    task: Task,
    judge: Judge,
    done: RowsPruned,
}

/// What is done next; each one leads to the one after it.
enum Task {
    Gone(Gone),
    Rows(Rows),
    Space { under_way: bool },
    Done,
}

impl Pruning {
    /// Begins a job.
    pub fn new(what: PruneRows) -> Self {
        let PruneRows { rules, believed_ns, holds, gone } = what;
        let judge = Judge::new(rules, holds, believed_ns);
        Self { task: Task::Gone(Gone::new(gone)), judge, done: RowsPruned::default() }
    }

    /// Does one step, a transaction of some milliseconds; says whether the job is done.
    pub fn step(&mut self, writer: &mut Writer) -> Result<bool, IndexError> {
        let start = Instant::now();
        let tx = writer.begin_pruning()?;
        let work = || -> rusqlite::Result<()> {
            let used = space::used_bytes(&tx)?;
            let mut rows = 0;
            // A little at least, however long the transaction took to begin.
            while let Some(seen) = self.delete(&tx)? {
                rows += seen;
                if rows >= STEP_ROWS || start.elapsed() >= WORK {
                    break;
                }
            }
            self.done.freed_bytes += used.saturating_sub(space::used_bytes(&tx)?);
            if let Task::Space { under_way } = self.task {
                let given = space::give_back(&tx, under_way, &|| start.elapsed() < WORK)?;
                self.done.returned_bytes += given.unwrap_or_default();
                self.task = match given {
                    Some(_) => Task::Space { under_way: true },
                    None => Task::Done,
                };
            }
            tx.commit()
        };
        work().map_err(|e| writer.error(e))?;
        let took = start.elapsed();
        self.done.steps += 1;
        self.done.busy += took;
        self.done.longest_step = self.done.longest_step.max(took);
        Ok(matches!(self.task, Task::Done))
    }

    /// What was done so far.
    pub fn done(&self) -> RowsPruned {
        self.done
    }

    /// A little of what is next; says how many rows were looked at, or `None` if all deleting is done.
    fn delete(&mut self, tx: &Connection) -> rusqlite::Result<Option<usize>> {
        let (seen, after) = match &mut self.task {
            Task::Gone(gone) => (gone.unit(tx, &mut self.done)?, Task::Rows(Rows::default())),
            Task::Rows(rows) => {
                let seen = rows.unit(tx, &self.judge, &mut self.done)?;
                (seen, Task::Space { under_way: false })
            }
            Task::Space { .. } | Task::Done => return Ok(None),
        };
        if seen.is_none() {
            self.task = after;
        }
        Ok(Some(seen.unwrap_or_default()))
    }
}

/// Deletes what is known of a block in which no event is left, unless more are still to come. Says whether it did.
fn drop_if_empty(tx: &Connection, block: i64) -> rusqlite::Result<bool> {
    let sql = format!(
        "DELETE FROM blocks WHERE block = ?1 AND block < (SELECT indexed >> {BLOCK_SHIFT} FROM meta)
         AND NOT EXISTS (SELECT 1 FROM event_rows NOT INDEXED WHERE seq BETWEEN ?1 << {BLOCK_SHIFT} AND (?1 + 1 << {BLOCK_SHIFT}) - 1)"
    );
    let dropped = tx.prepare_cached(&sql)?.execute([block])? > 0;
    if dropped {
        tx.prepare_cached("DELETE FROM judged WHERE block = ?1")?.execute([block])?;
        postings::forget(tx, block)?;
    }
    Ok(dropped)
}
