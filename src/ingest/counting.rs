//! Counting the lines that are taken off a connection. What becomes of them is counted where it is durable: of each user
//! by the writer, and here of the connection, from what the writer answers.

use std::sync::Arc;

use super::batch::Left;
use crate::clock::{Clock, rfc3339};
use crate::engine::{Item, OnCommit, SHORTEST};
use crate::metrics::{Account, Metrics, OpenConnection};
use crate::record::Record;

/// The counters that a connection's lines are counted in.
pub struct Counting {
    user: Arc<Account>,
    connection: Arc<OpenConnection>,
}

impl Counting {
    /// Of a connection of this user.
    pub fn of(metrics: &Metrics, uid: u32, connection: &Arc<OpenConnection>) -> Self {
        Self { user: metrics.accounts.of(uid), connection: connection.clone() }
    }

    /// So many event lines were taken off it, before any of them is durable; `left` are those that no submission has.
    pub fn taken(&self, lines: u64, left: Left) {
        let lines = lines - left.spooled;
        self.user.lines.add(lines);
        self.connection.lines.add(lines);
        self.connection.summarised.add(left.summarised);
        self.connection.missing.add(left.missing);
    }

    /// Counts these lines once they are durable.
    pub fn then(&self, items: &[Item], then: OnCommit) -> OnCommit {
        let stored = items.iter().filter(|item| item.accepted).count() as u64;
        let refused = items.len() as u64 - stored;
        let connection = self.connection.clone();
        Box::new(move |result| {
            if result.is_ok() {
                connection.stored.add(stored);
                connection.refused.add(refused);
            }
            then(result);
        })
    }
}

/// So many bytes of a user end with their connection, now: the record of it.
pub fn lost(uid: u32, bytes: u64) -> Option<Record> {
    let now = rfc3339(Clock::System.now().wall_ns);
    (bytes > 0).then(|| Record::Gap {
        reason: "replies_not_read",
        uid: Some(uid),
        events: bytes.div_ceil(SHORTEST),
        bytes,
        exact: false,
        since: now.clone(),
        until: now,
    })
}
