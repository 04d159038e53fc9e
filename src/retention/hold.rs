//! Holds: events that must not be deleted, whatever the rules say.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Facts, Match};
use crate::clock::rfc3339;

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

/// A hold that somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewHold {
    /// Its name; without one it gets `hold-` and a number.
    pub id: Option<String>,
    /// Which events.
    #[serde(rename = "match")]
    pub what: Match,
    /// Those written at or after this time only, nanoseconds since 1970.
    pub since_ns: Option<i64>,
    /// Those written before this time only, nanoseconds since 1970.
    pub until_ns: Option<i64>,
    /// Why, for people.
    pub reason: String,
}

/// The longest name of a hold, bytes.
const LONGEST_ID: usize = 64;
/// The longest reason, bytes.
pub const LONGEST_REASON: usize = 1024;
/// The longest hold as JSON, bytes: it has to fit into the record that tells of it.
const LONGEST_HOLD: usize = 16 << 10;

impl NewHold {
    /// Whether it can be a hold; a sentence, if not.
    pub fn check(&self) -> Result<(), String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if let Some(id) = &self.id
            && (id.is_empty() || id.len() > LONGEST_ID || !id.chars().all(plain))
        {
            return Err(format!(
                "a hold's name has 1 to {LONGEST_ID} letters, digits, `.`, `_` or `-`, and {id:?} has not"
            ));
        }
        check_reason(&self.reason)?;
        if let (Some(since), Some(until)) = (self.since_ns, self.until_ns)
            && since >= until
        {
            return Err("the hold ends before it begins, so that it would hold nothing".into());
        }
        self.what.check().map_err(|(name, what)| format!("the condition `{name}` {what}"))?;
        let json = serde_json::to_string(self).map_or(0, |text| text.len());
        match json > LONGEST_HOLD {
            true => Err(format!(
                "the hold has {json} bytes, and at most {LONGEST_HOLD} fit into its record; make several"
            )),
            false => Ok(()),
        }
    }
}

/// Whether somebody says why, and not at too great length.
pub fn check_reason(reason: &str) -> Result<(), String> {
    match reason.len() {
        _ if reason.trim().is_empty() => Err("a reason is needed: say why".into()),
        len if len > LONGEST_REASON => {
            Err(format!("the reason has {len} bytes, and at most {LONGEST_REASON} are taken"))
        }
        _ => Ok(()),
    }
}

impl Hold {
    /// Whether an event that was written at `ts_ns` is held.
    pub fn holds(&self, facts: &Facts<'_>, ts_ns: i64) -> bool {
        self.since_ns.is_none_or(|since| ts_ns >= since)
            && self.until_ns.is_none_or(|until| ts_ns < until)
            && self.what.matches(facts)
    }
}

/// What it holds, for people.
impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        for (word, time) in [("since", self.since_ns), ("until", self.until_ns)] {
            if let Some(ns) = time {
                let time = rfc3339(ns);
                let whole = time.strip_suffix(".000000000Z").map(|seconds| format!("{seconds}Z"));
                write!(f, " {word} {}", whole.unwrap_or(time))?;
            }
        }
        Ok(())
    }
}
