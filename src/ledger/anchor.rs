//! Anchors: what somebody keeps off the host, by which a log that was cut or replaced is found out. A
//! checkpoint vouches for all leaves below its size; a receipt of `auditlog emit` for its own line.
//!
//! They are found inside other text too, as a system journal prints it: indented, after a time stamp,
//! with CR before LF.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::checkpoint::{Checkpoint, CheckpointError, ORIGIN_PART, parse_hash, parse_number};
use super::hex;
use super::keys::LogId;
use super::note::{Note, NoteError, SIGNATURE_PREFIX};
use super::seal::Hex;
use super::tree::Hash;
use crate::clock::{parse_rfc3339, rfc3339};

/// The most bytes of text that are searched for anchors.
pub const MAX_TEXT: usize = 64 << 20;

/// Damaged anchors that are named one by one.
const MOST_DAMAGED: usize = 100;

/// Something kept off the host. Nothing of it has been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// A signed checkpoint.
    Checkpoint {
        /// As it was signed.
        note: Note,
        /// What its text says.
        checkpoint: Checkpoint,
    },
    /// A client's receipt.
    Receipt(Receipt),
}

/// What the daemon answered to a client that asked for acknowledgements: this line is in the log, on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The log.
    pub log_id: LogId,
    /// The leaf.
    pub seq: u64,
    /// The leaf's mac.
    pub mac: Hash,
    /// When the client got it, nanoseconds since 1970 by the client's clock.
    pub received_ns: i64,
}

/// The anchors of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchors {
    /// In their order; at least one.
    pub list: Vec<Anchor>,
    /// What was left out: a write that failed may have cut a checkpoint, and that costs none of the others.
    pub damaged: Vec<AnchorError>,
}

/// Why a text, or a part of it, is of no use as anchors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnchorError {
    /// Over [`MAX_TEXT`].
    #[error("it has more than 64 MiB; give the part with the checkpoints only")]
    TooLong,
    /// Nothing in it is an anchor.
    #[error(
        "it holds neither a checkpoint (three lines: HOST/auditlog/LOG_ID, size, root; a blank line; signature lines) nor a receipt (a line {{\"auditlog_receipt\":1,…}}); give a copy of the state directory's file 'checkpoint', or a file that 'auditlog emit --receipts' wrote"
    )]
    Nothing,
    /// A checkpoint whose signatures cannot be read.
    #[error("line {line}: this checkpoint is damaged: {source}")]
    Note {
        /// Of its origin, from 1.
        line: usize,
        /// What is wrong.
        source: NoteError,
    },
    /// A checkpoint whose text cannot be read.
    #[error("line {line}: this checkpoint is damaged: {source}")]
    Checkpoint {
        /// Of its origin, from 1.
        line: usize,
        /// What is wrong.
        source: CheckpointError,
    },
    /// A line that calls itself a receipt.
    #[error("line {line}: this receipt is damaged: {message}")]
    Receipt {
        /// From 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
}

/// All anchors in a text. An unfinished receipt at the very end is what a crash leaves of one that was
/// never confirmed, and is skipped in silence. A text with damaged ones alone is an error.
pub fn read(text: &str) -> Result<Anchors, AnchorError> {
    if text.len() > MAX_TEXT {
        return Err(AnchorError::TooLong);
    }
    let (mut list, mut damaged) = (Vec::new(), Vec::new());
    let mut lines = Lines { rest: text, number: 0 };
    while let Some(line) = lines.next() {
        if line.starts_with('{') && line.contains(RECEIPT) {
            let unfinished = lines.rest.is_empty() && !text.ends_with('\n');
            match Receipt::parse(line) {
                Ok(receipt) => list.push(Anchor::Receipt(receipt)),
                Err(_) if unfinished => {}
                Err(message) => damaged.push(AnchorError::Receipt { line: lines.number, message }),
            }
        } else if let Some(body) = lines.clone().body(line) {
            let line = lines.number;
            lines.next();
            lines.next();
            match checkpoint(&format!("{body}{}", lines.signatures()), line) {
                Ok(anchor) => list.push(anchor),
                Err(error) => damaged.push(error),
            }
        }
        damaged.truncate(MOST_DAMAGED);
    }
    if list.is_empty() {
        return Err(damaged.into_iter().next().unwrap_or(AnchorError::Nothing));
    }
    Ok(Anchors { list, damaged })
}

fn checkpoint(note: &str, line: usize) -> Result<Anchor, AnchorError> {
    let note = Note::parse(note).map_err(|source| AnchorError::Note { line, source })?;
    let checkpoint = Checkpoint::parse(note.text())
        .map_err(|source| AnchorError::Checkpoint { line, source })?;
    Ok(Anchor::Checkpoint { note, checkpoint })
}

/// Lines without the blanks around them.
#[derive(Clone)]
struct Lines<'a> {
    rest: &'a str,
    number: usize,
}

impl<'a> Lines<'a> {
    /// The three lines of a checkpoint, if `first` and the two that come are one.
    fn body(mut self, first: &str) -> Option<String> {
        let origin = first.rsplit(char::is_whitespace).next()?;
        if !origin.contains(ORIGIN_PART) {
            return None;
        }
        let size = self.next().filter(|size| parse_number(size).is_some())?;
        let root = self.next().filter(|root| parse_hash(root).is_some())?;
        Some(format!("{origin}\n{size}\n{root}\n"))
    }

    /// The blank line and the signature lines that come next, as in a note.
    fn signatures(&mut self) -> String {
        let mut found = String::new();
        let mut ahead = self.clone();
        if ahead.next() == Some("") {
            found.push('\n');
            *self = ahead.clone();
            while let Some(line) = ahead.next().filter(|line| line.starts_with(SIGNATURE_PREFIX)) {
                found.push_str(line);
                found.push('\n');
                *self = ahead.clone();
            }
        }
        found
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        self.number += 1;
        Some(line.trim())
    }
}

/// What makes a line of JSON a receipt.
const RECEIPT: &str = "\"auditlog_receipt\"";

/// A receipt as it is written: `{"auditlog_receipt":1,"log_id":"…","seq":N,"mac":"…","received":"…"}`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    auditlog_receipt: u32,
    log_id: String,
    seq: u64,
    mac: Hex,
    received: String,
}

impl Receipt {
    /// Reads a receipt's line; the error says what is wrong with it.
    pub fn parse(line: &str) -> Result<Self, String> {
        let written: Written = serde_json::from_str(line).map_err(|e| e.to_string())?;
        if written.auditlog_receipt != 1 {
            return Err(format!("its version {} is not known", written.auditlog_receipt));
        }
        Ok(Self {
            log_id: hex::decode(&written.log_id).ok_or("its log_id is not 32 hex digits")?,
            seq: written.seq,
            mac: written.mac.0,
            received_ns: parse_rfc3339(&written.received).ok_or("its time cannot be read")?,
        })
    }

    /// The line with its LF.
    pub fn to_line(&self) -> String {
        let written = Written {
            auditlog_receipt: 1,
            log_id: HEXLOWER.encode(&self.log_id),
            seq: self.seq,
            mac: Hex(self.mac),
            received: rfc3339(self.received_ns),
        };
        // A struct of strings and integers cannot fail to serialize.
        serde_json::to_string(&written).unwrap_or_default() + "\n"
    }
}

#[cfg(test)]
mod tests;
