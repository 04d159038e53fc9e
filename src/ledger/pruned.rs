//! What `pruned` records say of leaves that are gone, as whoever has to get over a hole reads it. Whether it is true is
//! for [`super::verify`] to say, or for the tree that it leads to.

use std::io;
use std::ops::Range;
use std::path::Path;

use data_encoding::HEXLOWER;
use memchr::memmem::Finder;
use serde::Deserialize;

use super::line::{self, Body};
use super::reader::Reader;
use super::tree::{CompactRange, Hash};
use super::{hex, line::Line};
use crate::record::Pruned;

/// What the text of such a record starts with, as no client's event can.
const PREFIX: &str = r#"{"event_type":"auditlogd.pruned","#;

/// Bytes of lines that are searched at a time.
const READ_BYTES: usize = 1 << 20;

impl Pruned {
    /// The record of leaves that end with the tree that has this root.
    pub fn new(leaves: &CompactRange, root: &Hash, policy: String, keep_seconds: u64) -> Self {
        Self {
            first_seq: leaves.begin(),
            through_seq: leaves.end().saturating_sub(1),
            root: HEXLOWER.encode(root),
            subtrees: leaves.roots().map(|hash| HEXLOWER.encode(&hash)).collect(),
            policy,
            keep_seconds,
        }
    }

    /// Reads it from an event's text; `None` for any other event.
    pub fn parse(event: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Event {
            data: Pruned,
        }
        let own = event.starts_with(PREFIX);
        let event: Event = own.then(|| serde_json::from_str(event).ok()).flatten()?;
        Some(event.data)
    }

    /// Whether it lets all of these leaves go.
    pub fn covers(&self, leaves: &Range<u64>) -> bool {
        self.first_seq <= leaves.start && self.through_seq.saturating_add(1) >= leaves.end
    }

    /// Its subtrees; `None` if they are not those that its leaves have.
    pub fn range(&self) -> Option<CompactRange> {
        range(self.first_seq, self.through_seq, &self.subtrees)
    }
}

/// The subtrees over leaves [first, through + 1); `None` if these are not one hash for each.
pub(super) fn range(first: u64, through: u64, subtrees: &[String]) -> Option<CompactRange> {
    let roots: Option<Vec<_>> = subtrees.iter().map(|text| hex::decode(text)).collect();
    CompactRange::from_roots(first..through.checked_add(1)?, &roots?)
}

/// Shows the text of each `pruned` record in the log from leaf `from` on, until one is `enough`; whether one was.
pub(super) fn search(
    log_dir: &Path,
    log_id: &str,
    from: u64,
    mut enough: impl FnMut(&str) -> bool,
) -> io::Result<bool> {
    let finder = Finder::new(PREFIX);
    let mut reader = Reader::new(log_dir, log_id);
    let mut next = from;
    loop {
        let lines = reader.read(next, u64::MAX, READ_BYTES)?;
        if lines.next == next {
            return Ok(false);
        }
        let mut texts = lines.bytes.split(|b| *b == b'\n');
        let found =
            texts.any(|text| match finder.find(text).and_then(|_| line::parse(text).ok()) {
                Some(Line { body: Body::Event { event, .. }, .. }) => {
                    event.starts_with(PREFIX) && enough(event)
                }
                _ => false,
            });
        if found {
            return Ok(true);
        }
        next = lines.next;
    }
}
