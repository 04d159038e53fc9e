//! Rows go in by transactions, and the write-ahead log that they make is kept small.

use std::io;
use std::time::{Duration, Instant};

use super::ahead::{self, Given, Piece, Preparer};
use super::{FollowError, Follower};
use crate::engine::feed::Pace;
use crate::engine::rows::Sink;
use crate::index::{Batch, EventRow, IndexError, SealRow};

/// Lines that come one after the other are gathered for so long: a transaction writes a dozen pages, however few its
/// rows are. What comes after a pause is inserted at once.
const EVERY: Duration = Duration::from_millis(100);

/// What is done between two transactions; says whether to go on.
pub(super) type Between<'b> = dyn FnMut(&mut Follower<'_>) -> bool + 'b;

/// What a transaction has taken so far.
struct Inserted<'b, 'w> {
    batch: &'b mut Batch<'w>,
    /// Known members of a wrong type.
    mistyped: u64,
}

impl Sink for Inserted<'_, '_> {
    fn events(&mut self, rows: &[EventRow<'_>]) -> Result<(), IndexError> {
        self.mistyped += rows.iter().map(|row| u64::from(row.fields.mistyped)).sum::<u64>();
        self.batch.rows(rows)
    }

    fn seal(&mut self, row: &SealRow<'_>) -> Result<(), IndexError> {
        self.batch.seal(row)
    }
}

impl Follower<'_> {
    /// Inserts what comes from there, transaction by transaction.
    pub(super) fn insert(
        &mut self,
        source: &mut (dyn Iterator<Item = io::Result<Piece>> + Send),
        many: bool,
        between: &mut Between<'_>,
    ) -> Result<(), FollowError> {
        let (fields, log_id) = (self.fields.clone(), self.log_id);
        let mut preparer = Preparer::new(&fields, log_id);
        ahead::prepared(source, &mut preparer, many, &mut |given| {
            while self.transaction(given)? && between(self) {}
            Ok(())
        })
    }

    /// One transaction; `false` if there is none any more.
    fn transaction(&mut self, given: &mut Given<'_>) -> Result<bool, FollowError> {
        let (setup, from, fields) = (self.setup, self.next, self.fields.clone());
        let unread = |source| FollowError::Segments { dir: setup.log_dir.clone(), source };
        let began = Instant::now();
        let mut next = given.next().transpose().map_err(unread)?;
        if next.is_none() {
            return Ok(false);
        }
        setup.has_room()?;
        self.look_now_and_then()?;
        let noted = self.fields_noted;
        let mut batch = self.database()?.begin()?;
        if !noted {
            batch.field_map(from, fields.definition())?;
        }
        let mut inserted = Inserted { batch: &mut batch, mistyped: 0 };
        let mut bytes = 0;
        let next = loop {
            // Where it ends in between, the thread that prepares has panicked, and with it this one will.
            let Some(prepared) = next else { return Ok(false) };
            prepared.parts().iter().try_for_each(|part| part.give(&mut inserted))?;
            prepared.postings.iter().try_for_each(|of| inserted.batch.postings(of))?;
            bytes += prepared.bytes;
            if let Some(next) = prepared.ends {
                break next;
            }
            next = given.next().transpose().map_err(unread)?;
        };
        let mistyped = inserted.mistyped;
        batch.commit(next)?;
        let enough = next.saturating_add(self.setup.batch_rows as u64);
        self.pace = Some(Pace { due: began + EVERY, enough });
        self.fields_noted = true;
        self.metrics.members_mistyped.add(mistyped);
        self.rest.worked(bytes as u64, Instant::now());
        self.set_next(next);
        self.keep_wal_small()?;
        Ok(true)
    }

    /// Empties the write-ahead log when it is time, and notes whether a reader is in the way.
    pub(super) fn keep_wal_small(&mut self) -> Result<(), FollowError> {
        let behind = self.metrics.ledger_head.get().saturating_sub(self.next);
        let keeps_up = behind < self.setup.batch_rows as u64;
        let database = self.database()?;
        let mut held = 0;
        if database.checkpoint_due(keeps_up)? {
            let done = match keeps_up {
                true => Some(database.checkpoint()?),
                false => database.checkpoint_meanwhile()?,
            };
            let Some(state) = done else { return Ok(()) };
            if database.checkpoint_due(keeps_up)? {
                held = state.held_bytes();
            }
        }
        self.note_held(held);
        Ok(())
    }
}
