//! The index thread: it follows the ledger, whether a line comes fresh from the writer or is read from a
//! segment. Whatever happens to the database, the ledger goes on and the index catches up.

mod ahead;
mod prune;
mod rest;
mod setup;
mod source;
mod standstill;
mod transaction;
mod watch;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use super::OnIndex;
use super::feed::{Feed, Followed, Pace, Work};
use super::rows;
use crate::event::FieldMap;
use crate::index::Writer;
use crate::kernel;
use crate::ledger::reader::Reader;
use crate::ledger::segment;
use crate::metrics::Metrics;
pub(super) use prune::Job;
use prune::Jobs;
use rest::Rest;
pub use setup::{FollowError, IndexSetup};
use source::Segments;
use standstill::Standstill;
use transaction::Between;
use watch::Watch;

/// In a burst the index waits so many times as long as its last transaction took: clients wait for the ledger, and the
/// index has to come up afterwards in any case. A quarter of the time it works, however long the burst is.
const GIVES_WAY: u32 = 3;
/// Bytes of lines from which on another thread reads them while rows are inserted.
const MUCH: usize = 512 << 10;
/// Leaves of segments from which on it does.
const MANY: u64 = 1024;

/// Follows the ledger until the feed is closed.
pub(super) fn run(
    setup: &IndexSetup,
    log_id: &str,
    feed: &Feed,
    jobs: Receiver<Job>,
    metrics: &Metrics,
    on_index: OnIndex,
) {
    let mut follower = Follower::new(setup, log_id, jobs, metrics, on_index);
    loop {
        let error = match follower.work(feed) {
            Ok(()) => break,
            Err(e) => follower.let_go(e),
        };
        if follower.standstill.is_news(&error, Instant::now()) {
            match error.is_temporary() || error.mends_itself() {
                true => tracing::warn!("the index waits: {error}; the ledger goes on"),
                false => tracing::error!("the index stands still: {error}; the ledger goes on"),
            }
        }
        // Whoever waits for a look is told after everybody else.
        follower.tell(Some(&error));
        feed.set_error(Some(error.to_string()));
        follower.jobs.fail(&error.to_string());
        if !feed.pause(follower.standstill.pause(&error)) {
            break;
        }
    }
    follower.close();
}

/// Builds the index of a log anew while no daemon runs; `progress` is told the leaves that are done.
pub fn reindex_offline(
    setup: &IndexSetup,
    log_id: &str,
    progress: &mut dyn FnMut(u64),
) -> Result<u64, FollowError> {
    let metrics = Metrics::default();
    let (_, no_jobs) = channel();
    let nobody = Box::new(|| {});
    let mut follower = Follower::new(setup, log_id, no_jobs, &metrics, nobody);
    follower.start_over()?;
    follower.list_segments()?;
    follower.read(u64::MAX, &mut |follower| {
        progress(follower.next);
        true
    })?;
    follower.close();
    Ok(follower.next)
}

struct Follower<'a> {
    setup: &'a IndexSetup,
    log_id: &'a str,
    metrics: &'a Metrics,
    fields: Arc<FieldMap>,
    /// Whether the database knows that what follows is read with `fields`.
    fields_noted: bool,
    /// Whether the database knows the segments that there are.
    segments_listed: bool,
    /// Away while another thread reads.
    reader: Option<Reader>,
    database: Option<Writer>,
    /// The first leaf that is not in the database.
    next: u64,
    /// When there is to be another transaction.
    pace: Option<Pace>,
    jobs: Jobs,
    rest: Rest,
    watch: Watch,
    standstill: Standstill,
    /// Whether it is to be built anew. Kept until that has begun: the database may be locked just then.
    start_over: bool,
    on_index: OnIndex,
    /// Whether it was as far as the ledger, and that was told.
    caught_up: bool,
}

impl<'a> Follower<'a> {
    fn new(
        setup: &'a IndexSetup,
        log_id: &'a str,
        jobs: Receiver<Job>,
        metrics: &'a Metrics,
        on_index: OnIndex,
    ) -> Self {
        Self {
            setup,
            log_id,
            metrics,
            fields: setup.fields.clone(),
            fields_noted: false,
            segments_listed: false,
            reader: None,
            database: None,
            next: 0,
            pace: None,
            jobs: Jobs::new(jobs),
            rest: Rest::after_start(Instant::now()),
            watch: Watch::default(),
            standstill: Standstill::default(),
            start_over: false,
            on_index,
            caught_up: false,
        }
    }

    fn work(&mut self, feed: &Feed) -> Result<(), FollowError> {
        self.start_over |= feed.take_reset();
        if self.start_over {
            self.start_over()?;
        }
        self.database()?;
        self.look()?;
        if !self.segments_listed {
            self.list_segments()?;
        }
        if self.next >= self.metrics.ledger_head.get() {
            self.goes_on(feed);
        }
        loop {
            match feed.wait(self.next, self.rest.due(), self.pace) {
                Work::Fresh(lines) => self.insert_fresh(lines, feed)?,
                Work::Read(to) => self.read_on(to, feed)?,
                Work::Segments => {
                    self.segments_listed = false;
                    self.list_segments()?;
                }
                Work::Fields(fields) => {
                    self.fields = fields;
                    self.fields_noted = false;
                }
                Work::Reset => self.start_over()?,
                Work::Prune => self.prune(feed)?,
                Work::Look => self.look()?,
                Work::Rest => self.give_memory_back()?,
                Work::Close => return Ok(()),
            }
            self.goes_on(feed);
        }
    }

    /// Reads leaves below `to`, and gives way to a burst after each transaction.
    fn read_on(&mut self, to: u64, feed: &Feed) -> Result<(), FollowError> {
        let mut began = Instant::now();
        self.read(to, &mut |follower| {
            follower.goes_on(feed);
            feed.give_way(began.elapsed() * GIVES_WAY);
            began = Instant::now();
            !feed.is_called()
        })
    }

    fn goes_on(&mut self, feed: &Feed) {
        if self.standstill.is_over() {
            tracing::info!("the index goes on");
        }
        self.tell(None);
        feed.set_error(None);
    }

    /// Says that the index stands still, or that it does not, when that is news, and when it has come to the
    /// ledger's end after the start: what was shown until then is how far it was before.
    fn tell(&mut self, error: Option<&FollowError>) {
        let comes_up = !self.caught_up && self.next >= self.metrics.ledger_head.get();
        self.caught_up |= comes_up;
        let news = self.note_standstill(error);
        if news || comes_up {
            (self.on_index)();
        }
    }

    /// The open database; opens it if need be.
    fn database(&mut self) -> Result<&mut Writer, FollowError> {
        let writer = match self.database.take() {
            Some(writer) => writer,
            None => {
                let path = &self.setup.database;
                let writer = Writer::open(path, self.log_id, &self.setup.options)?;
                self.fields_noted = false;
                self.segments_listed = false;
                self.set_next(writer.indexed()?);
                writer
            }
        };
        Ok(self.database.insert(writer))
    }

    fn start_over(&mut self) -> Result<(), FollowError> {
        self.start_over = true;
        self.jobs.fail("the index is being built anew");
        self.database = None;
        let path = &self.setup.database;
        let (writer, aside) = Writer::reset(path, self.log_id, &self.setup.options)?;
        if let Some(aside) = aside {
            tracing::warn!("what was at {path:?} is now {aside:?}");
        }
        self.database = Some(writer);
        self.start_over = false;
        self.found_sound();
        self.fields_noted = false;
        self.metrics.index_rebuilds.add(1);
        self.set_next(0);
        self.list_segments()
    }

    /// Inserts fresh lines, and in the same transaction those that came meanwhile.
    fn insert_fresh(&mut self, mut lines: Followed, feed: &Feed) -> Result<(), FollowError> {
        let end = source::end(self.next, self.setup.batch_rows);
        while lines.next < end
            && lines.lines.len() < source::MOST_BYTES
            && let Some(further) = feed.more(lines.next)
        {
            lines.append(further);
        }
        self.insert(&mut source::fresh(&lines), lines.lines.len() >= MUCH, &mut |_| true)
    }

    /// Reads leaves below `to` from the segments and inserts them; `between` says after each transaction whether to go on.
    fn read(&mut self, to: u64, between: &mut Between<'_>) -> Result<(), FollowError> {
        let from = self.next;
        let (dir, log_id) = (&self.setup.log_dir, self.log_id);
        let mut reader = self.reader.take().unwrap_or_else(|| Reader::new(dir, log_id));
        let mut leaves = Segments::new(&mut reader, from, to, self.setup.batch_rows);
        let inserted = self.insert(&mut leaves, to.saturating_sub(from) >= MANY, between);
        self.reader = Some(reader);
        inserted?;
        if self.next == from && to < u64::MAX {
            // A file that was deleted comes back when the writer notices; until then nothing is skipped.
            return Err(FollowError::NotThere { from, to: to - 1 });
        }
        Ok(())
    }

    fn give_memory_back(&mut self) -> Result<(), FollowError> {
        if self.rest.is_over(Instant::now()) {
            self.database()?.shrink()?;
            kernel::give_back();
        }
        Ok(())
    }

    fn list_segments(&mut self) -> Result<(), FollowError> {
        let found = segment::list_of(&self.setup.log_dir, self.log_id);
        let found = found.map_err(|e| self.segments(e))?;
        self.database()?;
        let next = self.next;
        let mut batch = self.database()?.begin()?;
        for found in &found {
            batch.segment(&rows::segment(found))?;
        }
        batch.commit(next)?;
        self.segments_listed = true;
        Ok(())
    }

    fn segments(&self, source: std::io::Error) -> FollowError {
        FollowError::Segments { dir: self.setup.log_dir.clone(), source }
    }

    fn set_next(&mut self, next: u64) {
        self.next = next;
        self.metrics.index_head.set(next);
    }

    fn close(&mut self) {
        if let Some(Err(e)) = self.database.take().map(Writer::close) {
            tracing::warn!("the index was not closed cleanly: {e}");
        }
    }
}
