//! Which events a rule or a hold is about.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The most values of one condition.
pub const MOST_VALUES: usize = 32;
/// The longest of them, bytes.
pub const LONGEST_VALUE: usize = 256;

/// What rules and holds look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts<'a> {
    /// What happened.
    pub event_type: Option<&'a str>,
    /// The app that reported it.
    pub source: Option<&'a str>,
    /// Who acted.
    pub actor: Option<&'a str>,
    /// What it was done to.
    pub target: Option<&'a str>,
    /// The session it belongs to.
    pub session_id: Option<&'a str>,
    /// The request or trace it belongs to.
    pub correlation_id: Option<&'a str>,
    /// The sender's systemd unit.
    pub unit: Option<&'a str>,
    /// The sender's user.
    pub uid: Option<u32>,
}

/// Conditions, all of which an event has to meet; of the values of one condition any will do, and one that is
/// empty asks for nothing. In a string, `*` stands for any run of characters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Match {
    /// What happened.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub event_type: Vec<String>,
    /// The app that reported it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub source: Vec<String>,
    /// Who acted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actor: Vec<String>,
    /// What it was done to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub target: Vec<String>,
    /// The session it belongs to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub session_id: Vec<String>,
    /// The request or trace it belongs to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub correlation_id: Vec<String>,
    /// The sender's systemd unit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unit: Vec<String>,
    /// The sender's user.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uid: Vec<u32>,
}

impl Match {
    /// Whether it is within what rules and holds may ask for; the condition and what is wrong with it, if not.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let counts = self.texts().map(|(name, values)| (name, values.len()));
        for (name, count) in counts.into_iter().chain([("uid", self.uid.len())]) {
            if count > MOST_VALUES {
                return Err((
                    name,
                    format!("has {count} values, and at most {MOST_VALUES} are taken"),
                ));
            }
        }
        for (name, values) in self.texts() {
            if let Some(long) = values.iter().find(|value| value.len() > LONGEST_VALUE) {
                let what = format!(
                    "has a value of {} bytes, and at most {LONGEST_VALUE} are taken",
                    long.len()
                );
                return Err((name, what));
            }
            if values.iter().any(String::is_empty) {
                return Err((name, "has an empty value, which no event has; leave it out".into()));
            }
        }
        Ok(())
    }

    /// Whether it asks for nothing, so that every event meets it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The conditions on texts, each with its name in the configuration.
    pub fn texts(&self) -> [(&'static str, &Vec<String>); 7] {
        [
            ("event_type", &self.event_type),
            ("source", &self.source),
            ("actor", &self.actor),
            ("target", &self.target),
            ("session_id", &self.session_id),
            ("correlation_id", &self.correlation_id),
            ("unit", &self.unit),
        ]
    }

    /// Whether all events that meet `other` meet this one, too, as far as the patterns show that.
    pub fn covers(&self, other: &Match) -> bool {
        let covered = |patterns: &[String], others: &[String]| {
            let any = |other: &String| patterns.iter().any(|pattern| glob(pattern, other));
            patterns.is_empty() || !others.is_empty() && others.iter().all(any)
        };
        let uid = self.uid.is_empty()
            || !other.uid.is_empty() && other.uid.iter().all(|uid| self.uid.contains(uid));
        let texts = self.texts().into_iter().zip(other.texts());
        uid && texts.into_iter().all(|((_, patterns), (_, others))| covered(patterns, others))
    }

    /// Whether an event meets all conditions. A member that the event lacks meets none.
    pub fn matches(&self, facts: &Facts<'_>) -> bool {
        let found = [
            facts.event_type,
            facts.source,
            facts.actor,
            facts.target,
            facts.session_id,
            facts.correlation_id,
            facts.unit,
        ];
        let meets = |((_, wanted), text): ((_, &Vec<String>), Option<&str>)| {
            wanted.is_empty()
                || text.is_some_and(|text| wanted.iter().any(|pattern| glob(pattern, text)))
        };
        let uid = self.uid.is_empty() || facts.uid.is_some_and(|uid| self.uid.contains(&uid));
        uid && self.texts().into_iter().zip(found).all(meets)
    }
}

/// The conditions for people: `event_type auth.* and actor alice or bob`.
impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uids: Vec<_> = self.uid.iter().map(u32::to_string).collect();
        let all = self.texts().into_iter().chain([("uid", &uids)]);
        let given = all.filter(|(_, values)| !values.is_empty());
        let parts: Vec<_> =
            given.map(|(name, values)| format!("{name} {}", values.join(" or "))).collect();
        match parts.is_empty() {
            true => f.write_str("all events"),
            false => f.write_str(&parts.join(" and ")),
        }
    }
}

/// Whether `text` is what `pattern` describes, in which `*` stands for any run of characters and all else for
/// itself.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, mut rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    // The first place where the part between two stars fits leaves the most room for what follows.
    while let Some((part, after)) = rest.split_once('*') {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
        rest = after;
    }
    text.ends_with(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, text) in
            [("a", "a"), ("*", ""), ("*", "x"), ("a.*", "a."), ("a.*", "a.b.c"), ("*.b", "a.b")]
        {
            assert!(glob(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a*b*c", "aXbYc"), ("a*b*c", "abbc"), ("*a*", "cab"), ("ä*", "äx")]
        {
            assert!(glob(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("a", "ab"), ("", "a"), ("a.*", "a"), ("a*a", "a"), ("a*b*c", "acb"), ("*.b", "b")]
        {
            assert!(!glob(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn all_conditions_must_be_met_and_any_value_of_each_will_do() {
        let what = Match {
            event_type: vec!["auth.*".into(), "login".into()],
            uid: vec![0, 1_000],
            ..Match::default()
        };
        let facts = Facts { event_type: Some("auth.fail"), uid: Some(1_000), ..Facts::default() };
        assert!(what.matches(&facts));
        assert!(what.matches(&Facts { event_type: Some("login"), ..facts }));
        assert!(!what.matches(&Facts { event_type: Some("logout"), ..facts }));
        assert!(!what.matches(&Facts { uid: Some(1), ..facts }));
        assert!(!what.matches(&Facts { uid: None, ..facts }));
        assert!(Match::default().is_empty() && Match::default().matches(&Facts::default()));
    }

    #[test]
    fn one_covers_another_that_asks_for_more() {
        let of = |types: &[&str], uid: &[u32]| Match {
            event_type: types.iter().map(|text| text.to_string()).collect(),
            uid: uid.to_vec(),
            ..Match::default()
        };
        let wide = of(&["a.*", "b"], &[]);
        for narrow in [of(&["a.*"], &[]), of(&["a.x", "b"], &[1]), of(&["a.x*"], &[])] {
            assert!(wide.covers(&narrow), "{narrow:?}");
        }
        for other in [of(&[], &[]), of(&["*"], &[]), of(&["a.x", "c"], &[]), of(&["b*"], &[])] {
            assert!(!wide.covers(&other), "{other:?}");
        }
        assert!(!of(&["b"], &[1]).covers(&of(&["b"], &[1, 2])));
    }

    proptest::proptest! {
        #[test]
        fn a_pattern_made_from_a_text_describes_it(parts: Vec<String>, gaps: Vec<String>) {
            let parts: Vec<_> = parts.iter().map(|part| part.replace('*', "")).collect();
            let gap = |n: usize| gaps.get(n).map_or("", String::as_str);
            let joined = |with: &dyn Fn(usize) -> String| {
                let mut text = String::new();
                for (n, part) in parts.iter().enumerate() {
                    if n > 0 {
                        text += &with(n);
                    }
                    text += part;
                }
                text
            };
            let (pattern, text) = (joined(&|_| "*".into()), joined(&|n| gap(n).into()));
            proptest::prop_assert!(glob(&pattern, &text));
        }
    }
}
