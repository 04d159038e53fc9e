//! Whether a row may go, and what is known of a block after all of its rows were judged.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::index::row::sql_int;
use crate::retention::{DAY_SECONDS, Facts, Hold, Rules, expires_ns};

/// The rules and the time of a job.
pub(super) struct Judge {
    rules: Rules,
    holds: Vec<Hold>,
    believed_ns: i64,
    /// For how long anything is kept, seconds, shortest first.
    keeps: Vec<i64>,
    /// The name of a judgement in which no hold had a part.
    by_rules: String,
    /// The name of one in which they had.
    by_holds: String,
}

/// What becomes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its time is over.
    Goes,
    /// Its time is over, and a hold keeps it.
    Held,
    /// Its time is not over.
    Stays,
}

impl Judge {
    pub(super) fn new(rules: Rules, holds: Vec<Hold>, believed_ns: i64) -> Self {
        let days = rules.rules.iter().map(|rule| rule.keep_days).chain([rules.keep_days]);
        let mut keeps: Vec<_> =
            days.map(|days| sql_int(days.saturating_mul(DAY_SECONDS))).collect();
        keeps.sort_unstable();
        keeps.dedup();
        let definition = rules.definition();
        let held = holds.iter().map(|hold| (&hold.what, hold.since_ns, hold.until_ns));
        // Plain structs of strings and integers cannot fail to serialize.
        let held = serde_json::to_string(&held.collect::<Vec<_>>()).unwrap_or_default();
        let by_rules = digest(&definition);
        let by_holds = digest(&format!("{definition}\n{held}"));
        Self { rules, holds, believed_ns, keeps, by_rules, by_holds }
    }

    pub(super) fn fate(&self, facts: &Facts<'_>, ts_ns: i64) -> Fate {
        if !self.is_over(ts_ns, sql_int(self.rules.keep_seconds(facts))) {
            return Fate::Stays;
        }
        match self.holds.iter().any(|hold| hold.holds(facts, ts_ns)) {
            true => Fate::Held,
            false => Fate::Goes,
        }
    }

    /// The name of a judgement.
    pub(super) fn name(&self, held: bool) -> &str {
        if held { &self.by_holds } else { &self.by_rules }
    }

    /// Whether a judgement of this name still holds.
    pub(super) fn knows(&self, name: &str) -> bool {
        name == self.by_rules || name == self.by_holds
    }

    /// Whether rows of a block may be over whose oldest row is of this time, if those are gone that are kept
    /// no longer than `judged` seconds.
    pub(super) fn may_be_over(&self, first_ts_ns: i64, judged: Option<i64>) -> bool {
        let next = self.keeps.iter().find(|keep| judged.is_none_or(|judged| **keep > judged));
        next.is_some_and(|keep| self.is_over(first_ts_ns, *keep))
    }

    /// The longest keep that is over for every row of a block whose newest row is of this time.
    pub(super) fn over_for_all(&self, last_ts_ns: i64) -> Option<i64> {
        self.keeps.iter().copied().rev().find(|keep| self.is_over(last_ts_ns, *keep))
    }

    fn is_over(&self, ts_ns: i64, keep_seconds: i64) -> bool {
        expires_ns(ts_ns, keep_seconds.unsigned_abs()) <= self.believed_ns
    }
}

fn digest(text: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(text.as_bytes())[..16])
}
