//! The configuration: one struct with every key, and where its values come from.

use std::path::PathBuf;

/// Every key with its value in force. Field names are the keys of the TOML file.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The socket that applications write to.
    pub socket: PathBuf,
    /// Its mode.
    pub socket_mode: u32,
    /// Where segments are.
    pub log_dir: PathBuf,
    /// Where the database, keys, seals and the checkpoint are.
    pub state_dir: PathBuf,
    /// Where the control socket is.
    pub run_dir: PathBuf,
    /// The group that may read the segments and the database, where one is named.
    pub group: Option<String>,
    /// The least severe of the daemon's own messages that is logged.
    pub log_level: LogLevel,
    /// How long a stop may take, seconds.
    pub stop_seconds: u64,
    /// `[ingest]`
    pub ingest: Ingest,
    /// `[fields]`
    pub fields: Fields,
    /// `[ledger]`
    pub ledger: Ledger,
    /// `[index]`
    pub index: Index,
}

/// `[ingest]`: what clients may send.
#[derive(Clone, Debug, PartialEq)]
pub struct Ingest {
    /// The longest event line, bytes without LF; at most 61,440.
    pub max_event_bytes: usize,
    /// Connections at once; more wait in the listen queue.
    pub max_connections: usize,
    /// Bytes read from clients and not yet committed, over all connections.
    pub queue_bytes: usize,
    /// Members that every event must have (column names).
    pub require: Vec<String>,
    /// `auditlogd.rejected` records a second and uid, sustained.
    pub reject_records_per_second: u32,
    /// `auditlogd.rejected` records a uid may cause at once.
    pub reject_records_burst: u32,
    /// Threads that read and check events; 0: one a core, at most 4.
    pub threads: usize,
}

/// `[fields]`: where the known members are found, as JSON pointers (RFC 6901), best first.
#[derive(Clone, Debug, PartialEq)]
pub struct Fields {
    /// The preset the lists start from.
    pub preset: String,
    /// Column name and its pointers, every known column once.
    pub pointers: Vec<(String, Vec<String>)>,
    /// Pointers whose presence means that the outcome is `failure`, absence `success`; empty: off.
    pub failure_if_present: Vec<String>,
}

/// `[ledger]`: batches and epochs.
#[derive(Clone, Debug, PartialEq)]
pub struct Ledger {
    /// An epoch with lines is closed after this many seconds.
    pub epoch_seconds: u64,
    /// An epoch is closed after this many lines.
    pub epoch_lines: u64,
    /// An epoch without lines is closed after this many seconds.
    pub idle_seconds: u64,
    /// The most bytes of log that one fdatasync covers.
    pub batch_bytes: usize,
}

/// `[index]`: the SQLite database.
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    /// The most rows in one transaction.
    pub batch_rows: usize,
    /// Fresh lines kept in memory for the index; what does not fit it reads from the segments.
    pub queue_bytes: usize,
    /// SQLite's page cache, bytes.
    pub cache_bytes: usize,
}

/// How much the daemon says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Only what needs somebody's attention now.
    Error,
    /// And what will.
    Warn,
    /// And what it does.
    Info,
    /// And how.
    Debug,
    /// And every step.
    Trace,
}

impl Config {
    /// The segment that is written.
    pub fn active_segment(&self) -> PathBuf {
        self.log_dir.join("audit.jsonl")
    }

    /// The SQLite database.
    pub fn database(&self) -> PathBuf {
        self.state_dir.join("audit.db")
    }

    /// The socket that `auditlog status` asks.
    pub fn control_socket(&self) -> PathBuf {
        self.run_dir.join("control.sock")
    }
}
