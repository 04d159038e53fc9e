//! What the loader knows of each key, for manuals.

use super::key::{KEYS, Kind};
use super::layout::Sources;
use super::{Compression, LogLevel, Overflow};

/// A key of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The table it stands in; empty at the top.
    pub table: &'static str,
    /// Its name in there. A unit is its last part: `_seconds`, `_bytes`, `_days`.
    pub name: &'static str,
    /// The environment variable that sets it.
    pub variable: String,
    /// Its default on a host, as TOML.
    pub default: String,
    /// What it may be.
    pub range: Range,
    /// Whether a change is in force only after a restart.
    pub restart: bool,
}

/// What a key may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Range {
    /// A whole number, both ends included.
    Numbers(u64, u64),
    /// The same, or 0.
    NumbersOrZero(u64, u64),
    /// One of these words.
    Words(Vec<&'static str>),
    /// What its text says.
    Free,
}

/// Every key, in the order in which `auditlogd --check` prints them.
pub fn reference() -> Vec<Reference> {
    let system = Sources { root: Some("/".into()), ..Sources::default() };
    // A root that is given as an absolute path is always one.
    let Ok(layout) = system.layout() else { return Vec::new() };
    let mut defaults = layout.defaults();
    let one = |key: &'static super::key::Key| Reference {
        table: key.table,
        name: key.name,
        variable: key.variable(),
        default: key.show(&mut defaults).to_string(),
        range: match key.kind {
            Kind::Number(_, least, greatest) => Range::Numbers(least, greatest),
            Kind::OrNever(_, least, greatest) => Range::NumbersOrZero(least, greatest),
            Kind::Level(_) => Range::Words(LogLevel::ALL.map(LogLevel::as_str).to_vec()),
            Kind::Compression(_) => {
                Range::Words(Compression::ALL.map(Compression::as_str).to_vec())
            }
            Kind::Overflow(_) => Range::Words(Overflow::ALL.map(Overflow::as_str).to_vec()),
            _ => Range::Free,
        },
        restart: key.restart,
    };
    KEYS.iter().map(one).collect()
}
