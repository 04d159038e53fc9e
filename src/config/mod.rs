//! The configuration: one struct with every key, and where its values come from.
//!
//! [`load`] puts them together: built-in defaults, then the TOML file, then `conf.d/*.toml` beside it
//! sorted by name, then `AUDITLOGD_…` environment variables. The last one that speaks wins; only the
//! `[[retention]]`, `[[archive]]` and `[[anchor]]` tables of all files add up. A path in a file is taken as it
//! is written, also under `--root`. `config/auditlogd.toml` documents every key.

mod anchor;
mod archive;
mod changes;
mod choice;
mod error;
mod expand;
mod file;
mod key;
mod layout;
mod load;
mod presets;
mod reference;
mod retention;
mod table;
mod value;

use std::path::PathBuf;

pub use anchor::Anchor;
pub use archive::{Archive, ArchiveTo};
pub use changes::{Changes, changes};
pub use choice::{Compression, LogLevel, Overflow};
pub use error::{ConfigError, Origin};
pub use layout::Sources;
pub use load::load;
pub use reference::{Range, Reference, reference};

use crate::event::{Class, FieldMap, FieldMapError};
use crate::retention::{Rule, Rules};

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
    /// Whether the daemon restricts itself with landlock(7), where the kernel has it.
    pub landlock: bool,
    /// The least severe of the daemon's own messages that is logged.
    pub log_level: LogLevel,
    /// How long a stop may take, seconds.
    pub stop_seconds: u64,
    /// `[ingest]`
    pub ingest: Ingest,
    /// `[quota]`
    pub quota: Quota,
    /// `[fields]`
    pub fields: Fields,
    /// `[ledger]`
    pub ledger: Ledger,
    /// `[space]`
    pub space: Space,
    /// `[index]`
    pub index: Index,
    /// `[maintenance]`
    pub maintenance: Maintenance,
    /// `[[retention]]`, those of all files
    pub retention: Vec<Rule>,
    /// `[[archive]]`, those of all files
    pub archives: Vec<Archive>,
    /// `[[anchor]]`, those of all files
    pub anchors: Vec<Anchor>,
}

/// `[ingest]`: what clients may send.
#[derive(Clone, Debug, PartialEq)]
pub struct Ingest {
    /// The longest event line, bytes without LF; at most 61,440.
    pub max_event_bytes: usize,
    /// Connections that are served at once; [`Ingest::TIMES_SERVED`] times as many may be open.
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
    /// For how long an event is known again.
    pub repeats: Repeats,
}

/// `[ingest] repeat_…`: which events of a user are known again when they are sent again. Whichever limit is reached
/// first counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeats {
    /// The last so many of each user that have an id; 0: none.
    pub window: usize,
    /// For so many seconds.
    pub seconds: u64,
}

/// `[quota]`: what each user may send; who sends more has to wait.
#[derive(Clone, Debug, PartialEq)]
pub struct Quota {
    /// Event lines a second, sustained; 0: no limit.
    pub events_per_second: u64,
    /// Event lines that may come at once.
    pub events_burst: u64,
    /// Bytes a second, sustained; 0: no limit.
    pub bytes_per_second: u64,
    /// Bytes that may come at once.
    pub bytes_burst: u64,
    /// Connections of a user that are served at once; 0: its share of [`Ingest::max_connections`].
    pub connections: usize,
    /// Users to whom the limits of events and bytes do not apply.
    pub exempt_uids: Vec<u32>,
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

/// `[ledger]`: batches, epochs and segments.
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
    /// A segment is closed when it has so many bytes; 0: never.
    pub rotate_bytes: u64,
    /// A segment is closed so many seconds after its first line; 0: never.
    pub rotate_seconds: u64,
}

/// `[space]`: what happens when the disk fills up.
#[derive(Clone, Debug, PartialEq)]
pub struct Space {
    /// Bytes that are kept for the daemon's own records; a twentieth of the file system at most; 0: none.
    pub reserve_bytes: u64,
    /// With less free, events of [`Class::Low`] are not stored; counts as a fifth of the file system at most.
    pub low_bytes: u64,
    /// The same for [`Class::Normal`]; a tenth at most.
    pub normal_bytes: u64,
    /// What becomes of them then.
    pub low: Overflow,
    /// The same for [`Class::Normal`].
    pub normal: Overflow,
    /// The same for [`Class::High`], once nothing can be stored.
    pub high: Overflow,
    /// Bytes of events that have gone to the standard error and wait for the log.
    pub emergency_bytes: u64,
}

impl Default for Space {
    fn default() -> Self {
        Self {
            reserve_bytes: 16 << 20,
            low_bytes: 64 << 20,
            normal_bytes: 32 << 20,
            low: Overflow::Block,
            normal: Overflow::Block,
            high: Overflow::Block,
            emergency_bytes: 16 << 20,
        }
    }
}

impl Space {
    /// What becomes of events of this class that the disk has no room for.
    pub fn overflow(&self, class: Class) -> Overflow {
        match class {
            Class::Low => self.low,
            Class::Normal => self.normal,
            Class::High => self.high,
        }
    }
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

/// `[maintenance]`: what happens to the log once its segments are closed.
#[derive(Clone, Debug, PartialEq)]
pub struct Maintenance {
    /// Between two runs.
    pub interval_seconds: u64,
    /// How closed segments are stored.
    pub compression: Compression,
    /// For how many days an event is kept that no `[[retention]]` matches.
    pub keep_days: u64,
    /// For how many days it is kept at least when the disk is nearly full; 0: always for `keep_days`.
    pub min_keep_days: u64,
    /// Bytes of the log's file system that should stay free; 0: it may fill up.
    pub min_free_bytes: u64,
}

impl Quota {
    /// No limits.
    pub const NONE: Self = Self {
        events_per_second: 0,
        events_burst: 1,
        bytes_per_second: 0,
        bytes_burst: 1,
        connections: 0,
        exempt_uids: Vec::new(),
    };
}

impl Ingest {
    /// So many times as many connections may be open as are served: the others wait, unread, and nothing that was
    /// written to them is lost.
    pub const TIMES_SERVED: usize = 16;
}

impl Config {
    /// The defaults, with these paths.
    fn with_paths(socket: PathBuf, log_dir: PathBuf, state_dir: PathBuf, run_dir: PathBuf) -> Self {
        Self {
            socket,
            socket_mode: 0o666,
            log_dir,
            state_dir,
            run_dir,
            group: None,
            landlock: true,
            log_level: LogLevel::Info,
            stop_seconds: 30,
            ingest: Ingest {
                max_event_bytes: 61_440,
                max_connections: 4_096,
                queue_bytes: 6 << 20,
                require: Vec::new(),
                reject_records_per_second: 10,
                reject_records_burst: 100,
                threads: 0,
                repeats: Repeats { window: 100_000, seconds: 600 },
            },
            quota: Quota {
                events_per_second: 50_000,
                events_burst: 1_000_000,
                bytes_per_second: 16 << 20,
                bytes_burst: 512 << 20,
                connections: 0,
                exempt_uids: Vec::new(),
            },
            fields: presets::DEFAULT.fields(),
            ledger: Ledger {
                epoch_seconds: 60,
                epoch_lines: 100_000,
                idle_seconds: 600,
                batch_bytes: 1 << 20,
                rotate_bytes: 256 << 20,
                rotate_seconds: 86_400,
            },
            space: Space::default(),
            index: Index { batch_rows: 8_192, queue_bytes: 2 << 20, cache_bytes: 5 << 20 },
            maintenance: Maintenance {
                interval_seconds: 3_600,
                compression: Compression::Zstd,
                keep_days: 90,
                min_keep_days: 0,
                min_free_bytes: 1 << 30,
            },
            retention: Vec::new(),
            archives: Vec::new(),
            anchors: Vec::new(),
        }
    }

    /// The compiled form of `[fields]` and `[ingest] require`.
    ///
    /// # Errors
    /// Pointers that are none, or a required column that none leads to; never for what [`load`] gave.
    pub fn field_map(&self) -> Result<FieldMap, FieldMapError> {
        FieldMap::new(&self.fields.pointers, &self.fields.failure_if_present, &self.ingest.require)
    }

    /// The rules of `[maintenance]` and `[[retention]]`.
    pub fn rules(&self) -> Rules {
        Rules { keep_days: self.maintenance.keep_days, rules: self.retention.clone() }
    }

    /// Every key with its value, as a TOML file that [`load`] reads back to the same configuration.
    pub fn to_toml(&self) -> String {
        let mut config = self.clone();
        let mut out = String::new();
        let mut table = "";
        for key in key::KEYS {
            if key.table != table {
                table = key.table;
                out.push_str(&format!("\n[{table}]\n"));
            }
            out.push_str(&format!("{} = {}\n", key.name, key.show(&mut config)));
        }
        out.extend(self.retention.iter().map(retention::to_toml));
        out.extend(self.archives.iter().map(archive::to_toml));
        out.extend(self.anchors.iter().map(anchor::to_toml));
        out
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
