//! One TOML file, as a list of keys with what was given for each, and the tables of which there may be several.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Origin, did_you_mean};
use super::expand::expand;
use super::key::{KEYS, Key, TABLES};
use super::table::{Problem, Table};
use super::value::Given;
use super::{Anchor, Archive, anchor, archive, retention};
use crate::retention::Rule;

/// A key and what was given for it.
pub(super) struct Assignment {
    pub key: &'static Key,
    pub given: Given,
    pub origin: Origin,
}

/// What a file holds.
#[derive(Default)]
pub(super) struct Contents {
    pub assignments: Vec<Assignment>,
    /// Each with its place, since some mistakes show only in the order of them all.
    pub rules: Vec<(Origin, Rule)>,
    pub archives: Vec<Archive>,
    pub anchors: Vec<Anchor>,
}

/// Reads the text of a file. `variable` gives the environment that strings may refer to.
pub(super) fn read(
    path: &Path,
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Contents, ConfigError> {
    let reader = Reader { path, text, variable };
    let document = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        origin: reader.origin(error.span().map_or(0, |span| span.start)),
        message: error.message().lines().collect::<Vec<_>>().join(", "),
    })?;
    let mut found = Contents::default();
    for (name, value) in in_order(document.get_ref()) {
        match value.get_ref() {
            DeValue::Table(inside) if TABLES.contains(&&**name.get_ref()) => {
                for (inner, value) in in_order(inside) {
                    found.assignments.push(reader.assignment(name.get_ref(), inner, value)?);
                }
            }
            given => match &**name.get_ref() {
                "retention" => found.rules.extend(reader.tables(name, given, retention::parse)?),
                "archive" => {
                    found.archives.extend(second(reader.tables(name, given, archive::parse)?))
                }
                "anchor" => {
                    found.anchors.extend(second(reader.tables(name, given, anchor::parse)?))
                }
                _ => found.assignments.push(reader.assignment("", name, value)?),
            },
        }
    }
    Ok(found)
}

/// The names of the tables of which there may be several.
const SEVERAL: [&str; 3] = ["retention", "archive", "anchor"];

/// Makes something of one table.
type Parse<T> = fn(&Table<'_>) -> Result<T, Problem>;

type Name<'i> = Spanned<std::borrow::Cow<'i, str>>;

/// The entries as they stand in the file: the first mistake is reported first.
fn in_order<'t, 'i>(table: &'t DeTable<'i>) -> Vec<(&'t Name<'i>, &'t Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}

struct Reader<'r> {
    path: &'r Path,
    text: &'r str,
    variable: &'r dyn Fn(&str) -> Option<String>,
}

impl Reader<'_> {
    fn origin(&self, offset: usize) -> Origin {
        let before = self.text.as_bytes().get(..offset).unwrap_or_default();
        let line = 1 + memchr::memchr_iter(b'\n', before).count();
        Origin::File { path: self.path.to_path_buf(), line }
    }

    fn assignment(
        &self,
        table: &str,
        name: &Name<'_>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Assignment, ConfigError> {
        let origin = self.origin(name.span().start);
        let Some(key) = Key::find(table, name.get_ref()) else {
            return Err(unknown(origin, table, name.get_ref(), value.get_ref().is_table()));
        };
        match self.given(value.get_ref()) {
            Ok(given) => Ok(Assignment { key, given, origin }),
            Err(problem) => Err(ConfigError::Value { origin, key: key.path(), problem }),
        }
    }

    /// The tables of one name, each with the line of its first key.
    fn tables<T>(
        &self,
        name: &Name<'_>,
        value: &DeValue<'_>,
        parse: Parse<T>,
    ) -> Result<Vec<(Origin, T)>, ConfigError> {
        let origin = self.origin(name.span().start);
        let name = name.get_ref();
        let tables = match value {
            DeValue::Array(tables) => tables.iter().map(|table| table.get_ref().as_table()),
            _ => return Err(not_several(origin, name)),
        };
        let tables: Option<Vec<_>> = tables.collect();
        let tables = tables.ok_or_else(|| not_several(origin, name))?;
        tables.into_iter().map(|table| self.table(name, table, parse)).collect()
    }

    fn table<T>(
        &self,
        table: &str,
        keys: &DeTable<'_>,
        parse: Parse<T>,
    ) -> Result<(Origin, T), ConfigError> {
        let entries = in_order(keys);
        let line = |key: &str| {
            let entry = entries.iter().find(|(name, _)| name.get_ref() == key);
            self.origin(entry.or(entries.first()).map_or(0, |(name, _)| name.span().start))
        };
        let mut given = Vec::new();
        for (name, value) in &entries {
            let key = name.get_ref().to_string();
            let value = self.given(value.get_ref()).map_err(|problem| ConfigError::Value {
                origin: line(&key),
                key: format!("{table}.{key}"),
                problem,
            })?;
            given.push((key, value));
        }
        let made = parse(&Table(&given)).map_err(|problem| match problem {
            Problem::Unknown { key, hint } => {
                let (origin, name) = (line(&key), format!("{table}.{key}"));
                ConfigError::Unknown { origin, what: "key", name, hint }
            }
            Problem::Value { key, problem } => {
                ConfigError::Value { origin: line(key), key: format!("{table}.{key}"), problem }
            }
            Problem::Whole(problem) => {
                ConfigError::Value { origin: line(""), key: format!("[[{table}]]"), problem }
            }
        })?;
        Ok((line(""), made))
    }

    fn given(&self, value: &DeValue<'_>) -> Result<Given, String> {
        Ok(match value {
            DeValue::String(text) => Given::Text(expand(text, self.variable)?),
            DeValue::Integer(n) => Given::Integer(integer(n)),
            DeValue::Boolean(flag) => Given::Flag(*flag),
            DeValue::Array(items)
                if items.iter().any(|item| item.get_ref().as_integer().is_some()) =>
            {
                let numbers = items.iter().map(|item| item.get_ref().as_integer());
                match numbers.map(|n| Some(integer(n?))).collect() {
                    Some(numbers) => Given::Numbers(numbers),
                    None => Given::Other("a list of numbers and other things"),
                }
            }
            DeValue::Array(items) => {
                let texts = items.iter().map(|item| item.get_ref().as_str());
                match texts.collect::<Option<Vec<_>>>() {
                    Some(texts) => Given::List(
                        texts
                            .into_iter()
                            .map(|t| expand(t, self.variable))
                            .collect::<Result<_, _>>()?,
                    ),
                    None => Given::Other("a list that holds more than strings"),
                }
            }
            other => Given::Other(article(other)),
        })
    }
}

fn second<A, B>(pairs: Vec<(A, B)>) -> impl Iterator<Item = B> {
    pairs.into_iter().map(|(_, second)| second)
}

/// One that is too large for any key is the largest.
fn integer(n: &toml::de::DeInteger<'_>) -> i128 {
    i128::from_str_radix(n.as_str(), n.radix()).unwrap_or(i128::MAX)
}

fn not_several(origin: Origin, name: &str) -> ConfigError {
    let problem = format!("must be tables: write [[{name}]] before the keys of each");
    ConfigError::Value { origin, key: name.into(), problem }
}

fn article(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn unknown(origin: Origin, table: &str, name: &str, is_table: bool) -> ConfigError {
    let inside = KEYS.iter().filter(|key| key.table == table).map(|key| key.name);
    let mut elsewhere = KEYS.iter().filter(|key| key.name == name).map(|key| match key.table {
        "" => "at the top of the file, before the first table".to_string(),
        table => format!("in [{table}]"),
    });
    let top = table.is_empty();
    let (what, hint) = match elsewhere.next() {
        Some(place) => {
            ("key", elsewhere.fold(format!("; it belongs {place}"), |a, b| a + " or " + &b))
        }
        None if top && TABLES.contains(&name) => {
            ("key", format!("; it is a table: write [{name}]"))
        }
        None if top && is_table => ("table", did_you_mean(name, TABLES.into_iter().chain(SEVERAL))),
        None if top => ("key", did_you_mean(name, inside.chain(TABLES).chain(SEVERAL))),
        None => ("key", did_you_mean(name, inside)),
    };
    let name = if top { name.to_string() } else { format!("{table}.{name}") };
    ConfigError::Unknown { origin, what, name, hint }
}
