//! What a connection is to be told: pure bookkeeping of order, bounds and when it is over.
//!
//! A submission's refusals go out once it is committed, then the ack, which stays apart until it is
//! written so that a newer one can replace it. Before the next refusal it has to go out.

use crate::engine::Receipt;
use crate::event::Reject;
use crate::json;

/// Replies that wait for the client to read them, bytes; above that its lines are not read.
pub const LIMIT: usize = 64 * 1024;

/// The replies of one connection, and how many of its submissions are not committed yet.
#[derive(Debug, Default)]
pub struct Outbox {
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
    /// The line and receipt of the ack after those.
    ack: Option<(u64, Receipt)>,
    /// No more lines come.
    finished: bool,
    /// The connection outlives a failure of the writer: its client is not told to send again.
    kept: bool,
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

/// What is to be done next for a client.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Write these bytes.
    Write(Vec<u8>),
    /// Nothing will follow.
    Done,
}

impl Outbox {
    /// Of a connection that outlives the daemon.
    pub fn kept() -> Self {
        Self { kept: true, ..Self::default() }
    }

    /// Goes on where the last run ended: these replies were not read, and the last ack may have been lost.
    pub fn resume(unread: Vec<u8>, ack: Option<(u64, Receipt)>) -> Self {
        Self { kept: true, wanted: true, bytes: unread.len(), out: unread, ack, ..Self::default() }
    }

    /// What was not written.
    pub fn take_unsent(&mut self) -> Vec<u8> {
        self.flush_ack();
        std::mem::take(&mut self.out)
    }

    /// What a greeting is answered with.
    pub fn greeting(log_id: &str) -> Vec<u8> {
        with_string(r#"{"auditlog":{"protocol":1,"log_id":"#, log_id, "}}\n")
    }

    /// The client greeted and wants replies.
    pub fn greet(&mut self, log_id: &str) {
        self.wanted = true;
        self.push(&Self::greeting(log_id));
    }

    /// A submission is on its way; returns the replies that go with it.
    pub fn begin(&mut self, rejects: &[u8]) -> Vec<u8> {
        self.pending += 1;
        self.hold(rejects);
        std::mem::take(&mut self.held)
    }

    /// A submission was committed, with the replies that [`Self::begin`] gave. `ack` is the line that may
    /// be acknowledged.
    pub fn commit(&mut self, rejects: &[u8], ack: Option<(u64, Receipt)>) {
        self.pending = self.pending.saturating_sub(1);
        self.release(rejects);
        if self.wanted && ack.is_some() {
            self.ack = ack;
        }
        self.release_held();
    }

    /// A submission was not committed, and no other will be.
    pub fn fail(&mut self, why: &'static str) {
        self.pending = self.pending.saturating_sub(1);
        self.end(End::Failed(why));
    }

    /// Refusals that no submission goes with: they go out after what is pending.
    pub fn refuse(&mut self, rejects: &[u8]) {
        self.hold(rejects);
        self.release_held();
    }

    /// No more lines come.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// The connection has to end; the first reason counts.
    pub fn end(&mut self, end: End) {
        self.end.get_or_insert(end);
    }

    /// Why the connection has to end, if it has to.
    pub fn ended(&self) -> Option<End> {
        self.end
    }

    /// The client cannot be written to any more.
    pub fn discard(&mut self) {
        *self = Self {
            pending: self.pending,
            finished: self.finished,
            kept: self.kept,
            end: self.end,
            ..Self::default()
        };
    }

    /// `n` bytes were written.
    pub fn written(&mut self, n: usize) {
        self.bytes = self.bytes.saturating_sub(n);
    }

    /// More waits for the client than it is allowed.
    pub fn is_full(&self) -> bool {
        self.bytes > LIMIT
    }

    /// Whether a reply that the client does not read holds something up: its lines or its end.
    pub fn is_overdue(&self) -> bool {
        self.is_full() || self.is_complete() || self.end.is_some()
    }

    /// Whether a commit may have given [`Self::next`] something to do.
    pub fn has_news(&self) -> bool {
        self.wanted || self.is_complete() || self.end.is_some()
    }

    /// What is to be done now, if anything.
    pub fn next(&mut self) -> Option<Next> {
        self.flush_ack();
        if let (Some(End::Failed(why)), false) = (self.end, self.kept) {
            self.push(&with_string(r#"{"error":"#, why, "}\n"));
            self.wanted = false;
        }
        let over = self.is_complete() || self.end.is_some();
        match std::mem::take(&mut self.out) {
            out if !out.is_empty() => Some(Next::Write(out)),
            _ => over.then_some(Next::Done),
        }
    }

    /// Nothing will come that is not here yet.
    fn is_complete(&self) -> bool {
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
        if self.pending == 0 {
            let held = std::mem::take(&mut self.held);
            self.release(&held);
        }
    }

    /// Lets refusals go out that were counted when they came.
    fn release(&mut self, rejects: &[u8]) {
        if self.wanted && !rejects.is_empty() {
            self.flush_ack();
            self.out.extend_from_slice(rejects);
        }
    }

    fn flush_ack(&mut self) {
        if let Some((line, receipt)) = self.ack.take() {
            self.push(&ack(line, &receipt));
        }
    }
}

/// Appends the reply to a refused line.
pub fn push_reject(out: &mut Vec<u8>, line: u64, reject: &Reject) {
    let head =
        format!(r#"{{"reject":{{"line":{line},"code":"{}","message":"#, reject.code.as_str());
    out.extend_from_slice(&with_string(&head, &reject.message, "}}\n"));
}

fn ack(line: u64, receipt: &Receipt) -> Vec<u8> {
    let mut out = format!(r#"{{"ack":{{"line":{line},"seq":{},"mac":""#, receipt.seq).into_bytes();
    out.extend_from_slice(&receipt.mac);
    out.extend_from_slice(b"\"}}\n");
    out
}

fn with_string(before: &str, string: &str, after: &str) -> Vec<u8> {
    let mut out = before.as_bytes().to_vec();
    json::push_string(&mut out, string);
    out.extend_from_slice(after.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeted() -> Outbox {
        let mut outbox = Outbox::default();
        outbox.greet("id");
        assert!(matches!(outbox.next(), Some(Next::Write(_))));
        outbox
    }

    fn receipt(seq: u64) -> Receipt {
        Receipt { seq, mac: [b'0'; 64] }
    }

    /// What is to be written, one word a line: `ack2`, or a refusal as it stands.
    fn written(outbox: &mut Outbox) -> Vec<String> {
        let Some(Next::Write(bytes)) = outbox.next() else { return Vec::new() };
        let word = |line: &str| match serde_json::from_str::<serde_json::Value>(line) {
            Ok(value) => format!("ack{}", value["ack"]["line"]),
            Err(_) => line.to_owned(),
        };
        String::from_utf8(bytes).expect("utf-8").lines().map(word).collect()
    }

    #[test]
    fn acks_that_were_not_written_yet_become_one() {
        let mut outbox = greeted();
        for line in 1..=3 {
            outbox.begin(b"");
            outbox.commit(b"", Some((line, receipt(line))));
        }
        assert_eq!(written(&mut outbox), ["ack3"]);
        assert_eq!(outbox.next(), None);
    }

    #[test]
    fn an_ack_before_a_refusal_stays_before_it() {
        let mut outbox = greeted();
        for (rejects, line) in [("", 1), ("r2\n", 3)] {
            let with = outbox.begin(rejects.as_bytes());
            outbox.commit(&with, Some((line, receipt(line))));
        }
        assert_eq!(written(&mut outbox), ["ack1", "r2", "ack3"]);
    }

    #[test]
    fn a_refusal_without_a_submission_waits_for_those_before_it_and_goes_with_the_next() {
        let mut outbox = greeted();
        let first = outbox.begin(b"");
        outbox.refuse(b"r2\n");
        let second = outbox.begin(b"r3\n");
        outbox.refuse(b"r5\n");
        assert_eq!(outbox.next(), None);
        outbox.commit(&first, Some((1, receipt(1))));
        assert_eq!(written(&mut outbox), ["ack1"]);
        outbox.commit(&second, Some((4, receipt(4))));
        assert_eq!(written(&mut outbox), ["r2", "r3", "ack4", "r5"]);
    }

    #[test]
    fn it_is_over_when_no_lines_come_and_all_is_committed() {
        let mut outbox = Outbox::default();
        let with = outbox.begin(b"");
        outbox.finish();
        assert_eq!(outbox.next(), None);
        outbox.commit(&with, None);
        assert_eq!(outbox.next(), Some(Next::Done));
    }

    #[test]
    fn a_failure_is_the_last_reply() {
        let mut outbox = greeted();
        outbox.begin(b"");
        outbox.fail("broken");
        assert_eq!(outbox.next(), Some(Next::Write(b"{\"error\":\"broken\"}\n".to_vec())));
        assert_eq!(outbox.next(), Some(Next::Done));
    }

    #[test]
    fn what_waits_for_the_client_is_counted_until_it_is_written() {
        let mut outbox = greeted();
        outbox.written(usize::MAX);
        let with = outbox.begin(&vec![b'r'; LIMIT]);
        assert!(!outbox.is_full());
        outbox.refuse(b"r");
        assert!(outbox.is_full() && outbox.is_overdue());
        outbox.commit(&with, None);
        assert!(outbox.is_full());
        assert!(matches!(outbox.next(), Some(Next::Write(out)) if out.len() == LIMIT + 1));
        outbox.written(1);
        assert!(!outbox.is_full() && !outbox.is_overdue());
    }

    #[test]
    fn a_client_without_a_greeting_or_without_a_reader_gets_nothing() {
        let mut discarded = greeted();
        discarded.discard();
        for mut outbox in [Outbox::default(), discarded] {
            let with = outbox.begin(b"r1\n");
            outbox.refuse(&vec![b'r'; 2 * LIMIT]);
            outbox.commit(&with, Some((2, receipt(2))));
            assert!(!outbox.is_full());
            assert_eq!(outbox.next(), None);
        }
    }
}
