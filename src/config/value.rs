//! From what was given for a key to its value, and back to TOML.

use std::path::Path;

use super::error::did_you_mean;
use super::expand::escape;
use super::key::{Key, Kind};
use super::{Compression, Config, LogLevel, Overflow, presets};
use crate::event::{Column, FieldMap};

/// The longest address of a Unix socket, bytes.
pub(super) const MAX_SOCKET_PATH: usize = 107;

/// A value as it was given.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Given {
    /// A TOML string, expanded.
    Text(String),
    /// A TOML integer; one that is too large for any key is the largest.
    Integer(i128),
    /// `true` or `false`.
    Flag(bool),
    /// A TOML array of strings, expanded.
    List(Vec<String>),
    /// A TOML array of integers.
    Numbers(Vec<i128>),
    /// A TOML value that no key takes: what it is, with its article.
    Other(&'static str),
    /// The content of an environment variable, which has no type of its own.
    Variable(String),
}

/// What is wrong with a value, to be read after the key.
type Problem = String;

impl Key {
    /// Checks the value and puts it in its place.
    pub(super) fn apply(&self, config: &mut Config, given: &Given) -> Result<(), Problem> {
        match self.kind {
            Kind::Path(at) => *at(config) = path(self.name, text(given)?)?.into(),
            Kind::Mode(at) => *at(config) = mode(text(given)?)?,
            Kind::Group(at) => *at(config) = group(text(given)?)?,
            Kind::Level(at) => *at(config) = level(text(given)?)?,
            Kind::Flag(at) => *at(config) = flag(given)?,
            Kind::Compression(at) => *at(config) = compression(text(given)?)?,
            Kind::Overflow(at) => *at(config) = overflow(text(given)?)?,
            Kind::Number(at, least, greatest) => {
                at(config).set(number(given, least, greatest)?);
            }
            Kind::OrNever(at, least, greatest) => {
                let given = match number(given, 0, 0) {
                    Ok(never) => Ok(never),
                    Err(_) => number(given, least, greatest),
                };
                at(config)
                    .set(given.map_err(|problem| format!("{problem}; or 0 to switch it off"))?);
            }
            Kind::Uids(at) => *at(config) = uids(given)?,
            Kind::Columns(at) => *at(config) = columns(list(given)?)?,
            Kind::Preset => config.fields = presets::find(text(given)?)?.fields(),
            Kind::Pointers(column) => {
                let list = pointers(column, list(given)?)?;
                let place = config.fields.pointers.iter_mut().find(|(c, _)| c == column.name());
                if let Some((_, old)) = place {
                    *old = list;
                }
            }
            Kind::FailureIfPresent => {
                let list = list(given)?;
                FieldMap::new(&[], &list, &[]).map_err(|error| format!("is refused: {error}"))?;
                config.fields.failure_if_present = list;
            }
        }
        Ok(())
    }

    /// The value in force, as TOML. Nothing is changed; a key's place is reached for writing only.
    pub(super) fn show(&self, config: &mut Config) -> toml::Value {
        let string = |text: &str| toml::Value::String(escape(text));
        let strings = |list: &[String]| list.iter().map(|s| string(s)).collect();
        match self.kind {
            Kind::Path(at) => string(&at(config).to_string_lossy()),
            Kind::Mode(at) => string(&format!("{:04o}", at(config))),
            Kind::Group(at) => string(at(config).as_deref().unwrap_or_default()),
            Kind::Level(at) => string(at(config).as_str()),
            Kind::Flag(at) => toml::Value::Boolean(*at(config)),
            Kind::Compression(at) => string(at(config).as_str()),
            Kind::Overflow(at) => string(at(config).as_str()),
            // No range reaches beyond what TOML's integers hold.
            Kind::Number(at, ..) | Kind::OrNever(at, ..) => {
                toml::Value::Integer(at(config).get() as i64)
            }
            Kind::Uids(at) => {
                let uids = at(config).iter().map(|uid| toml::Value::Integer(i64::from(*uid)));
                toml::Value::Array(uids.collect())
            }
            Kind::Columns(at) => toml::Value::Array(strings(at(config))),
            Kind::Preset => string(&config.fields.preset),
            Kind::Pointers(column) => {
                let list = config.fields.pointers.iter().find(|(c, _)| c == column.name());
                toml::Value::Array(list.map(|(_, list)| strings(list)).unwrap_or_default())
            }
            Kind::FailureIfPresent => {
                toml::Value::Array(strings(&config.fields.failure_if_present))
            }
        }
    }
}

pub(super) fn text(given: &Given) -> Result<&str, Problem> {
    match given {
        Given::Text(text) | Given::Variable(text) => Ok(text),
        other => Err(format!("must be a string in quotes, not {}", describe(other))),
    }
}

fn describe(given: &Given) -> &'static str {
    match given {
        Given::Text(_) | Given::Variable(_) => "a string",
        Given::Integer(_) => "a number",
        Given::Flag(_) => "true or false",
        Given::List(_) => "a list",
        Given::Numbers(_) => "a list that holds more than strings",
        Given::Other(what) => what,
    }
}

pub(super) fn number(given: &Given, least: u64, greatest: u64) -> Result<u64, Problem> {
    let range = format!("must be a whole number from {least} to {greatest}");
    let number = match given {
        Given::Integer(number) => *number,
        Given::Variable(text) => {
            text.trim().parse().map_err(|_not_a_number| format!("{range}, not {text:?}"))?
        }
        other => return Err(format!("{range} without quotes, not {}", describe(other))),
    };
    let value = u64::try_from(number).ok().filter(|n| (least..=greatest).contains(n));
    value.ok_or_else(|| format!("{range}, not {number}"))
}

/// Whole numbers; a single one is a list of one.
pub(super) fn numbers(given: &Given, greatest: u32) -> Result<Vec<u32>, Problem> {
    let wanted = format!("must be a whole number from 0 to {greatest}, or a list of them");
    let numbers = match given {
        Given::Integer(number) => std::slice::from_ref(number),
        Given::Numbers(numbers) => numbers,
        Given::List(_) => return Err(format!("{wanted}, not a list of strings")),
        other => return Err(format!("{wanted}, not {}", describe(other))),
    };
    let one = |n: &i128| u32::try_from(*n).ok().filter(|n| *n <= greatest);
    numbers.iter().map(|n| one(n).ok_or_else(|| format!("{wanted}, not {n}"))).collect()
}

/// Users; a variable is split at commas.
fn uids(given: &Given) -> Result<Vec<u32>, Problem> {
    let given = match given {
        Given::List(empty) if empty.is_empty() => Given::Numbers(Vec::new()),
        Given::Variable(_) => {
            let one =
                |text: &String| text.parse().map_err(|_| format!("names {text:?}, not a uid"));
            Given::Numbers(list(given)?.iter().map(one).collect::<Result<_, _>>()?)
        }
        given => given.clone(),
    };
    numbers(&given, u32::MAX)
}

/// `true` or `false`.
pub(super) fn flag(given: &Given) -> Result<bool, Problem> {
    match given {
        Given::Flag(flag) => Ok(*flag),
        Given::Variable(text) => {
            text.parse().map_err(|_| format!("must be true or false, not {text:?}"))
        }
        other => Err(format!("must be true or false without quotes, not {}", describe(other))),
    }
}

/// A list; a single string is a list of one, and a variable is split at commas.
pub(super) fn list(given: &Given) -> Result<Vec<String>, Problem> {
    match given {
        Given::List(list) => Ok(list.clone()),
        Given::Text(text) => Ok(vec![text.clone()]),
        Given::Variable(text) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Ok(items.map(String::from).collect())
        }
        other => Err(format!("must be a list of strings, not {}", describe(other))),
    }
}

pub(super) fn path<'t>(name: &str, text: &'t str) -> Result<&'t str, Problem> {
    if !Path::new(text).is_absolute() {
        return Err(format!("must be an absolute path, not {text:?}"));
    }
    if text.contains('\0') {
        return Err(format!("must be a path without NUL, not {text:?}"));
    }
    if name == "socket" && text.len() > MAX_SOCKET_PATH {
        let bytes = text.len();
        return Err(format!("is {text:?} with {bytes} bytes, but a socket's path has at most 107"));
    }
    Ok(text)
}

fn mode(text: &str) -> Result<u32, Problem> {
    let octal = !text.is_empty() && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
    let mode = octal.then(|| u32::from_str_radix(text, 8).ok()).flatten();
    mode.filter(|mode| *mode <= 0o777).ok_or_else(|| {
        format!("must be permission bits in octal, as in \"0666\" or \"0660\", not {text:?}")
    })
}

fn group(text: &str) -> Result<Option<String>, Problem> {
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, ':' | '/' | ','))
    {
        return Err(format!("must be the name of a group, not {text:?}"));
    }
    Ok((!text.is_empty()).then(|| text.to_string()))
}

fn level(text: &str) -> Result<LogLevel, Problem> {
    let level = LogLevel::ALL.into_iter().find(|level| level.as_str().eq_ignore_ascii_case(text));
    level.ok_or_else(|| {
        let hint = did_you_mean(text, LogLevel::ALL.iter().map(|level| level.as_str()));
        format!("must be error, warn, info, debug or trace, not {text:?}{hint}")
    })
}

fn compression(text: &str) -> Result<Compression, Problem> {
    let found = Compression::ALL.into_iter().find(|one| one.as_str() == text);
    found.ok_or_else(|| format!("must be zstd, gzip or none, not {text:?}"))
}

fn overflow(text: &str) -> Result<Overflow, Problem> {
    let found = Overflow::ALL.into_iter().find(|one| one.as_str() == text);
    found.ok_or_else(|| format!("must be block, refuse or stderr, not {text:?}"))
}

fn columns(list: Vec<String>) -> Result<Vec<String>, Problem> {
    for (i, name) in list.iter().enumerate() {
        if Column::from_name(name).is_none() {
            let hint = did_you_mean(name, Column::ALL.into_iter().map(Column::name));
            return Err(format!("names {name:?}, which is no column{hint}"));
        }
        if list[..i].contains(name) {
            return Err(format!("names {name:?} twice"));
        }
    }
    Ok(list)
}

fn pointers(column: Column, list: Vec<String>) -> Result<Vec<String>, Problem> {
    let lists = [(column.name().to_string(), list)];
    FieldMap::new(&lists, &[], &[]).map_err(|error| format!("is refused: {error}"))?;
    let [(_, list)] = lists;
    Ok(list)
}
