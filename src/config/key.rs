//! The table of keys. The loader, the names of environment variables, the suggestions, `to_toml` and
//! [`super::changes`] are all driven by it.

use std::path::PathBuf;

use super::{Compression, Config, LogLevel, Overflow};
use crate::event::Column;

/// One key of the configuration.
pub(super) struct Key {
    /// The table it stands in; empty at the top.
    pub table: &'static str,
    /// Its name in there.
    pub name: &'static str,
    /// Whether a change is in force only after a restart.
    pub restart: bool,
    /// What it may hold, and where that is in [`Config`].
    pub kind: Kind,
}

/// What a key may hold, with the way to its place.
pub(super) enum Kind {
    /// An absolute path.
    Path(fn(&mut Config) -> &mut PathBuf),
    /// Permission bits, a string of octal digits.
    Mode(fn(&mut Config) -> &mut u32),
    /// The name of a group, or empty.
    Group(fn(&mut Config) -> &mut Option<String>),
    /// A level of the daemon's own log.
    Level(fn(&mut Config) -> &mut LogLevel),
    /// `true` or `false`.
    Flag(fn(&mut Config) -> &mut bool),
    /// How closed segments are stored.
    Compression(fn(&mut Config) -> &mut Compression),
    /// What becomes of events that the disk has no room for.
    Overflow(fn(&mut Config) -> &mut Overflow),
    /// A whole number with its least and greatest value.
    Number(fn(&mut Config) -> Number<'_>, u64, u64),
    /// The same, or 0 to switch it off.
    OrNever(fn(&mut Config) -> Number<'_>, u64, u64),
    /// A list of users.
    Uids(fn(&mut Config) -> &mut Vec<u32>),
    /// A list of column names.
    Columns(fn(&mut Config) -> &mut Vec<String>),
    /// The name of a preset, which sets all of `[fields]`.
    Preset,
    /// JSON pointers to a column's value.
    Pointers(Column),
    /// JSON pointers that mean failure.
    FailureIfPresent,
}

/// The place of a number.
pub(super) enum Number<'c> {
    U32(&'c mut u32),
    U64(&'c mut u64),
    Usize(&'c mut usize),
}

const RESTART: bool = true;
const RELOAD: bool = false;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

const fn top(name: &'static str, restart: bool, kind: Kind) -> Key {
    Key { table: "", name, restart, kind }
}

const fn ingest(name: &'static str, restart: bool, kind: Kind) -> Key {
    Key { table: "ingest", name, restart, kind }
}

const fn quota(name: &'static str, kind: Kind) -> Key {
    Key { table: "quota", name, restart: RELOAD, kind }
}

const fn ledger(name: &'static str, kind: Kind) -> Key {
    Key { table: "ledger", name, restart: RELOAD, kind }
}

const fn space(name: &'static str, kind: Kind) -> Key {
    Key { table: "space", name, restart: RELOAD, kind }
}

const fn index(name: &'static str, kind: Kind) -> Key {
    Key { table: "index", name, restart: RESTART, kind }
}

const fn maintenance(name: &'static str, kind: Kind) -> Key {
    Key { table: "maintenance", name, restart: RELOAD, kind }
}

const fn fields(name: &'static str, kind: Kind) -> Key {
    Key { table: "fields", name, restart: RELOAD, kind }
}

const fn column(column: Column) -> Key {
    fields(column.name(), Kind::Pointers(column))
}

use Kind::{Columns, FailureIfPresent, Group, Level, Mode, OrNever, Path, Preset};
use Number::{U32, U64, Usize};

/// Every key, in the order in which they are shown.
pub(super) static KEYS: &[Key] = &[
    top("socket", RESTART, Path(|c| &mut c.socket)),
    top("socket_mode", RESTART, Mode(|c| &mut c.socket_mode)),
    top("log_dir", RESTART, Path(|c| &mut c.log_dir)),
    top("state_dir", RESTART, Path(|c| &mut c.state_dir)),
    top("run_dir", RESTART, Path(|c| &mut c.run_dir)),
    top("group", RESTART, Group(|c| &mut c.group)),
    top("landlock", RESTART, Kind::Flag(|c| &mut c.landlock)),
    top("log_level", RELOAD, Level(|c| &mut c.log_level)),
    top("stop_seconds", RELOAD, Kind::Number(|c| U64(&mut c.stop_seconds), 1, 3_600)),
    ingest(
        "max_event_bytes",
        RELOAD,
        Kind::Number(|c| Usize(&mut c.ingest.max_event_bytes), KIB, 60 * KIB),
    ),
    ingest(
        "max_connections",
        RELOAD,
        Kind::Number(|c| Usize(&mut c.ingest.max_connections), 1, 65_536),
    ),
    ingest("queue_bytes", RESTART, Kind::Number(|c| Usize(&mut c.ingest.queue_bytes), MIB, GIB)),
    ingest("require", RELOAD, Columns(|c| &mut c.ingest.require)),
    ingest(
        "reject_records_per_second",
        RELOAD,
        Kind::Number(|c| U32(&mut c.ingest.reject_records_per_second), 1, 100_000),
    ),
    ingest(
        "reject_records_burst",
        RELOAD,
        Kind::Number(|c| U32(&mut c.ingest.reject_records_burst), 1, 100_000),
    ),
    ingest(
        "repeat_window",
        RELOAD,
        Kind::Number(|c| Usize(&mut c.ingest.repeats.window), 0, 1_000_000),
    ),
    ingest(
        "repeat_seconds",
        RELOAD,
        Kind::Number(|c| U64(&mut c.ingest.repeats.seconds), 1, 3_600),
    ),
    ingest("threads", RESTART, Kind::Number(|c| Usize(&mut c.ingest.threads), 0, 64)),
    quota(
        "events_per_second",
        Kind::Number(|c| U64(&mut c.quota.events_per_second), 0, 1_000_000_000),
    ),
    quota("events_burst", Kind::Number(|c| U64(&mut c.quota.events_burst), 1, 1_000_000_000)),
    quota("bytes_per_second", Kind::Number(|c| U64(&mut c.quota.bytes_per_second), 0, 1 << 40)),
    quota("bytes_burst", Kind::Number(|c| U64(&mut c.quota.bytes_burst), KIB, 1 << 40)),
    quota("connections", Kind::Number(|c| Usize(&mut c.quota.connections), 0, 65_536)),
    quota("exempt_uids", Kind::Uids(|c| &mut c.quota.exempt_uids)),
    fields("preset", Preset),
    column(Column::EventType),
    column(Column::Priority),
    column(Column::Source),
    column(Column::Actor),
    column(Column::Action),
    column(Column::Outcome),
    column(Column::Target),
    column(Column::ClientIp),
    column(Column::SessionId),
    column(Column::CorrelationId),
    column(Column::Operation),
    column(Column::DurationMs),
    column(Column::EventId),
    column(Column::Timestamp),
    fields("failure_if_present", FailureIfPresent),
    ledger("epoch_seconds", Kind::Number(|c| U64(&mut c.ledger.epoch_seconds), 1, 86_400)),
    ledger("epoch_lines", Kind::Number(|c| U64(&mut c.ledger.epoch_lines), 1, 1_000_000_000)),
    ledger("idle_seconds", Kind::Number(|c| U64(&mut c.ledger.idle_seconds), 1, 86_400)),
    ledger("batch_bytes", Kind::Number(|c| Usize(&mut c.ledger.batch_bytes), 4 * KIB, 16 * MIB)),
    ledger("rotate_bytes", OrNever(|c| U64(&mut c.ledger.rotate_bytes), 64 * KIB, 1024 * GIB)),
    ledger("rotate_seconds", OrNever(|c| U64(&mut c.ledger.rotate_seconds), 60, 366 * 86_400)),
    Key {
        restart: RESTART,
        ..space("reserve_bytes", OrNever(|c| U64(&mut c.space.reserve_bytes), MIB, 16 * GIB))
    },
    space("low_bytes", Kind::Number(|c| U64(&mut c.space.low_bytes), 0, 1 << 50)),
    space("normal_bytes", Kind::Number(|c| U64(&mut c.space.normal_bytes), 0, 1 << 50)),
    space("low", Kind::Overflow(|c| &mut c.space.low)),
    space("normal", Kind::Overflow(|c| &mut c.space.normal)),
    space("high", Kind::Overflow(|c| &mut c.space.high)),
    space("emergency_bytes", Kind::Number(|c| U64(&mut c.space.emergency_bytes), MIB, GIB)),
    index("batch_rows", Kind::Number(|c| Usize(&mut c.index.batch_rows), 1, 100_000)),
    index("queue_bytes", Kind::Number(|c| Usize(&mut c.index.queue_bytes), MIB, GIB)),
    index("cache_bytes", Kind::Number(|c| Usize(&mut c.index.cache_bytes), MIB, 4 * GIB)),
    maintenance(
        "interval_seconds",
        Kind::Number(|c| U64(&mut c.maintenance.interval_seconds), 60, 604_800),
    ),
    maintenance("compression", Kind::Compression(|c| &mut c.maintenance.compression)),
    maintenance("keep_days", Kind::Number(|c| U64(&mut c.maintenance.keep_days), 1, 36_500)),
    maintenance(
        "min_keep_days",
        Kind::Number(|c| U64(&mut c.maintenance.min_keep_days), 0, 36_500),
    ),
    maintenance(
        "min_free_bytes",
        Kind::Number(|c| U64(&mut c.maintenance.min_free_bytes), 0, 1 << 50),
    ),
];

/// The names of the tables.
pub(super) const TABLES: [&str; 7] =
    ["ingest", "quota", "fields", "ledger", "space", "index", "maintenance"];

impl Key {
    /// The key of that name in that table.
    pub(super) fn find(table: &str, name: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.table == table && key.name == name)
    }

    /// `ledger.epoch_seconds`, or `socket` for one at the top.
    pub(super) fn path(&self) -> String {
        match self.table {
            "" => self.name.to_string(),
            table => format!("{table}.{}", self.name),
        }
    }

    /// `AUDITLOGD_LEDGER_EPOCH_SECONDS`.
    pub(super) fn variable(&self) -> String {
        format!("AUDITLOGD_{}", self.path().replace('.', "_").to_uppercase())
    }
}

impl Number<'_> {
    pub(super) fn get(&self) -> u64 {
        match self {
            Number::U32(n) => u64::from(**n),
            Number::U64(n) => **n,
            Number::Usize(n) => **n as u64,
        }
    }

    /// Sets the number, which the key's range keeps within the type.
    pub(super) fn set(self, value: u64) {
        match self {
            Number::U32(n) => *n = value as u32,
            Number::U64(n) => *n = value,
            Number::Usize(n) => *n = value as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_variable_of_its_own() {
        let variables: std::collections::BTreeSet<_> = KEYS.iter().map(Key::variable).collect();
        assert_eq!(variables.len(), KEYS.len());
        assert!(variables.contains("AUDITLOGD_LEDGER_EPOCH_SECONDS"));
        assert!(variables.contains("AUDITLOGD_LOG_DIR"));
        assert!(!variables.contains("AUDITLOGD_ROOT") && !variables.contains("AUDITLOGD_CONFIG"));
    }

    #[test]
    fn every_column_and_table_is_in_the_table_of_keys() {
        for column in Column::ALL {
            assert!(Key::find("fields", column.name()).is_some());
        }
        for table in TABLES {
            assert!(KEYS.iter().any(|key| key.table == table));
        }
        assert!(KEYS.iter().all(|key| key.table.is_empty() || TABLES.contains(&key.table)));
        assert!(KEYS.is_sorted_by_key(|key| TABLES.iter().position(|table| *table == key.table)));
    }
}
