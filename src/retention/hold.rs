//! Holds: events that must not be deleted, whatever the rules say.

use serde::{Deserialize, Serialize};

use super::{Facts, Match};

/// Keeps everything that it matches until somebody releases it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Its name, which no other hold in force has.
    pub id: String,
    /// Which events.
    #[serde(rename = "match")]
    pub what: Match,
    /// Those written at or after this time only, nanoseconds since 1970.
    pub since_ns: Option<i64>,
    /// Those written before this time only, nanoseconds since 1970.
    pub until_ns: Option<i64>,
    /// Why, for people.
    pub reason: String,
    /// Who asked for it.
    pub by_uid: u32,
    /// When, RFC 3339.
    pub added: String,
}

impl Hold {
    /// Whether an event that was written at `ts_ns` is held.
    pub fn holds(&self, facts: &Facts<'_>, ts_ns: i64) -> bool {
        self.since_ns.is_none_or(|since| ts_ns >= since)
            && self.until_ns.is_none_or(|until| ts_ns < until)
            && self.what.matches(facts)
    }
}
