//! How events reach the writer: each connection is a flow to a queue bounded in bytes. Full means that the submitter
//! waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use data_encoding::HEXLOWER;
use tokio::sync::Notify;

use super::queue::{Key, NotSent, Sender};
use crate::kept::Origin;
use crate::ledger::line::Line;
use crate::metrics::Metrics;
use crate::record::Record;

/// Checked events of one peer, in the order in which they go into the ledger.
pub struct Submission {
    /// The peer object of their lines, JSON text.
    pub peer: Arc<str>,
    /// The peer's user.
    pub uid: u32,
    /// For each item its id and its event, one after the other.
    pub text: Vec<u8>,
    /// Where in `text` each item lies; once they are stored, only the stored ones, without the repeats.
    pub items: Vec<Item>,
    /// The connection that they come from, if it outlives this process.
    pub origin: Option<Origin>,
    /// Called on the writer's thread once the lines are on disk or once that has failed: it must not
    /// block.
    pub on_commit: Option<OnCommit>,
}

/// One event line to be.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// Bytes of its id: a JSON string with quotes, at most 800; 0 if the client gave none.
    pub id_len: u32,
    /// Bytes of its event: a JSON object, made safe by [`crate::json::one_line`].
    pub event_len: u32,
    /// Whether it is an event as a client sent it, and not a record of one that was refused: the receipt
    /// is of the last accepted item.
    pub accepted: bool,
    /// Bytes that the client sent from the submission's start to behind the line.
    pub end: u32,
    /// Event lines from the submission's start to behind the line.
    pub line: u32,
}

/// Called after the commit.
pub type OnCommit = Box<dyn FnOnce(Result<Option<Receipt>, CommitFailed>) + Send>;

/// What proves that a line was in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The line's sequence number.
    pub seq: u64,
    /// Its mac, 64 lowercase hex digits.
    pub mac: [u8; 64],
}

/// The lines may or may not be on disk; the daemon stops and recovery decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ledger could not be written, so the daemon stops; send the event again later")]
pub struct CommitFailed;

/// The writer takes no more events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the daemon is stopping")]
pub struct Stopped;

/// What arrives at the writer.
pub(crate) struct Queued {
    pub submission: Submission,
    /// Given back when the commit is done.
    budget: Budget,
}

impl Submission {
    /// One of the daemon's own records, about this peer.
    pub fn record((peer, uid): (Arc<str>, u32), record: &Record) -> Self {
        let text = record.to_json().into_bytes();
        let items = vec![Item::of(0, text.len(), false)];
        Self { peer, uid, text, items, origin: None, on_commit: None }
    }
}

impl Item {
    /// A line that comes from no connection that outlives the process.
    pub fn of(id_len: usize, event_len: usize, accepted: bool) -> Self {
        let (id_len, event_len) = (id_len as u32, event_len as u32);
        Self { id_len, event_len, accepted, end: 0, line: 0 }
    }
}

impl Receipt {
    /// The receipt of a line of the ledger.
    pub fn of(line: &Line<'_>) -> Self {
        let mut mac = [0; 64];
        HEXLOWER.encode_mut(&line.mac, &mut mac);
        Self { seq: line.seq, mac }
    }
}

impl Queued {
    /// What counts of it in the queue.
    pub fn bytes(&self) -> u64 {
        self.budget.bytes
    }

    /// It has got its part of the queue.
    pub fn admitted(&mut self) {
        self.budget.taken = true;
        self.budget.line.metrics.bytes_waiting.add(self.budget.bytes);
        self.budget.line.waiting.fetch_add(1, Ordering::AcqRel);
    }

    /// Tells the submitter what became of it, and gives its part of the queue back.
    pub fn tell(self, result: Result<Option<Receipt>, CommitFailed>) {
        if let Some(on_commit) = self.submission.on_commit {
            on_commit(result);
        }
    }
}

/// A part of the queue's bytes.
struct Budget {
    bytes: u64,
    /// Whether it was taken, and has to be given back.
    taken: bool,
    line: Arc<Lane>,
}

impl Drop for Budget {
    fn drop(&mut self) {
        if self.taken {
            self.line.metrics.bytes_waiting.sub(self.bytes);
            self.line.queue.give_back(self.line.key.0, self.bytes);
            self.line.waiting.fetch_sub(1, Ordering::AcqRel);
            self.line.given_back.notify_one();
        }
    }
}

/// The way to the writer.
#[derive(Clone)]
pub struct Submitter {
    queue: Sender,
    flows: Arc<AtomicU64>,
    metrics: Arc<Metrics>,
}

/// The way of one connection to the writer: what goes it is stored in order. The writer shares its time between
/// users, and a user's share between its flows.
pub struct Flow(Arc<Lane>);

struct Lane {
    queue: Sender,
    key: Key,
    metrics: Arc<Metrics>,
    /// Submissions that are not committed.
    waiting: AtomicU64,
    /// One of them is.
    given_back: Notify,
}

impl Submitter {
    pub(super) fn new(queue: Sender, metrics: Arc<Metrics>) -> Self {
        Self { queue, flows: Arc::default(), metrics }
    }

    /// Has one of the daemon's own records written, also while no event is stored.
    pub fn record(&self, record: Record) {
        let _ended_writer_is_noticed_elsewhere =
            self.queue.send(super::Command::Record(record, None));
    }

    /// The same; `stored` is called from the writer's thread once it is durable, and must not block.
    pub fn record_then(&self, record: Record, stored: impl FnOnce() + Send + 'static) {
        let _ended_writer_is_noticed_elsewhere =
            self.queue.send(super::Command::Record(record, Some(Box::new(stored))));
    }

    /// A way for one connection of this user.
    pub fn flow(&self, uid: u32) -> Flow {
        let key = (uid, self.flows.fetch_add(1, Ordering::Relaxed));
        let (queue, metrics) = (self.queue.clone(), self.metrics.clone());
        let (waiting, given_back) = (AtomicU64::new(0), Notify::new());
        Flow(Arc::new(Lane { queue, key, metrics, waiting, given_back }))
    }
}

impl Flow {
    /// Hands the events to the writer, waiting while the queue is full. Returning does not mean that
    /// they are stored: `on_commit` does. Only one task may wait here at a time.
    pub async fn submit(&self, submission: Submission) -> Result<(), Stopped> {
        let line = &self.0;
        let bytes = (submission.text.len() + 64 * submission.items.len()).max(1) as u64;
        let budget = Budget { bytes, taken: false, line: line.clone() };
        let mut queued = Queued { submission, budget };
        loop {
            let first = line.waiting.load(Ordering::Acquire) == 0;
            match line.queue.offer(line.key, queued, first) {
                Ok(()) => return Ok(()),
                Err(NotSent::Closed) => return Err(Stopped),
                Err(NotSent::Full(back)) => queued = *back,
            }
            // One of its own is not committed yet, or has just been, which is not forgotten.
            line.given_back.notified().await;
        }
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.0.queue.close(self.0.key);
    }
}

/// A submitter whose submissions a test receives in the writer's place.
#[cfg(test)]
pub(crate) fn test_pair(capacity: usize) -> (Submitter, TestQueue) {
    let (sender, receiver) = super::queue::queue(capacity);
    (Submitter::new(sender, Arc::default()), TestQueue(receiver))
}

/// The writer's end of the queue, for tests.
#[cfg(test)]
pub(crate) struct TestQueue(super::queue::Receiver);

#[cfg(test)]
impl TestQueue {
    /// The next submission with its share of the budget; none once every submitter is gone.
    pub(crate) fn recv(&self) -> Option<(Submission, impl Drop + Send + use<>)> {
        loop {
            if let super::Command::Append(queued) =
                self.0.recv_timeout(std::time::Duration::MAX).ok()?
            {
                return Some((queued.submission, queued.budget));
            }
        }
    }
}
