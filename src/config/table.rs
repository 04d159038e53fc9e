//! `[[anchor]]`, `[[archive]]` and `[[retention]]`: tables of which there may be several. What they share.

use std::path::Path;

use super::error::did_you_mean;
use super::expand::escape;
use super::value::{Given, list, number, text};

/// What is wrong with a table, and with which of its keys.
#[derive(Debug)]
pub(super) enum Problem {
    /// There is no such key; what was probably meant.
    Unknown { key: String, hint: String },
    /// The key's value cannot be used: to be read after the key.
    Value { key: &'static str, problem: String },
    /// It is the table as a whole: to be read after its name.
    Whole(String),
}

/// The types of a table, and the keys of each, `type` and those of all not among them.
pub(super) type Types = [(&'static str, &'static [&'static str])];

/// One table as it was given.
pub(super) struct Table<'g>(pub &'g [(String, Given)]);

impl Table<'_> {
    /// What was given for a key.
    pub fn value(&self, key: &str) -> Option<&Given> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, given)| given)
    }

    /// The value of a key that has to be there, as `read` makes it.
    pub fn needed<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&Given) -> Result<T, String>,
    ) -> Result<T, Problem> {
        let given = self.value(key).ok_or_else(|| "is missing".to_string());
        given.and_then(read).map_err(|problem| Problem::Value { key, problem })
    }

    /// The same of one that may be left out.
    pub fn or<T>(
        &self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&Given) -> Result<T, String>,
    ) -> Result<T, Problem> {
        let read = self.value(key).map_or(Ok(default), read);
        read.map_err(|problem| Problem::Value { key, problem })
    }

    /// `timeout_seconds`.
    pub fn timeout(&self, default: u64, most: u64) -> Result<u64, Problem> {
        self.or("timeout_seconds", default, |given| number(given, 1, most))
    }

    /// `command`: a program with its arguments.
    pub fn command(&self) -> Result<Vec<String>, Problem> {
        self.needed("command", |given| list(given).and_then(command))
    }

    /// Refuses keys that are not among these.
    pub fn only(
        &self,
        keys: &[&'static str],
        hint: impl Fn(&str) -> String,
    ) -> Result<(), Problem> {
        match self.0.iter().find(|(name, _)| !keys.contains(&name.as_str())) {
            Some((name, _)) => Err(Problem::Unknown { key: name.clone(), hint: hint(name) }),
            None => Ok(()),
        }
    }

    /// The table's type, which has to be there; keys of other types are refused. `all`: the keys that every
    /// type has.
    pub fn kind(
        &self,
        types: &'static Types,
        all: &[&'static str],
    ) -> Result<&'static str, Problem> {
        let names = || types.iter().map(|(name, _)| *name);
        let (kind, keys) = self.needed("type", |given| {
            let given = text(given)?;
            let found = types.iter().find(|(name, _)| *name == given);
            found.copied().ok_or_else(|| {
                let hint = did_you_mean(given, names());
                format!("must be {}, not {given:?}{hint}", one_of(&names().collect::<Vec<_>>()))
            })
        })?;
        let own: Vec<_> = keys.iter().chain(all).copied().chain(["type"]).collect();
        self.only(&own, |name| match types.iter().find(|(_, keys)| keys.contains(&name)) {
            Some((owner, _)) => {
                format!("; it belongs to type {owner}, and this one is of type {kind}")
            }
            None => did_you_mean(name, own.iter().copied()),
        })?;
        Ok(kind)
    }
}

/// `a, b or c`.
fn one_of(names: &[&str]) -> String {
    match names {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => names.concat(),
    }
}

fn command(command: Vec<String>) -> Result<Vec<String>, String> {
    match command.first() {
        Some(program) if !Path::new(program).is_absolute() => {
            Err(format!("must begin with the absolute path of a program, not {program:?}"))
        }
        None => Err("must name a program".into()),
        _ if command.iter().any(|part| part.contains('\0')) => Err("must not hold NUL".into()),
        _ => Ok(command),
    }
}

/// What no table can be blamed for alone: too many, or two of one name.
pub(super) fn check_names(table: &str, names: &[String], most: usize) -> Result<(), String> {
    check_count(table, names.len(), most)?;
    for (i, name) in names.iter().enumerate() {
        if names[..i].contains(name) {
            return Err(format!("there are two [[{table}]] tables for `{name}`; leave one out"));
        }
    }
    Ok(())
}

/// Too many of them.
pub(super) fn check_count(table: &str, count: usize, most: usize) -> Result<(), String> {
    match count > most {
        true => Err(format!("there are {count} [[{table}]] tables, and at most {most}")),
        false => Ok(()),
    }
}

/// A string as TOML that reads back to it.
pub(super) fn string(text: &str) -> toml::Value {
    toml::Value::String(escape(text))
}

/// Strings as a TOML list.
pub(super) fn strings(list: &[String]) -> toml::Value {
    toml::Value::Array(list.iter().map(|text| string(text)).collect())
}

/// The keys of a program that is run.
pub(super) fn exec_to_toml(command: &[String], timeout_seconds: u64) -> String {
    format!("command = {}\ntimeout_seconds = {timeout_seconds}\n", strings(command))
}
