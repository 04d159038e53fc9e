//! How maintenance is: what `auditlog status` shows of it, and what the daemon remembers of it across restarts.

use serde::{Deserialize, Serialize};

use super::ArchiveStatus;
use crate::record::Maintained;

/// How maintenance is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenanceStatus {
    /// What is being done now, if something is.
    pub doing: Option<String>,
    /// When the next run is due, by the wall clock as it is now, RFC 3339.
    pub next: Option<String>,
    /// What there is to tell of the runs.
    #[serde(flatten)]
    pub history: History,
    /// The archives, in the order of the configuration; only the daemon knows.
    pub archives: Vec<ArchiveStatus>,
    /// How far the time that retention goes by is behind the wall clock, seconds; not told below an hour.
    pub behind_seconds: Option<u64>,
    /// Bytes that are free on the log's file system.
    pub free_bytes: Option<u64>,
    /// Bytes that should be (`min_free_bytes`).
    pub min_free_bytes: u64,
    /// When it is full.
    pub forecast: Option<Forecast>,
}

/// What there is to tell of the runs, before a restart and after.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// When the last run began, RFC 3339.
    pub began: Option<String>,
    /// What it did.
    pub last: Option<Box<Maintained>>,
    /// What fails.
    pub failing: Vec<Failing>,
}

/// A task of maintenance that failed in its last run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// Which.
    pub task: String,
    /// Since when it has failed in each run, RFC 3339.
    pub since: String,
    /// Why it failed last.
    pub error: String,
}

/// How long a file system will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forecast {
    /// Less than a day is known of it.
    NotKnown {
        /// When more will be.
        in_seconds: u64,
    },
    /// What is on it hardly grows.
    NotGrowing,
    /// It is full if it goes on as in the last day.
    FullIn {
        /// When.
        seconds: u64,
        /// How many bytes less are free after a day.
        bytes_a_day: u64,
        /// How many of these are the daemon's own.
        own_bytes_a_day: u64,
    },
}
