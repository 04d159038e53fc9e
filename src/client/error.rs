//! What a caller is told.

use super::SpoolError;

/// Where an event is that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// On its way: with the daemon, or in memory until it is back.
    OnItsWay,
    /// In the spool, durably.
    Spooled,
}

/// Why an event was not taken. The caller has it still; another call may do better.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The event is empty or more than one line.
    #[error("an event is one JSON object on one line; this is {0}")]
    NotOneLine(&'static str),
    /// The event is longer than any daemon takes.
    #[error(
        "the event is {len} bytes long, and the most that can be sent is {longest}; shorten it"
    )]
    TooLong {
        /// Bytes of the event.
        len: usize,
        /// Bytes that it may have.
        longest: usize,
    },
    /// There is no spool, and as many events as may are waiting in memory.
    #[error("{waiting} events wait for the daemon and no more fit into memory: {why}")]
    Full {
        /// Events that wait.
        waiting: u64,
        /// Why they do.
        why: String,
    },
    /// The event would have to go to the spool, and cannot.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The system gives no random bytes.
    #[error("no id can be made for the event: {0}")]
    Random(#[source] std::io::Error),
}

/// Events that the daemon has not acknowledged.
#[derive(Debug, thiserror::Error)]
#[error(
    "the daemon has not acknowledged {in_memory} events in memory and {spooled} in the spool: {why}"
)]
pub struct Unacknowledged {
    /// Events that only this process has.
    pub in_memory: u64,
    /// Events in the spool.
    pub spooled: u64,
    /// What is known of the reason.
    pub why: String,
}
