//! Whether somebody does something to the database behind the daemon's back: it is looked at now and then while lines
//! come in, and when somebody asks how the index is. An idle daemon wakes nobody for it.

use std::time::{Duration, Instant};

use super::{FollowError, Follower};
use crate::index::Writer;
use crate::metrics::Severity;

/// How often it is looked at under load.
const EVERY: Duration = Duration::from_secs(1);

/// What the list of problems calls an index that stands still for a while.
const WAITS: &str = "index";
/// One that has to be built anew, and that may answer wrongly until then.
const DAMAGED: &str = "index damaged";
/// What it calls rows that somebody else may have written.
const WRITTEN: &str = "index rows";
/// And a reader that is in the way.
const HELD: &str = "index reader";

#[derive(Default)]
pub(super) struct Watch {
    looked: Option<Instant>,
}

impl Follower<'_> {
    pub(super) fn look_now_and_then(&mut self) -> Result<(), FollowError> {
        match self.watch.looked {
            Some(at) if at.elapsed() < EVERY => Ok(()),
            _ => self.look(),
        }
    }

    /// Looks whether the files are as they should be, and who wrote to them.
    pub(super) fn look(&mut self) -> Result<(), FollowError> {
        if self.database()?.look()? {
            let path = &self.setup.database;
            let sentence = format!(
                "another program wrote to the index {path:?}, so its rows may be wrong; check them with `auditlog verify`, and run `auditlog reindex` if they are"
            );
            if self.metrics.problems.say(WRITTEN, Severity::Warning, &sentence) {
                tracing::warn!("{sentence}");
            }
        }
        self.watch.looked = Some(Instant::now());
        if self.metrics.wal_held_bytes.get() > 0 {
            self.keep_wal_small()?;
        }
        Ok(())
    }

    /// Notes why the index stands still, or that it does not; whether that is news.
    pub(super) fn note_standstill(&self, error: Option<&FollowError>) -> bool {
        let broken = matches!(error, Some(FollowError::Index(error)) if error.needs_reindex());
        let (about, other) = if broken { (DAMAGED, WAITS) } else { (WAITS, DAMAGED) };
        let sentence = error.map(|error| format!("the index stands still: {error}"));
        let problems = &self.metrics.problems;
        let other = problems.clear(other);
        problems.set(about, Severity::Warning, sentence) || other
    }

    /// A reader keeps so many bytes of the write-ahead log from being emptied.
    pub(super) fn note_held(&self, bytes: u64) {
        self.metrics.wal_held_bytes.set(bytes);
        let sentence = "a program holds a read transaction open on the index, so its write-ahead log grows; end it, `auditlog status` names the process";
        self.metrics.problems.set(HELD, Severity::Warning, (bytes > 0).then_some(sentence));
    }

    /// The rows are all the daemon's own.
    pub(super) fn found_sound(&self) {
        self.metrics.problems.clear(WRITTEN);
    }

    /// Gives up the database where that is of use before the next try, which an error that passes by itself is not; the
    /// error that is to be told.
    pub(super) fn let_go(&mut self, error: FollowError) -> FollowError {
        if error.is_temporary() {
            return error;
        }
        let gone = error.mends_itself();
        if let Some(Err(why)) = self.database.as_mut().filter(|_| gone).map(Writer::save) {
            return why.into();
        }
        if let Some(database) = self.database.take().filter(|_| gone) {
            database.let_go();
        }
        error
    }
}
