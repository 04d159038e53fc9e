//! What can be asked of and about the index while the engine runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, sync_channel};
use std::time::Duration;

use super::feed::Feed;
use super::indexer::Job;
use crate::index::{PruneRows, RowsPruned};

/// Why a job has no end.
const ENDED: &str = "the index has ended, because the daemon is stopping or had to give it up";

/// How long somebody who asks how the index is waits for a look at it.
const PATIENCE: Duration = Duration::from_millis(500);

/// How often whoever waits is asked whether to go on.
const LOOK: Duration = Duration::from_millis(100);

/// Asks the index thread, and knows how it is.
#[derive(Clone)]
pub struct IndexHandle {
    pub(super) feed: Arc<Feed>,
    pub(super) jobs: Sender<Job>,
}

impl IndexHandle {
    /// Drops the index and builds it again from the ledger.
    pub fn reindex(&self) {
        self.feed.request_reset();
    }

    /// Looks whether all is well with the database, which the index does by itself only while lines come in. What is
    /// found is told by [`IndexHandle::error`] and the list of problems.
    pub fn look(&self) {
        self.feed.look(PATIENCE);
    }

    /// What keeps the index from following the ledger, if something does.
    pub fn error(&self) -> Option<String> {
        self.feed.error()
    }

    /// Deletes rows whose time is over, beside the work of the index, and returns when that is done. Fails with
    /// a sentence if the index cannot, or stops before; what was deleted by then is gone, and the next
    /// call does the rest.
    pub fn prune(&self, what: PruneRows) -> Result<RowsPruned, String> {
        self.prune_until(what, &|| false)
    }

    /// The same, cut short after the step that is under way once `stop` says so, which is asked ten times a
    /// second. When this returns nothing is being deleted any more.
    pub fn prune_until(
        &self,
        what: PruneRows,
        stop: &dyn Fn() -> bool,
    ) -> Result<RowsPruned, String> {
        if let Some(error) = self.error() {
            return Err(error);
        }
        let (done, wait) = sync_channel(1);
        let cut_short = Arc::new(AtomicBool::new(false));
        let job = Job { what, cut_short: cut_short.clone(), done };
        self.jobs.send(job).map_err(|_| ENDED.to_owned())?;
        self.feed.prune_now();
        loop {
            match wait.recv_timeout(LOOK) {
                Ok(outcome) => return outcome,
                Err(RecvTimeoutError::Timeout) if stop() => {
                    cut_short.store(true, Ordering::Relaxed);
                    self.feed.prune_now();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(ENDED.into()),
            }
        }
    }
}
