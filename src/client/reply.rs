//! What the daemon says, as docs/socket-protocol.md has it.

use serde::Deserialize;

/// One reply line; the members that are there say what it is.
#[derive(Deserialize)]
struct Line {
    auditlog: Option<Hello>,
    ack: Option<Ack>,
    reject: Option<Reject>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Hello {
    log_id: String,
}

/// Everything up to a line of the connection is on disk, but what was refused.
#[derive(Debug, Deserialize)]
pub(super) struct Ack {
    /// The line, from 1.
    pub line: u64,
    /// Its receipt.
    #[serde(flatten)]
    pub receipt: Receipt,
}

/// Proof that a line is in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Receipt {
    /// The line's sequence number.
    pub seq: u64,
    /// Its mac, hex.
    pub mac: String,
}

/// The daemon refused a line.
#[derive(Debug, Deserialize)]
pub(super) struct Reject {
    /// Its number on the connection, from 1.
    pub line: u64,
    /// The protocol's code for the reason.
    pub code: String,
    /// The reason.
    pub message: String,
}

/// A reply.
#[derive(Debug)]
pub(super) enum Reply {
    /// The answer to the greeting: the log's id, hex.
    Greeting(String),
    Ack(Ack),
    Reject(Reject),
    /// The daemon takes no more events: why.
    Error(String),
}

/// Reads a line; `None` if it is not of the protocol.
pub(super) fn parse(line: &[u8]) -> Option<Reply> {
    match serde_json::from_slice(line).ok()? {
        Line { ack: Some(ack), .. } => Some(Reply::Ack(ack)),
        Line { reject: Some(reject), .. } => Some(Reply::Reject(reject)),
        Line { auditlog: Some(hello), .. } => Some(Reply::Greeting(hello.log_id)),
        Line { error: Some(error), .. } => Some(Reply::Error(error)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_told_apart_and_anything_else_is_none() {
        let ack = br#"{"ack":{"line":3,"seq":9,"mac":"ab"}}"#;
        let Some(Reply::Ack(Ack { line: 3, receipt })) = parse(ack) else { panic!("no ack") };
        assert_eq!(receipt, Receipt { seq: 9, mac: "ab".into() });
        let hello = br#"{"auditlog":{"protocol":1,"log_id":"0f"}}"#;
        assert!(matches!(parse(hello), Some(Reply::Greeting(id)) if id == "0f"));
        assert!(matches!(parse(br#"{"error":"full"}"#), Some(Reply::Error(why)) if why == "full"));
        for line in ["", "HTTP/1.1 400", "{}", "[1]", r#"{"ack":{"line":-1}}"#, "null"] {
            assert!(parse(line.as_bytes()).is_none(), "{line}");
        }
    }
}
