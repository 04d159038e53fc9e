//! From the Unix socket to the writer's queue: the protocol of socket-protocol, version 1.
//!
//! - `socket` binds the socket's file, `listener` accepts while `descriptors` has room, `peer` asks the kernel who it is;
//! - `connection` reads: `framing` makes lines of the bytes, `check` events of the lines, `batch`
//!   one submission of what one read brought; a `tape` leaves the bytes in the kernel until they are durable;
//! - `outbox` holds what a client is told after the commit, `replies` shares it with the writer, `answers`
//!   writes it;
//! - `rejects` bounds the records of refused lines;
//! - `quota` says how much of a user's is read and how many connections it has, `turned_away` closes one too many;
//! - `overflow` says what becomes of events that the disk has no room for.
//!
//! Nothing is dropped on the way: while the writer's queue is full a connection is not read, and the
//! kernel's socket buffer makes the client wait.

mod answers;
mod batch;
pub mod check;
mod connection;
mod counting;
mod descriptors;
pub mod framing;
mod listener;
mod outbox;
mod overflow;
mod peer;
mod quota;
mod rejects;
mod replies;
mod socket;
mod tape;
mod turned_away;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

pub use connection::READ;
pub use listener::serve;
pub use peer::Peer;
pub use socket::{MAX_PATH, Socket, SocketError};

use crate::config;
use crate::engine::{Room, Submitter};
use crate::event::FieldMap;
use crate::kept::store::Store;
use crate::metrics::Metrics;

/// What ingest needs from the rest of the daemon.
pub struct Context {
    /// The way to the writer.
    pub submitter: Submitter,
    /// Whether there is room for events.
    pub room: Arc<Room>,
    /// The file in which events wait that the log has no room for, if they are to.
    pub spool: PathBuf,
    /// Where connections and refused lines are counted.
    pub metrics: Arc<Metrics>,
    /// The log's id, 32 hex digits: what a greeting is answered with.
    pub log_id: String,
    /// Where connections are kept beyond this process, if they are.
    pub store: Option<Store>,
    /// The limits in force; a new value holds from the next read of each connection on.
    pub limits: watch::Receiver<Arc<Limits>>,
}

/// How serving clients ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stop {
    /// Not yet.
    #[default]
    No,
    /// All that clients have written is taken in; then they find their connections closed.
    Drain,
    /// The service manager keeps the connections for the next run; those that it does not keep are drained.
    HandOver,
}

/// What of the configuration ingest follows, and can change while it runs.
#[derive(Debug)]
pub struct Limits {
    /// The longest event line, bytes without LF; more than 61,440 counts as that.
    pub max_event_bytes: usize,
    /// Where the known members are and which are required.
    pub fields: Arc<FieldMap>,
    /// `auditlogd.rejected` records a second and uid, sustained.
    pub reject_rate: u32,
    /// `auditlogd.rejected` records a uid may cause at once.
    pub reject_burst: u32,
    /// Connections that are served at once; more wait.
    pub max_connections: usize,
    /// What each user may send.
    pub quota: config::Quota,
    /// What becomes of events that there is no room for.
    pub space: config::Space,
}

impl Limits {
    fn max_line(&self) -> usize {
        self.max_event_bytes.min(check::MAX_STORED)
    }
}

/// What all connections share.
struct Shared {
    context: Context,
    rejects: Arc<rejects::Rejects>,
    quotas: quota::Quotas,
    overflow: overflow::Overflow,
}

impl Shared {
    fn limits(&self) -> Arc<Limits> {
        self.context.limits.borrow().clone()
    }
}
