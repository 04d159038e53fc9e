//! Lines as the ledger holds them, made from [`Events`].

use auditlogd::clock::{Clock, rfc3339};
use auditlogd::ledger::line::{push_event, push_tail};
use auditlogd::ledger::tree::leaf_hash;

use crate::events::Events;

/// As the kernel describes a sender.
pub const PEER: &str = r#"{"pid":4711,"uid":1000,"gid":1000,"unit":"billing.service","exe":"/usr/lib/billing/server"}"#;
/// The log's id.
pub const LOG_ID: &str = "0123456789abcdef0123456789abcdef";
/// Different events.
const DIFFERENT: usize = 1 << 17;

/// Lines of the ledger up to their mac, made from events batch by batch.
pub struct Lines {
    events: Events,
    /// Bytes of events in a batch.
    most: usize,
    text: Vec<u8>,
    ends: Vec<usize>,
    /// Of the next line.
    pub seq: u64,
}

impl Lines {
    /// Batches of so many bytes of events.
    pub fn new(most: usize) -> Self {
        let events = Events::new(99, DIFFERENT);
        Self { events, most, text: Vec::new(), ends: Vec::new(), seq: 0 }
    }

    /// Makes the next batch; `end` is behind the last line of all.
    pub fn next(&mut self, end: u64) {
        self.text.clear();
        self.ends.clear();
        let ts = rfc3339(Clock::System.now().wall_ns);
        let mut bytes = 0;
        while self.seq < end && bytes < self.most {
            let (event, _) = self.events.take(1, 1);
            let event = event.strip_suffix(b"\n").expect("a whole line");
            let id = format!("\"{}-{}\"", &LOG_ID[..12], self.seq);
            push_event(&mut self.text, self.seq, &ts, id.as_bytes(), PEER, event);
            self.ends.push(self.text.len());
            (self.seq, bytes) = (self.seq + 1, bytes + event.len());
        }
    }

    /// The batch's lines up to their mac.
    pub fn each(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.text[start..*end])
    }

    /// The batch as whole lines, whose macs nobody looks at.
    pub fn whole(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.text.len() * 2);
        for line in self.each() {
            out.extend_from_slice(line);
            push_tail(&mut out, &leaf_hash(line));
            out.push(b'\n');
        }
        out
    }
}
