//! `[[retention]]`: for how long events are kept that are not kept for as long as the others.

use super::error::did_you_mean;
use super::table::{Problem, Table, check_count, string, strings};
use super::value::{Given, list, number, numbers};
use crate::retention::{Match, Rule, Rules};

/// The most rules in one configuration.
const MOST: usize = 64;
/// The keys: the conditions, and what follows from them.
const KEYS: [&str; 9] = [
    "event_type",
    "source",
    "actor",
    "target",
    "session_id",
    "correlation_id",
    "unit",
    "uid",
    "keep_days",
];
const KEEP_DAYS: (u64, u64) = (1, 36_500);

/// Makes a rule of one `[[retention]]`.
pub(super) fn parse(table: &Table<'_>) -> Result<Rule, Problem> {
    table.only(&KEYS, |name| did_you_mean(name, KEYS.into_iter()))?;
    let texts = |key| table.or(key, Vec::new(), values);
    let what = Match {
        event_type: texts("event_type")?,
        source: texts("source")?,
        actor: texts("actor")?,
        target: texts("target")?,
        session_id: texts("session_id")?,
        correlation_id: texts("correlation_id")?,
        unit: texts("unit")?,
        uid: table.or("uid", Vec::new(), |given| numbers(given, u32::MAX))?,
    };
    if what.is_empty() {
        let conditions = KEYS[..8].join(", ");
        let problem = format!(
            "has no condition, one of {conditions}; for all other events set `keep_days` in [maintenance]"
        );
        return Err(Problem::Whole(problem));
    }
    if let Some(name) = what.unit.iter().find(|name| !name.contains(['.', '*'])) {
        let problem = format!("has {name:?}, which no unit is called; write \"{name}.service\"");
        return Err(Problem::Value { key: "unit", problem });
    }
    what.check().map_err(|(key, problem)| Problem::Value { key, problem })?;
    let days = |given: &Given| number(given, KEEP_DAYS.0, KEEP_DAYS.1);
    Ok(Rule { what, keep_days: table.needed("keep_days", days)? })
}

/// A condition that is there asks for something.
fn values(given: &Given) -> Result<Vec<String>, String> {
    let list = list(given)?;
    match list.is_empty() {
        true => Err("is an empty list, which no event meets; leave it out".into()),
        false => Ok(list),
    }
}

/// What no rule can be blamed for alone; which one it is, and the problem.
pub(super) fn check_together(rules: &[Rule]) -> Result<(), (usize, String)> {
    check_count("retention", rules.len(), MOST).map_err(|problem| (MOST, problem))?;
    for (i, rule) in rules.iter().enumerate() {
        if let Some(first) = rules[..i].iter().position(|other| other.what.covers(&rule.what)) {
            let problem = format!(
                "can never match: the first that matches counts, and rule {} before it takes all that this one, \
                 rule {}, is about; put this one before it, or leave it out",
                first + 1,
                i + 1
            );
            return Err((i, problem));
        }
    }
    let together = Rules { keep_days: KEEP_DAYS.1, rules: rules.to_vec() };
    together.check().map_err(|problem| (rules.len().saturating_sub(1), problem))
}

/// The rule as a table that [`parse`] reads back.
pub(super) fn to_toml(rule: &Rule) -> String {
    let mut out = "\n[[retention]]\n".to_string();
    for (name, values) in rule.what.texts() {
        match values.as_slice() {
            [] => {}
            [one] => out += &format!("{name} = {}\n", string(one)),
            _ => out += &format!("{name} = {}\n", strings(values)),
        }
    }
    match rule.what.uid.as_slice() {
        [] => {}
        [one] => out += &format!("uid = {one}\n"),
        uids => out += &format!("uid = {uids:?}\n"),
    }
    out + &format!("keep_days = {}\n", rule.keep_days)
}
