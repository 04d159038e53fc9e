//! What the daemon's replies add up to.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// One reply line; the members that are there say what it is.
#[derive(Deserialize)]
struct Reply {
    auditlog: Option<Hello>,
    ack: Option<Ack>,
    reject: Option<Rejected>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Hello {
    log_id: String,
}

#[derive(Deserialize)]
struct Ack {
    line: u64,
    seq: u64,
    mac: String,
}

/// The daemon refused an event line.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Rejected {
    /// Its number on the connection, from 1.
    pub line: u64,
    /// The protocol's code for the reason.
    pub code: String,
    /// The reason.
    pub message: String,
}

/// What a reply was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// The answer to the hello.
    Greeting,
    /// Events are on disk; the receipt is of the last of them.
    Ack(Receipt),
    /// An event is not.
    Rejected(Rejected),
    /// The daemon takes no more.
    Error,
}

/// Proof that a line is in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Receipt {
    /// The line's sequence number.
    pub seq: u64,
    /// Its mac, hex.
    pub mac: String,
}

/// The sum of all replies of one connection.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// The log's id, once the daemon has said it.
    pub log_id: Option<String>,
    /// Events on disk.
    pub accepted: u64,
    /// Events refused.
    pub rejected: u64,
    /// The receipt of the last accepted event.
    pub receipt: Option<Receipt>,
    /// Why the daemon takes no more events, where it said so.
    pub error: Option<String>,
    /// Every line up to this one was accepted or refused.
    answered: u64,
    /// Refused lines above it: some line before them is neither yet.
    refused_ahead: BTreeSet<u64>,
}

impl Tally {
    /// Every line up to this one was accepted or refused.
    pub(super) fn answered(&self) -> u64 {
        self.answered
    }

    /// Adds a reply and says what it was.
    pub(super) fn add(&mut self, reply: &[u8]) -> Result<Added, NotAReply> {
        let reply: Reply = serde_json::from_slice(reply).map_err(|_| NotAReply)?;
        match reply {
            Reply { ack: Some(ack), .. } => Ok(Added::Ack(self.ack(ack))),
            Reply { reject: Some(rejected), .. } => {
                self.refuse(rejected.line);
                Ok(Added::Rejected(rejected))
            }
            Reply { auditlog: Some(hello), .. } => {
                self.log_id = Some(hello.log_id);
                Ok(Added::Greeting)
            }
            Reply { error: Some(error), .. } => {
                self.error = Some(error);
                Ok(Added::Error)
            }
            _ => Err(NotAReply),
        }
    }

    fn ack(&mut self, ack: Ack) -> Receipt {
        let above = self.refused_ahead.split_off(&(ack.line + 1));
        let refused = std::mem::replace(&mut self.refused_ahead, above).len() as u64;
        self.accepted += ack.line.saturating_sub(self.answered).saturating_sub(refused);
        self.answered = self.answered.max(ack.line);
        let receipt = Receipt { seq: ack.seq, mac: ack.mac };
        self.receipt = Some(receipt.clone());
        self.advance();
        receipt
    }

    fn refuse(&mut self, line: u64) {
        self.rejected += 1;
        if line > self.answered {
            self.refused_ahead.insert(line);
            self.advance();
        } else {
            self.accepted = self.accepted.saturating_sub(1);
        }
    }

    fn advance(&mut self) {
        while self.refused_ahead.remove(&(self.answered + 1)) {
            self.answered += 1;
        }
    }
}

/// A line from the daemon that is not of the protocol.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotAReply;

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(line: u64) -> String {
        format!(r#"{{"ack":{{"line":{line},"seq":{},"mac":"ab"}}}}"#, line + 100)
    }

    fn reject(line: u64) -> String {
        format!(r#"{{"reject":{{"line":{line},"code":"invalid_json","message":"not \"JSON\""}}}}"#)
    }

    fn tally(replies: &[String]) -> Tally {
        let mut tally = Tally::default();
        for reply in replies {
            tally.add(reply.as_bytes()).expect("a reply");
        }
        tally
    }

    #[test]
    fn an_ack_covers_the_lines_before_it_except_the_refused_ones() {
        let sum = tally(&[reject(2), reject(4), ack(5), ack(7)]);
        assert_eq!((sum.accepted, sum.rejected, sum.answered), (5, 2, 7));
        assert_eq!(sum.receipt, Some(Receipt { seq: 107, mac: "ab".into() }));
    }

    #[test]
    fn a_refused_line_counts_as_answered_once_all_before_it_are() {
        let sum = tally(&[reject(1), reject(2)]);
        assert_eq!((sum.accepted, sum.rejected, sum.answered), (0, 2, 2));
        let sum = tally(&[ack(1), reject(3)]);
        assert_eq!(sum.answered, 1);
        let sum = tally(&[ack(1), reject(3), ack(2)]);
        assert_eq!((sum.accepted, sum.answered), (2, 3));
        let sum = tally(&[ack(3), reject(2)]);
        assert_eq!((sum.accepted, sum.rejected, sum.answered), (2, 1, 3));
    }

    #[test]
    fn the_hello_names_the_log_and_anything_else_is_no_reply() {
        let sum = tally(&[r#"{"auditlog":{"protocol":1,"log_id":"0f"}}"#.into()]);
        assert_eq!(sum.log_id.as_deref(), Some("0f"));
        for line in ["", "HTTP/1.1 400", "{}", "[1]", r#"{"ack":{"line":-1}}"#] {
            assert_eq!(Tally::default().add(line.as_bytes()), Err(NotAReply), "{line}");
        }
    }
}
