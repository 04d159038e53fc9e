//! A segment's first line.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock::parse_rfc3339;
use crate::ledger::FORMAT;
use crate::ledger::keys::LogId;
use crate::ledger::seal::Hex;
use crate::ledger::tree::{Hash, Tree};

/// The longest header: 64 subtree roots and a host name.
pub const MAX_HEADER: u64 = 8192;

/// A segment's first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The format's version.
    pub auditlog: u32,
    /// The log, 32 hex digits.
    pub log_id: String,
    /// The host's name when the segment was opened.
    pub host: String,
    /// Segments count from 0.
    pub segment: u64,
    /// The first leaf that it holds.
    pub first_seq: u64,
    /// The roots of the maximal perfect subtrees of leaves [0, first_seq), largest first.
    pub frontier: Vec<Hex>,
    /// When it was opened, RFC 3339.
    pub opened: String,
}

impl Header {
    /// The header of a segment that begins after the leaves of `tree`.
    pub fn new(log_id: &LogId, host: &str, segment: u64, tree: &Tree, opened: String) -> Self {
        Self {
            auditlog: FORMAT,
            log_id: HEXLOWER.encode(log_id),
            host: host.to_owned(),
            segment,
            first_seq: tree.size(),
            frontier: tree.frontier().iter().map(|hash| Hex(*hash)).collect(),
            opened,
        }
    }

    /// Reads a first line, given without LF; only the exact form that [`Header::to_line`] writes.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let header: Self = serde_json::from_slice(line).ok()?;
        let again = header.to_line();
        let right = header.auditlog == FORMAT
            && header.tree().is_some()
            && parse_rfc3339(&header.opened).is_some();
        (right && again.strip_suffix(b"\n") == Some(line)).then_some(header)
    }

    /// The tree before the segment's first leaf; `None` if frontier and `first_seq` do not fit.
    pub fn tree(&self) -> Option<Tree> {
        Tree::from_frontier(self.first_seq, self.frontier.iter().map(|hash| hash.0).collect())
    }

    /// SHA-256 of the line without LF: what the segment's seals say of it.
    pub fn hash(&self) -> Hash {
        let line = self.to_line();
        Sha256::digest(line.strip_suffix(b"\n").unwrap_or(&line)).into()
    }

    /// The line with its LF.
    pub fn to_line(&self) -> Vec<u8> {
        // A struct of strings and integers cannot fail to serialize.
        let text = serde_json::to_string(self).unwrap_or_default();
        let mut line = crate::json::one_line(&text).into_owned().into_bytes();
        line.push(b'\n');
        line
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn header(first: u8) -> Header {
        let mut tree = Tree::default();
        (0..first).for_each(|n| tree.push([n; 32]));
        let opened = "2026-11-21T01:23:45.123456789Z".to_owned();
        Header::new(&[5; 16], "host", u64::from(first), &tree, opened)
    }

    #[test]
    fn a_header_reads_back_and_no_other_form_of_it_does() {
        let line = header(5).to_line();
        let text = String::from_utf8(line).expect("utf-8");
        let text = text.trim_end();
        assert_eq!(Header::parse(text.as_bytes()), Some(header(5)));
        for bad in [
            text.replace(r#""segment":5"#, r#""segment": 5"#),
            text.replace(r#""first_seq":5"#, r#""first_seq":7"#),
            text.replace(r#""host""#, r#""extra":1,"host""#),
            "{}".to_owned(),
        ] {
            assert_eq!(Header::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
