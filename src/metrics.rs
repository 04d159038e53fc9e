//! What `auditlog status` shows: counters that the rooms raise, which start at zero with the process, and
//! how the anchors and maintenance are.

mod accounts;
mod maintenance;
mod open;
mod problems;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub use accounts::{Account, AccountSnapshot, Accounts, SHARED, told_apart};
pub use maintenance::{Failing, Forecast, History, MaintenanceStatus};
pub use open::{Listed, OpenConnection, OpenConnections, OpenSnapshot};
pub use problems::{Problem, Problems, Severity, worst_first};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// The live counters; every room holds the same one behind an `Arc`.
        #[derive(Debug, Default)]
        pub struct Metrics {
            $($(#[$doc])* pub $name: Counter,)+
            /// What became of each user's lines.
            pub accounts: Accounts,
            /// The connections that are open now.
            pub open: OpenConnections,
            /// What is wrong.
            pub problems: Problems,
        }

        /// The counters at one moment.
        #[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub struct Snapshot { $($(#[$doc])* pub $name: u64,)+ }

        impl Metrics {
            /// Reads all counters, each by itself.
            pub fn snapshot(&self) -> Snapshot { Snapshot { $($name: self.$name.get(),)+ } }
        }
    };
}

counters! {
    /// Connections open now.
    connections,
    /// Connections accepted since the start.
    connections_accepted,
    /// Event lines that passed every check and are in the ledger.
    events_stored,
    /// Events that were in the ledger already and were acknowledged again.
    events_repeated,
    /// Events whose `event_id` the same user had given to another text a little before. They are stored.
    event_ids_reused,
    /// Lines that were refused, whether each got its own record or was counted in a summary.
    lines_rejected,
    /// Known members that had a wrong type and stayed NULL in the index.
    members_mistyped,
    /// Commits (one fdatasync each).
    commits,
    /// Bytes appended to segments.
    bytes_appended,
    /// Bytes read from clients and not yet committed.
    bytes_waiting,
    /// Leaves on disk: the sequence number that the next line gets.
    ledger_head,
    /// The open epoch.
    epoch,
    /// The number of the segment that is written; those with a smaller one are closed.
    segment,
    /// The ledger's leaves below this number are in the index.
    index_head,
    /// How often the index was emptied to be built anew.
    index_rebuilds,
    /// Bytes of the index's write-ahead log that a reader keeps from being put into the database; 0 if none does.
    wal_held_bytes,
    /// Checkpoints that anchors took.
    anchor_deliveries,
    /// Tries at which an anchor took none.
    anchor_failures,
}

/// How one anchor is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AnchorStatus {
    /// Its name: `file /mnt/anchors.txt`.
    pub anchor: String,
    /// The size of the last checkpoint that it took, before a restart or after.
    pub size: Option<u64>,
    /// When that was, RFC 3339.
    pub delivered: Option<String>,
    /// Why the last try failed; null if it did not.
    pub error: Option<String>,
    /// When tries began to fail, RFC 3339.
    pub failing_since: Option<String>,
}

/// How one archive is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ArchiveStatus {
    /// Its name: `directory /mnt/archive`.
    pub archive: String,
    /// Whether segments that it has not taken are kept.
    pub required: bool,
    /// Closed segments that it has not taken.
    pub waiting: u64,
    /// When it took the last one, RFC 3339.
    pub taken: Option<String>,
    /// Why the last run could not hand over everything; null if it could.
    pub error: Option<String>,
    /// Since when that is so, RFC 3339.
    pub failing_since: Option<String>,
}

/// One counter or gauge.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Raises the counter by `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// Lowers the gauge by `n`.
    pub fn sub(&self, n: u64) {
        self.0.fetch_sub(n, Relaxed);
    }

    /// Sets the gauge.
    pub fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    /// The value now.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
