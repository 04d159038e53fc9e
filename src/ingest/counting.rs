//! Counting the lines that are taken off a connection. What becomes of them is counted where it is durable: of each user
//! by the writer, and here of the connection, from what the writer answers.

use std::sync::Arc;

use crate::engine::{Item, OnCommit};
use crate::metrics::{Account, Metrics, OpenConnection};

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

    /// So many event lines were taken off it, before anything is done with them; so many were left to a summary.
    pub fn taken(&self, lines: u64, summarised: u64) {
        self.user.lines.add(lines);
        self.connection.lines.add(lines);
        self.connection.summarised.add(summarised);
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
