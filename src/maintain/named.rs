//! Which rules the log names in the daemon's own records. What they let go by then may be missing in the database,
//! and a verification takes nothing else for retention's work; so no row is deleted that the log does not
//! vouch for yet.

use serde::{Deserialize, Serialize};

use crate::clock::rfc3339;
use crate::record::EarlierRules;
use crate::retention::LONGEST_DEFINITION;

/// How many earlier rules each record names again, and how long their texts are together.
const MOST: usize = 16;
const MOST_BYTES: usize = LONGEST_DEFINITION;

/// Rules that a record names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Naming {
    /// [`crate::retention::Rules::definition`].
    retention: String,
    /// Not after the `ts` of the last record that does, nanoseconds since 1970.
    at_ns: i64,
}

/// What the log names so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// The rules in force.
    now: Option<Naming>,
    /// Those before them, oldest first. Lines whose rows they let go can outlive the records that named them, if
    /// the rules came to keep longer: so each record names them again.
    earlier: Vec<Naming>,
}

impl Named {
    /// When a record named these rules last, if they are still the ones in force.
    pub fn last_ns(&self, retention: &str) -> Option<i64> {
        self.now.as_ref().filter(|now| now.retention == retention).map(|now| now.at_ns)
    }

    /// Whether nothing was named yet.
    pub fn is_empty(&self) -> bool {
        self.now.is_none()
    }

    /// Takes these rules for those in force.
    pub fn change_to(&mut self, retention: &str) {
        let Some(now) = self.now.take_if(|now| now.retention != retention) else { return };
        self.earlier.retain(|naming| naming.retention != now.retention);
        self.earlier.push(now);
        let bytes = |earlier: &[Naming]| -> usize {
            earlier.iter().map(|naming| naming.retention.len()).sum()
        };
        while self.earlier.len() > MOST || bytes(&self.earlier) > MOST_BYTES {
            self.earlier.remove(0);
        }
    }

    /// A record names these rules durably, and was written no earlier than `at_ns`.
    pub fn name(&mut self, retention: String, at_ns: i64) {
        self.change_to(&retention);
        self.now = Some(Naming { retention, at_ns });
    }

    /// What the next record says of those before.
    pub fn earlier(&self) -> Vec<EarlierRules> {
        let say = |naming: &Naming| EarlierRules {
            retention: naming.retention.clone(),
            until: rfc3339(naming.at_ns),
        };
        self.earlier.iter().map(say).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(named: &Named) -> Vec<(String, String)> {
        named.earlier().into_iter().map(|rules| (rules.retention, rules.until)).collect()
    }

    #[test]
    fn rules_that_were_in_force_are_named_again_with_the_last_time_that_they_were() {
        let mut named = Named::default();
        for (rules, at_ns) in [("a", 1), ("a", 2), ("b", 3), ("a", 4), ("c", 5)] {
            named.name(rules.into(), at_ns);
        }
        assert_eq!(named.last_ns("c"), Some(5));
        assert_eq!(named.last_ns("a"), None);
        assert_eq!(texts(&named), [("b".into(), rfc3339(3)), ("a".into(), rfc3339(4))]);
    }

    #[test]
    fn of_many_or_long_ones_the_oldest_are_left_out() {
        let mut named = Named::default();
        (0..100).for_each(|n| named.name(n.to_string(), n));
        assert_eq!(texts(&named).len(), MOST);
        assert_eq!(texts(&named).last(), Some(&("98".into(), rfc3339(98))));
        named.name("x".repeat(MOST_BYTES + 1), 100);
        named.name("y".into(), 101);
        assert_eq!(texts(&named), []);
    }
}
