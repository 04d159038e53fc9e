//! What became of a user who exceeded its quota.

use std::fmt;

use serde::Serialize;

use crate::words::count;

/// A user who was slowed, or had connections closed, in the last minute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Throttled {
    /// Who.
    pub uid: u32,
    /// Which limits were exceeded: `events`, `bytes`, `connections`.
    pub limits: Vec<&'static str>,
    /// How long its connections waited, added up, milliseconds.
    pub waited_ms: u64,
    /// How many of them waited at once.
    pub connections: u64,
    /// Connections that were closed at once. What had been sent on them is in a gap record.
    pub turned_away: u64,
    /// Event lines taken from it meanwhile.
    pub events: u64,
    /// Bytes read from it meanwhile.
    pub bytes: u64,
    /// In how many milliseconds.
    pub over_ms: u64,
}

impl fmt::Display for Throttled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { uid, waited_ms, turned_away, .. } = self;
        write!(f, "uid {uid} exceeded its quota of {}", self.limits.join(" and "))?;
        if *waited_ms > 0 {
            let connections = count(self.connections, "connection");
            write!(f, ": {connections} at once, {waited_ms} ms of waiting in all")?;
        }
        match turned_away {
            0 => Ok(()),
            n => write!(f, "; {} closed at once", count(*n, "connection")),
        }
    }
}
