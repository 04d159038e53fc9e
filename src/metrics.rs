//! Counters that the rooms raise and `auditlog status` shows. They start at zero with the process.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// The live counters; every room holds the same one behind an `Arc`.
        #[derive(Debug, Default)]
        pub struct Metrics { $($(#[$doc])* pub $name: Counter,)+ }

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
    /// The ledger's leaves below this number are in the index.
    index_head,
    /// How often the index was emptied to be built anew.
    index_rebuilds,
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
