//! What a connection is told, in order and bounded: the writer's thread puts it in, the connection's
//! task takes it out. The lock is held for moments only.

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

use crate::engine::{CommitFailed, OnCommit, Receipt};
use crate::event::Reject;
use crate::json;

/// Replies that wait for the client to read them, bytes; above that its lines are not read.
const LIMIT: usize = 64 * 1024;

/// The replies of one connection, and how many of its submissions are not committed yet.
#[derive(Default)]
pub struct Replies {
    state: Mutex<State>,
    /// For who writes replies.
    to_write: Notify,
    /// For who reads lines.
    to_read: Notify,
}

#[derive(Default)]
struct State {
    /// The client asked for replies.
    wanted: bool,
    /// Submissions on their way.
    pending: usize,
    /// Bytes of replies that exist, wherever they are, and are not written.
    bytes: usize,
    /// Replies that may go out once nothing is pending any more.
    held: Vec<u8>,
    /// Replies that may go out.
    out: Vec<u8>,
    /// The ack after those, which the next one replaces.
    ack: Option<(u64, Receipt)>,
    /// No more lines come.
    finished: bool,
    /// Why the connection ends, if it ends before its client wants it to.
    end: Option<End>,
}

/// Why a connection ends before its client wants it to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The writer failed or takes no more events: the text of the last reply.
    Failed(&'static str),
    /// The client does not read.
    NotRead,
}

/// What the task that writes replies does next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Write these bytes.
    Write(Vec<u8>),
    /// Nothing will follow.
    Done,
}

impl Replies {
    /// The client greeted and wants replies.
    pub fn greet(&self, log_id: &str) {
        let mut state = self.lock();
        state.wanted = true;
        let mut reply = br#"{"auditlog":{"protocol":1,"log_id":"#.to_vec();
        json::push_string(&mut reply, log_id);
        reply.extend_from_slice(b"}}\n");
        state.push(&reply);
        self.to_write.notify_one();
    }

    /// A submission is on its way. Once it is committed its `rejects` go out, then an ack for
    /// `line`, if there is one.
    pub fn expect(self: &Arc<Self>, rejects: &[u8], line: Option<u64>) -> OnCommit {
        let mut state = self.lock();
        state.pending += 1;
        state.hold(rejects);
        let rejects = std::mem::take(&mut state.held);
        drop(state);
        let pending = Pending { replies: self.clone(), rejects, line, done: false };
        Box::new(move |result| pending.complete(result))
    }

    /// Refusals that no submission goes with: they go out in their turn.
    pub fn push(&self, rejects: &[u8]) {
        let mut state = self.lock();
        state.hold(rejects);
        if state.pending == 0 {
            state.release_held();
            self.to_write.notify_one();
        }
    }

    /// No more lines come: what is pending is awaited and written, then it is over.
    pub fn finish(&self) {
        self.lock().finished = true;
        self.to_write.notify_one();
    }

    /// The client does not read: nothing more is written or read.
    pub fn give_up(&self) {
        self.lock().end.get_or_insert(End::NotRead);
        self.to_read.notify_one();
    }

    /// The client cannot be written to any more; what it sent still counts.
    pub fn discard(&self) {
        let mut state = self.lock();
        state.wanted = false;
        state.bytes = 0;
        (state.held, state.out, state.ack) = (Vec::new(), Vec::new(), None);
        self.to_read.notify_one();
    }

    /// `n` bytes were written.
    pub fn written(&self, n: usize) {
        let mut state = self.lock();
        let was_full = state.is_full();
        state.bytes = state.bytes.saturating_sub(n);
        if was_full && !state.is_full() {
            self.to_read.notify_one();
        }
    }

    /// Whether somebody waits for the client to read: its lines, or its end.
    pub fn overdue(&self) -> bool {
        let state = self.lock();
        state.is_full() || state.is_last() || state.end.is_some()
    }

    /// Waits until that may have changed.
    pub async fn changed(&self) {
        self.to_write.notified().await;
    }

    /// Waits for something to write, or for the end.
    pub async fn next(&self) -> Next {
        loop {
            if let Some(next) = self.lock().next() {
                return next;
            }
            self.to_write.notified().await;
        }
    }

    /// Waits until lines may be read. False if the connection ends.
    pub async fn room(&self) -> bool {
        loop {
            {
                let state = self.lock();
                if state.end.is_some() {
                    return false;
                }
                if !state.is_full() {
                    return true;
                }
            }
            self.to_read.notified().await;
        }
    }

    /// Waits until the connection has to end.
    pub async fn ended(&self) {
        loop {
            if self.lock().end.is_some() {
                return;
            }
            self.to_read.notified().await;
        }
    }

    /// Why the connection ended early, if it did.
    pub fn end(&self) -> Option<End> {
        self.lock().end
    }

    fn fail(&self, state: &mut State, text: &'static str) {
        state.end.get_or_insert(End::Failed(text));
        self.to_read.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl State {
    fn is_full(&self) -> bool {
        self.bytes > LIMIT
    }

    fn is_last(&self) -> bool {
        self.finished && self.pending == 0
    }

    fn push(&mut self, reply: &[u8]) {
        if self.wanted {
            self.bytes += reply.len();
            self.out.extend_from_slice(reply);
        }
    }

    fn hold(&mut self, rejects: &[u8]) {
        if self.wanted {
            self.bytes += rejects.len();
            self.held.extend_from_slice(rejects);
        }
    }

    fn release_held(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.release(&held);
    }

    /// Lets refusals go out that are counted in `bytes` already. The ack before them stays before them.
    fn release(&mut self, rejects: &[u8]) {
        if !rejects.is_empty() && self.wanted {
            self.flush_ack();
            self.out.extend_from_slice(rejects);
        }
    }

    fn flush_ack(&mut self) {
        if let Some((line, receipt)) = self.ack.take() {
            let ack = ack(line, &receipt);
            self.push(&ack);
        }
    }

    fn next(&mut self) -> Option<Next> {
        self.flush_ack();
        if let Some(End::Failed(text)) = self.end
            && self.wanted
        {
            let mut reply = br#"{"error":"#.to_vec();
            json::push_string(&mut reply, text);
            reply.extend_from_slice(b"}\n");
            self.push(&reply);
            self.wanted = false;
        }
        match () {
            () if self.end == Some(End::NotRead) => Some(Next::Done),
            () if !self.out.is_empty() => Some(Next::Write(std::mem::take(&mut self.out))),
            () if self.is_last() || self.end.is_some() => Some(Next::Done),
            () => None,
        }
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
        self.done = true;
        let replies = &self.replies;
        let mut state = replies.lock();
        state.pending = state.pending.saturating_sub(1);
        match result {
            Ok(receipt) => {
                state.release(&self.rejects);
                if let (Some(line), Some(receipt), true) = (self.line, receipt, state.wanted) {
                    state.ack = Some((line, receipt));
                }
                if state.pending == 0 {
                    state.release_held();
                }
            }
            Err(CommitFailed) => replies.fail(&mut state, "the ledger could not be written"),
        }
        if state.wanted || state.is_last() || state.end.is_some() {
            replies.to_write.notify_one();
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.done {
            let mut state = self.replies.lock();
            state.pending = state.pending.saturating_sub(1);
            self.replies.fail(&mut state, "the daemon is stopping");
            self.replies.to_write.notify_one();
        }
    }
}

/// Appends the reply to a refused line.
pub fn push_reject(out: &mut Vec<u8>, line: u64, reject: &Reject) {
    let code = reject.code.as_str();
    let head = format!(r#"{{"reject":{{"line":{line},"code":"{code}","message":"#);
    out.extend_from_slice(head.as_bytes());
    json::push_string(out, &reject.message);
    out.extend_from_slice(b"}}\n");
}

fn ack(line: u64, receipt: &Receipt) -> Vec<u8> {
    let mut out = format!(r#"{{"ack":{{"line":{line},"seq":{},"mac":""#, receipt.seq).into_bytes();
    out.extend_from_slice(&receipt.mac);
    out.extend_from_slice(b"\"}}\n");
    out
}
