//! What earlier runs stored last, read back from the log when the daemon starts.

use std::io;

use serde::Deserialize;

use super::user::Entry;
use super::{Repeats, boot_ns};
use crate::clock::Now;
use crate::ledger::Paths;
use crate::ledger::backwards;
use crate::ledger::line::{self, Body, Line};
use crate::ledger::seal::{self, Reason};
use crate::record;

/// Bytes of the log that are read at most: a start must not take long.
const MOST: u64 = 64 << 20;

/// Remembers the events that are in the log `log_id` in `paths`. To be called before anything else is remembered.
pub fn recall(repeats: &mut Repeats, paths: &Paths, log_id: &str, now: Now) -> io::Result<()> {
    if repeats.limits.window == 0 {
        return Ok(());
    }
    let log_id_start = format!("\"{}-", &log_id[..12]);
    let mut past = Past {
        now_ns: boot_ns(now),
        age: Age { at_ns: boot_ns(now), later_ns: None },
        lowest: u64::MAX,
        default_id: log_id_start,
        peer: (String::new(), None),
        repeats,
    };
    let mut take = |text: &[u8]| past.take(text);
    backwards::read(&paths.log_dir, &paths.active(), log_id, MOST, &mut take)
}

/// A walk from the log's end to its beginning.
struct Past<'r> {
    repeats: &'r mut Repeats,
    now_ns: i64,
    age: Age,
    /// The number of the last line that was taken: a copy of a segment holds lines that were taken already.
    lowest: u64,
    /// What the ids begin with that the daemon gives.
    default_id: String,
    /// The peer of the last line, and its user: lines of one connection follow each other.
    peer: (String, Option<u32>),
}

/// When lines were written, on CLOCK_BOOTTIME. Only the time between two lines of one run counts: while no daemon
/// ran nothing grew older, for nobody could send it again, and the clock may have been set meanwhile.
struct Age {
    /// Of the last line.
    at_ns: i64,
    /// What the wall clock said at that line; none if the one before it is of another run.
    later_ns: Option<i64>,
}

#[derive(Deserialize)]
struct Peer {
    uid: u32,
}

#[derive(Deserialize)]
struct Own {
    event_type: String,
    #[serde(default)]
    data: Data,
}

#[derive(Default, Deserialize)]
struct Data {
    step_ns: Option<i64>,
}

impl Past<'_> {
    /// Takes the line before the last one. False if the window is full.
    fn take(&mut self, text: &[u8]) -> bool {
        let Some(line) = line::peek(text) else { return true };
        if line.seq >= self.lowest {
            return true;
        }
        self.lowest = line.seq;
        let at_ns = self.age.of(&line);
        if self.repeats.ages.is_over(at_ns, self.now_ns) {
            return false;
        }
        let Body::Event { peer, event } = line.body else { return true };
        if line.id.starts_with(&self.default_id) || event.starts_with(record::PREFIX) {
            return true;
        }
        let Some(uid) = self.uid(peer) else { return true };
        let key = self.repeats.key(line.id.as_bytes(), event.as_bytes());
        self.repeats.enter_earlier(uid, Entry::new(key, line.seq, line.mac), line.seq, at_ns)
    }

    fn uid(&mut self, peer: &str) -> Option<u32> {
        if self.peer.0 != peer {
            self.peer = (peer.into(), serde_json::from_str(peer).ok().map(|Peer { uid }| uid));
        }
        self.peer.1
    }
}

impl Age {
    /// When this line was written, the one before the last.
    fn of(&mut self, line: &Line<'_>) -> i64 {
        let between_ns = self.later_ns.map_or(0, |later_ns| later_ns.saturating_sub(line.ts_ns));
        self.at_ns = self.at_ns.saturating_sub(between_ns.max(0));
        self.later_ns = match line.body {
            Body::Seal(text) if begins_a_run(text) => None,
            Body::Seal(_) => Some(line.ts_ns),
            // The line before it was written by the clock as it was then.
            Body::Event { event, .. } => Some(line.ts_ns.saturating_sub(step_ns(event))),
        };
        self.at_ns
    }
}

fn begins_a_run(text: &str) -> bool {
    seal::parse(text).is_ok_and(|seal| matches!(seal.reason, Reason::Start | Reason::Recovered))
}

/// By how much the wall clock stepped right before this line.
fn step_ns(event: &str) -> i64 {
    if !event.starts_with(record::PREFIX) {
        return 0;
    }
    let own = serde_json::from_str::<Own>(event).ok();
    let step = own.filter(|own| own.event_type == "auditlogd.clock_step");
    step.and_then(|own| own.data.step_ns).unwrap_or(0)
}
