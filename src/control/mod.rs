//! The control socket: how `auditlog` asks the running daemon. One JSON request on a line, one JSON reply.

mod client;
mod server;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use client::{ControlError, request};
pub use server::{Answer, serve};

/// What can be asked. All but the first change something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// How it is.
    Status,
    /// Drop the index and build it again from the ledger.
    Reindex,
    /// Close the active segment and open a new one.
    Rotate,
}

impl Request {
    /// How long the daemon may take over its answer.
    fn limit(&self) -> Duration {
        match self {
            Request::Status | Request::Reindex => Duration::from_secs(5),
            // The writer comes to it after what is queued, and then syncs several files.
            Request::Rotate => Duration::from_secs(60),
        }
    }
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// The daemon does what was asked.
    Accepted,
    /// To [`Request::Rotate`]: it is done.
    Rotated {
        /// What the closed segment is called now.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// It does not, and why.
    Refused(String),
}

/// How the daemon is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The daemon's version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// When it was ready, RFC 3339.
    pub started: String,
    /// The log's id, 32 hex digits.
    pub log_id: String,
    /// The socket applications write to.
    pub socket: String,
    /// What keeps the index from following the ledger, if something does.
    pub index_error: Option<String>,
    /// The anchors, in the order of the configuration.
    pub anchors: Vec<crate::metrics::AnchorStatus>,
    /// The counters.
    pub metrics: crate::metrics::Snapshot,
}
