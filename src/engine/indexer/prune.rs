//! Deleting rows beside following the ledger: a step, a rest in which lines come in, the next step.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

use super::{FollowError, Follower};
use crate::engine::feed::Feed;
use crate::index::{IndexError, PruneRows, Pruning, RowsPruned};

/// After a step, the thread does nothing of the kind for so many times as long as the step took: the disk and
/// the processor belong to whoever sends events.
const REST: u32 = 2;

/// What is to be deleted, and who waits for it.
pub(in crate::engine) struct Job {
    pub what: PruneRows,
    /// Set by whoever waits once the job is to end after the step that is under way.
    pub cut_short: Arc<AtomicBool>,
    pub done: SyncSender<Outcome>,
}

type Outcome = Result<RowsPruned, String>;

/// The job that is under way and those that wait. Dropped, it ends them all without a word.
pub(super) struct Jobs {
    queue: Receiver<Job>,
    current: Option<Current>,
}

/// The job that is under way.
struct Current {
    pruning: Pruning,
    cut_short: Arc<AtomicBool>,
    done: SyncSender<Outcome>,
}

impl Jobs {
    pub(super) fn new(queue: Receiver<Job>) -> Self {
        Self { queue, current: None }
    }

    /// Ends all jobs.
    pub(super) fn fail(&mut self, why: &str) {
        let waiting = self.current.take().map(|job| job.done);
        for done in waiting.into_iter().chain(self.queue.try_iter().map(|job| job.done)) {
            let _nobody_waits = done.send(Err(why.to_owned()));
        }
    }

    fn take(&mut self) -> Option<Current> {
        let begin = |job: Job| {
            let Job { what, cut_short, done } = job;
            Current { pruning: Pruning::new(what), cut_short, done }
        };
        self.current.take().or_else(|| self.queue.try_recv().ok().map(begin))
    }
}

impl Follower<'_> {
    /// Does one step of the job that is under way, or of the next one. An error ends the job; one that passes by
    /// itself concerns nobody else.
    pub(super) fn prune(&mut self, feed: &Feed) -> Result<(), FollowError> {
        let Some(mut job) = self.jobs.take() else { return Ok(()) };
        let start = Instant::now();
        let outcome = match job.cut_short.load(Ordering::Relaxed) {
            true => Ok(true),
            false => self.step(&mut job.pruning),
        };
        let outcome = match outcome {
            Ok(false) => {
                self.jobs.current = Some(job);
                feed.prune_after(start.elapsed() * REST);
                return Ok(());
            }
            Ok(true) => Ok(job.pruning.done()),
            Err(e) => Err(e),
        };
        feed.prune_after(Duration::ZERO);
        let told = outcome.as_ref().map(|done| *done).map_err(ToString::to_string);
        let _nobody_waits = job.done.send(told);
        match outcome {
            Err(e) if !e.is_temporary() => Err(e),
            _ => Ok(()),
        }
    }

    fn step(&mut self, job: &mut Pruning) -> Result<bool, FollowError> {
        let step = job.step(self.database()?);
        if let Err(IndexError::HeldByReader { bytes, .. }) = &step {
            self.note_held(*bytes);
        }
        let done = step?;
        self.rest.pruned(Instant::now());
        self.keep_wal_small()?;
        Ok(done)
    }
}
