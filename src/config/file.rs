//! One TOML file, as a list of keys with what was given for each.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Origin, did_you_mean};
use super::expand::expand;
use super::key::{KEYS, Key, TABLES};
use super::value::Given;

/// A key and what was given for it.
pub(super) struct Assignment {
    pub key: &'static Key,
    pub given: Given,
    pub origin: Origin,
}

/// Reads the text of a file. `variable` gives the environment that strings may refer to.
pub(super) fn read(
    path: &Path,
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<Assignment>, ConfigError> {
    let reader = Reader { path, text, variable };
    let document = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        origin: reader.origin(error.span().map_or(0, |span| span.start)),
        message: error.message().lines().collect::<Vec<_>>().join(", "),
    })?;
    let mut found = Vec::new();
    for (name, value) in in_order(document.get_ref()) {
        match value.get_ref() {
            DeValue::Table(inside) if TABLES.contains(&&**name.get_ref()) => {
                for (inner, value) in in_order(inside) {
                    found.push(reader.assignment(name.get_ref(), inner, value)?);
                }
            }
            _ => found.push(reader.assignment("", name, value)?),
        }
    }
    Ok(found)
}

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

    fn given(&self, value: &DeValue<'_>) -> Result<Given, String> {
        Ok(match value {
            DeValue::String(text) => Given::Text(expand(text, self.variable)?),
            DeValue::Integer(n) => {
                let number = i128::from_str_radix(n.as_str(), n.radix());
                Given::Integer(number.unwrap_or(i128::MAX))
            }
            DeValue::Array(items) => {
                let item = |item: &Spanned<DeValue<'_>>| match item.get_ref() {
                    DeValue::String(text) => expand(text, self.variable),
                    other => {
                        Err(format!("must be a list of strings, but holds {}", article(other)))
                    }
                };
                Given::List(items.iter().map(item).collect::<Result<_, _>>()?)
            }
            other => Given::Other(article(other)),
        })
    }
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
        None if top && is_table => ("table", did_you_mean(name, TABLES.into_iter())),
        None if top => ("key", did_you_mean(name, inside.chain(TABLES))),
        None => ("key", did_you_mean(name, inside)),
    };
    let name = if top { name.to_string() } else { format!("{table}.{name}") };
    ConfigError::Unknown { origin, what, name, hint }
}
