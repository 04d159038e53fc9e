//! The connections that are open now, and what became of the lines of each. Their number is bounded by
//! `max_connections`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use serde::{Deserialize, Serialize};

use super::Counter;

/// Connections that are shown one by one: with peers of 1,700 bytes they fit into an answer of 1 MiB.
const SHOWN: usize = 300;

/// A connection, since this run of the daemon takes its lines.
#[derive(Debug)]
pub struct OpenConnection {
    peer: Arc<str>,
    /// Event lines that were taken off it.
    pub lines: Counter,
    /// Its events that are in the ledger, repeated ones too.
    pub stored: Counter,
    /// Its lines that were refused with a record of their own.
    pub refused: Counter,
    /// Its lines that were refused and are left to a summary.
    pub summarised: Counter,
    /// Its lines that there was no room for, and that are left to a gap record.
    pub missing: Counter,
}

/// A connection at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenSnapshot {
    /// The peer object of its lines.
    pub peer: serde_json::Value,
    /// As in [`OpenConnection`].
    pub lines: u64,
    /// As in [`OpenConnection`].
    pub stored: u64,
    /// As in [`OpenConnection`].
    pub refused: u64,
    /// As in [`OpenConnection`].
    pub summarised: u64,
    /// As in [`OpenConnection`].
    pub missing: u64,
    /// Lines of which it is not known yet what became of them.
    pub waiting: u64,
}

/// All of them.
#[derive(Debug, Default)]
pub struct OpenConnections(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    next: u64,
    connections: BTreeMap<u64, Arc<OpenConnection>>,
}

/// Takes a connection off the list when it is dropped.
#[derive(Debug)]
pub struct Listed<'a> {
    list: &'a OpenConnections,
    number: u64,
    /// The connection.
    pub connection: Arc<OpenConnection>,
}

impl OpenConnections {
    /// One begins, of this peer (JSON text).
    pub fn begin(&self, peer: Arc<str>) -> Listed<'_> {
        let connection = Arc::new(OpenConnection {
            peer,
            lines: Counter::default(),
            stored: Counter::default(),
            refused: Counter::default(),
            summarised: Counter::default(),
            missing: Counter::default(),
        });
        let mut open = self.lock();
        let number = open.next;
        open.next += 1;
        open.connections.insert(number, connection.clone());
        Listed { list: self, number, connection }
    }

    /// The oldest ones, and how many more there are.
    pub fn snapshot(&self) -> (Vec<OpenSnapshot>, u64) {
        let open: Vec<_> = self.lock().connections.values().cloned().collect();
        let more = open.len().saturating_sub(SHOWN) as u64;
        (open.iter().take(SHOWN).map(|connection| connection.snapshot()).collect(), more)
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl OpenConnection {
    fn snapshot(&self) -> OpenSnapshot {
        let [stored, refused, summarised, missing] =
            [&self.stored, &self.refused, &self.summarised, &self.missing].map(Counter::get);
        // Last, so that it is never less than their sum.
        let lines = self.lines.get();
        let peer = serde_json::from_str(&self.peer).unwrap_or_default();
        let waiting = lines.saturating_sub(stored + refused + summarised + missing);
        OpenSnapshot { peer, lines, stored, refused, summarised, missing, waiting }
    }
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.list.lock().connections.remove(&self.number);
    }
}
