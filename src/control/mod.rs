//! The control socket: how `auditlog` asks the running daemon. One JSON request, one JSON reply.

use serde::{Deserialize, Serialize};

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// How it is.
    Status,
    /// Drop the index and build it again from the ledger.
    Reindex,
}

/// The reply to [`Request::Status`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The daemon's version.
    pub version: String,
    /// Its process id.
    pub pid: i32,
    /// When it was ready, RFC 3339.
    pub started: String,
    /// The log's id, 32 hex digits.
    pub log_id: String,
    /// The socket applications write to.
    pub socket: String,
    /// The epoch that is open.
    pub epoch: u64,
    /// What keeps the index from following the ledger, if something does.
    pub index_error: Option<String>,
    /// The counters.
    pub metrics: crate::metrics::Snapshot,
}
