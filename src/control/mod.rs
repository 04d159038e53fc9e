//! The control socket: how `auditlog` asks the running daemon. One JSON request on a line, one JSON reply.

mod client;
mod server;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::retention::{Hold, NewHold};

pub use client::{ControlError, request};
pub use server::{Answer, serve};

/// What can be asked. All but the first two change something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// How it is.
    Status,
    /// What became of clients' lines since the start.
    Account,
    /// Drop the index and build it again from the ledger.
    Reindex,
    /// Close the active segment and open a new one.
    Rotate,
    /// Read the configuration again, close the epoch, reopen the log.
    Reload,
    /// End the log for good: record it, seal, stop.
    Decommission {
        /// Why, for people.
        reason: String,
    },
    /// Keep events from being deleted.
    HoldAdd(Box<NewHold>),
    /// Let them be deleted again.
    HoldRemove {
        /// The hold's name.
        id: String,
        /// Why, for people.
        reason: String,
    },
    /// Run maintenance now.
    Maintain,
    /// How far that run of maintenance is.
    Maintaining(u64),
}

impl Request {
    /// How long the daemon may take over its answer.
    fn limit(&self) -> Duration {
        match self {
            Request::Status
            | Request::Account
            | Request::Reindex
            | Request::Decommission { .. }
            | Request::Maintain
            | Request::Maintaining(_) => Duration::from_secs(5),
            // The writer comes to it after what is queued, and then syncs several files.
            Request::Rotate
            | Request::Reload
            | Request::HoldAdd(_)
            | Request::HoldRemove { .. } => Duration::from_secs(60),
        }
    }
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::Account`].
    Account(Box<Account>),
    /// The daemon does what was asked.
    Accepted,
    /// To [`Request::Rotate`]: it is done.
    Rotated {
        /// What the closed segment is called now.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// To [`Request::Reload`]: the configuration is in force, and the log reopened.
    Reloaded {
        /// What of it changed, by the names of keys.
        applied: Vec<String>,
        /// What changes only with a restart.
        restart: Vec<String>,
    },
    /// To [`Request::Reload`]: what is wrong with the configuration; the old one stays in force. The log is
    /// reopened all the same.
    NotReloaded(String),
    /// To [`Request::HoldAdd`] and [`Request::HoldRemove`]: it is done, with this hold.
    Held(Box<Hold>),
    /// To [`Request::Maintain`]: the number of the run that does it.
    Run(u64),
    /// To [`Request::Maintaining`]: what is being done.
    Maintaining(String),
    /// To [`Request::Maintaining`]: it is over, and this was done.
    Maintained(Box<crate::record::Maintained>),
    /// It does not, and why.
    Refused(String),
}

/// What became of clients' lines since the daemon's start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Of each user, by uid; 4294967295 stands for all who are one too many to be told apart.
    pub users: BTreeMap<u32, crate::metrics::AccountSnapshot>,
    /// The connections that are open, the oldest first.
    pub connections: Vec<crate::metrics::OpenSnapshot>,
    /// How many more are open.
    pub connections_left_out: u64,
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
    /// What is wrong, the worst first.
    #[serde(default)]
    pub problems: Vec<crate::metrics::Problem>,
    /// The anchors, in the order of the configuration.
    pub anchors: Vec<crate::metrics::AnchorStatus>,
    /// Maintenance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<crate::metrics::MaintenanceStatus>,
    /// How full the disk is.
    #[serde(default)]
    pub space: crate::engine::RoomState,
    /// The counters.
    pub metrics: crate::metrics::Snapshot,
    /// What became of each user's lines, by uid.
    #[serde(default)]
    pub accounts: std::collections::BTreeMap<u32, crate::metrics::AccountSnapshot>,
}
