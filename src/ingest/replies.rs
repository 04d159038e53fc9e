//! One connection's `Outbox` between the writer's thread, which fills it after a commit, and the
//! connection's task, which empties it. The lock is held for moments only.

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

pub use super::outbox::{End, Next, Outbox, push_reject};
use crate::engine::{CommitFailed, OnCommit, Receipt};

/// An outbox that two sides of a connection and the writer share.
#[derive(Default)]
pub struct Replies {
    outbox: Mutex<Outbox>,
    /// For the side that writes replies.
    to_write: Notify,
    /// For the side that reads lines.
    to_read: Notify,
}

impl Replies {
    /// Of a connection that begins or goes on with this outbox.
    pub fn of(outbox: Outbox) -> Self {
        Self { outbox: Mutex::new(outbox), ..Self::default() }
    }

    /// What was not written, once nobody writes any more.
    pub fn take_unsent(&self) -> Vec<u8> {
        self.lock().take_unsent()
    }

    /// The client greeted and wants replies.
    pub fn greet(&self, log_id: &str) {
        self.lock().greet(log_id);
        self.to_write.notify_one();
    }

    /// A submission is on its way. Once it is committed its `rejects` go out, then an ack for
    /// `line`, if there is one.
    pub fn expect(self: &Arc<Self>, rejects: &[u8], line: Option<u64>) -> OnCommit {
        let rejects = self.lock().begin(rejects);
        let pending = Pending { replies: self.clone(), rejects, line, done: false };
        Box::new(move |result| pending.complete(result))
    }

    /// Refusals that no submission goes with.
    pub fn push(&self, rejects: &[u8]) {
        if !rejects.is_empty() {
            self.lock().refuse(rejects);
            self.to_write.notify_one();
        }
    }

    /// No more lines come: what is pending is awaited and written, then it is over.
    pub fn finish(&self) {
        self.lock().finish();
        self.to_write.notify_one();
    }

    /// The client does not read: nothing more is written or read.
    pub fn give_up(&self) {
        self.lock().end(End::NotRead);
        self.to_read.notify_one();
    }

    /// The client cannot be written to any more; what it sent still counts.
    pub fn discard(&self) {
        self.lock().discard();
        self.to_read.notify_one();
    }

    /// `n` bytes were written.
    pub fn written(&self, n: usize) {
        let mut outbox = self.lock();
        let was_full = outbox.is_full();
        outbox.written(n);
        if was_full && !outbox.is_full() {
            self.to_read.notify_one();
        }
    }

    /// Whether a reply that the client does not read holds something up.
    pub fn is_overdue(&self) -> bool {
        self.lock().is_overdue()
    }

    /// Waits until that may have changed. For the side that writes.
    pub async fn changed(&self) {
        self.to_write.notified().await;
    }

    /// Waits for something to write, or for the end. For the side that writes.
    pub async fn next(&self) -> Next {
        loop {
            if let Some(next) = self.lock().next() {
                return next;
            }
            self.to_write.notified().await;
        }
    }

    /// Waits until lines may be read; false if the connection ends. For the side that reads.
    pub async fn room(&self) -> bool {
        while self.ended().is_none() {
            if !self.lock().is_full() {
                return true;
            }
            self.to_read.notified().await;
        }
        false
    }

    /// Waits until the connection has to end. For the side that reads.
    pub async fn until_ended(&self) {
        while self.ended().is_none() {
            self.to_read.notified().await;
        }
    }

    /// Why the connection has to end, if it has to.
    pub fn ended(&self) -> Option<End> {
        self.lock().ended()
    }

    fn lock(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A submission on its way. However it ends, the connection hears of it.
struct Pending {
    replies: Arc<Replies>,
    rejects: Vec<u8>,
    line: Option<u64>,
    done: bool,
}

impl Pending {
    fn complete(mut self, result: Result<Option<Receipt>, CommitFailed>) {
        match result {
            Ok(receipt) => {
                self.done = true;
                let mut outbox = self.replies.lock();
                outbox.commit(&self.rejects, self.line.zip(receipt));
                if outbox.has_news() {
                    self.replies.to_write.notify_one();
                }
            }
            Err(CommitFailed) => {
                self.fail("the ledger could not be written; send the event again later")
            }
        }
    }

    fn fail(&mut self, why: &'static str) {
        self.done = true;
        self.replies.lock().fail(why);
        self.replies.to_write.notify_one();
        self.replies.to_read.notify_one();
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.done {
            self.fail("the daemon is stopping; send the event again later");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_submission_that_the_writer_drops_ends_the_connection_with_an_error() {
        let replies = Arc::new(Replies::default());
        replies.greet("id");
        assert!(matches!(replies.next().await, Next::Write(_)));
        drop(replies.expect(b"", Some(1)));
        let next = tokio::time::timeout(std::time::Duration::from_secs(20), replies.next()).await;
        let Ok(Next::Write(reply)) = next else { panic!("{next:?}") };
        assert!(reply.starts_with(b"{\"error\":\"the daemon is stopping"));
        assert_eq!(replies.next().await, Next::Done);
        assert!(!replies.room().await);
    }
}
