//! How long events are kept: what rules and holds look at, and what they say. One matcher for everybody: for
//! whole segments, for rows of the database, and for verification, which asks whether a row may be gone.

mod hold;
mod matching;

use serde::{Deserialize, Serialize};

pub use hold::{Hold, LONGEST_REASON, NewHold, check_reason};
pub use matching::{Facts, LONGEST_VALUE, MOST_VALUES, Match};

/// The longest [`Rules::definition`], bytes: the daemon's records name those in force and earlier ones, and a line of
/// the log is short.
pub const LONGEST_DEFINITION: usize = 8 << 10;

/// Seconds of a day; a step of a leap second does not matter here.
pub const DAY_SECONDS: u64 = 86_400;

/// When what was written at `ts_ns` and is kept for so many seconds expires, nanoseconds since 1970: from then on,
/// that moment included, it may go. The end of time, if it is beyond that.
pub fn expires_ns(ts_ns: i64, keep_seconds: u64) -> i64 {
    let keep_ns = i64::try_from(keep_seconds.saturating_mul(1_000_000_000)).unwrap_or(i64::MAX);
    ts_ns.saturating_add(keep_ns)
}

/// Keeps what it matches for so long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Which events.
    #[serde(flatten)]
    pub what: Match,
    /// For how many days after they were written.
    pub keep_days: u64,
}

/// All rules: the first that matches an event says how long it is kept, and the default if none does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// The default.
    pub keep_days: u64,
    /// In the order of the configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
}

impl Rules {
    /// The same for all events.
    pub fn of_days(keep_days: u64) -> Self {
        Self { keep_days, rules: Vec::new() }
    }

    /// Whether records can name them; a sentence, if not.
    pub fn check(&self) -> Result<(), String> {
        let definition = self.definition();
        // What JSON escapes counts as it stands in a record.
        let quoted = serde_json::to_string(&definition).unwrap_or_default();
        let len = definition.len().max(crate::json::one_line(&quoted).len() / 2);
        match len > LONGEST_DEFINITION {
            true => Err(format!(
                "all rules together have {len} bytes as JSON, and at most {LONGEST_DEFINITION} fit into the log's own \
                 records; use fewer or shorter values, with `*` in place of several"
            )),
            false => Ok(()),
        }
    }

    /// How many seconds an event is kept after it was written.
    pub fn keep_seconds(&self, facts: &Facts<'_>) -> u64 {
        let rule = self.rules.iter().find(|rule| rule.what.matches(facts));
        rule.map_or(self.keep_days, |rule| rule.keep_days).saturating_mul(DAY_SECONDS)
    }

    /// The shortest that anything is kept, seconds.
    pub fn shortest_seconds(&self) -> u64 {
        let days = self.rules.iter().map(|rule| rule.keep_days).fold(self.keep_days, u64::min);
        days.saturating_mul(DAY_SECONDS)
    }

    /// The rules as one line of JSON, which [`Rules::from_definition`] reads back: what the daemon's records
    /// say was in force.
    pub fn definition(&self) -> String {
        // Plain structs of strings and integers cannot fail to serialize.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`Rules::definition`] wrote; `None` for anything else.
    pub fn from_definition(text: &str) -> Option<Self> {
        let rules: Self = serde_json::from_str(text).ok()?;
        (rules.definition() == text).then_some(rules)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        let what =
            |event_type: &str| Match { event_type: vec![event_type.into()], ..Match::default() };
        Rules {
            keep_days: 90,
            rules: vec![
                Rule { what: what("trade.test"), keep_days: 1 },
                Rule { what: what("trade.*"), keep_days: 1_826 },
            ],
        }
    }

    fn of_type(event_type: &str) -> Facts<'_> {
        Facts { event_type: Some(event_type), ..Facts::default() }
    }

    #[test]
    fn the_first_rule_that_matches_wins_and_the_default_takes_the_rest() {
        let days = |facts| rules().keep_seconds(&facts) / DAY_SECONDS;
        assert_eq!(days(of_type("trade.test")), 1);
        assert_eq!(days(of_type("trade.order")), 1_826);
        assert_eq!(days(of_type("trades")), 90);
        assert_eq!(days(Facts::default()), 90);
        assert_eq!(rules().shortest_seconds(), DAY_SECONDS);
    }

    #[test]
    fn what_would_expire_after_the_end_of_time_never_does() {
        assert_eq!(expires_ns(5, 2), 2_000_000_005);
        for (ts_ns, seconds) in [(i64::MAX, 1), (0, u64::MAX), (0, 10_000_000_000)] {
            assert_eq!(expires_ns(ts_ns, seconds), i64::MAX);
        }
    }

    #[test]
    fn a_definition_reads_back_and_no_other_text_does() {
        let text = rules().definition();
        assert_eq!(Rules::from_definition(&text), Some(rules()));
        assert_eq!(Rules::of_days(90).definition(), r#"{"keep_days":90}"#);
        for bad in ["", "{}", r#"{"keep_days": 90}"#, r#"{"keep_days":90,"more":1}"#] {
            assert_eq!(Rules::from_definition(bad), None, "{bad}");
        }
    }
}
