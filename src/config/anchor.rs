//! `[[anchor]]`: who is given each new checkpoint, so that it is kept off this host.

use std::fmt;
use std::path::{Path, PathBuf};

use super::error::did_you_mean;
use super::expand::escape;
use super::value::{Given, list, number, path, text};

/// The most anchors in one configuration.
const MOST: usize = 16;
/// The keys of each type, `type` itself not among them.
const TYPES: [(&str, &[&str]); 4] = [
    ("file", &["path"]),
    ("journal", &[]),
    ("exec", &["command", "timeout_seconds"]),
    ("witness", &["url", "vkey", "timeout_seconds"]),
];
const EXEC_SECONDS: u64 = 30;
const WITNESS_SECONDS: u64 = 10;

/// One `[[anchor]]`. Shown as the name it has in `auditlog status`, which no other anchor has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// Appends to a file.
    File {
        /// The file; absolute.
        path: PathBuf,
    },
    /// Writes to the system's journal.
    Journal,
    /// Runs a program.
    Exec {
        /// The program, absolute, and its arguments.
        command: Vec<String>,
        /// How long it may run, seconds.
        timeout_seconds: u64,
    },
    /// Asks a witness for its cosignature (C2SP tlog-witness).
    Witness {
        /// The submission prefix: `https://…`, or `http://…` on this host.
        url: String,
        /// The witness's verifier key: `<name>+<key id>+<base64>`.
        vkey: String,
        /// How long one request may take, seconds.
        timeout_seconds: u64,
    },
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Anchor::File { path } => write!(f, "file {}", path.display()),
            Anchor::Journal => f.write_str("journal"),
            Anchor::Exec { command, .. } => write!(f, "exec {}", command.join(" ")),
            // Name and key id; the key itself says nothing more to a person.
            Anchor::Witness { vkey, .. } => {
                let mut parts = vkey.split('+');
                let (name, id) = (parts.next().unwrap_or_default(), parts.next());
                write!(f, "witness {name}+{}", id.unwrap_or_default())
            }
        }
    }
}

/// What is wrong with an anchor, and with which of its keys.
#[derive(Debug)]
pub(super) enum Problem {
    /// There is no such key; what was probably meant.
    Unknown { key: String, hint: String },
    /// The key's value cannot be used: to be read after the key.
    Value { key: &'static str, problem: String },
}

/// Makes an anchor of the keys of one `[[anchor]]`.
pub(super) fn parse(given: &[(String, Given)]) -> Result<Anchor, Problem> {
    let value = |key: &'static str| given.iter().find(|(name, _)| name == key).map(|(_, v)| v);
    let wrong = |key: &'static str| move |problem: String| Problem::Value { key, problem };
    let needed = |key: &'static str| value(key).ok_or_else(|| wrong(key)("is missing".into()));
    let kind = text(needed("type")?).map_err(wrong("type"))?;
    let Some((kind, keys)) = TYPES.into_iter().find(|(name, _)| *name == kind) else {
        let hint = did_you_mean(kind, TYPES.into_iter().map(|(name, _)| name));
        let problem = format!("must be file, journal, exec or witness, not {kind:?}{hint}");
        return Err(Problem::Value { key: "type", problem });
    };
    let known = |name: &str| name == "type" || keys.contains(&name);
    if let Some((name, _)) = given.iter().find(|(name, _)| !known(name)) {
        return Err(Problem::Unknown { key: name.clone(), hint: hint(name, kind, keys) });
    }
    let seconds = |default, most| match value("timeout_seconds") {
        Some(given) => number(given, 1, most).map_err(wrong("timeout_seconds")),
        None => Ok(default),
    };
    Ok(match kind {
        "file" => {
            let given = text(needed("path")?).and_then(|given| path("path", given));
            Anchor::File { path: given.map_err(wrong("path"))?.into() }
        }
        "exec" => Anchor::Exec {
            command: list(needed("command")?).and_then(command).map_err(wrong("command"))?,
            timeout_seconds: seconds(EXEC_SECONDS, 3_600)?,
        },
        "witness" => Anchor::Witness {
            url: text(needed("url")?).and_then(url).map_err(wrong("url"))?,
            vkey: text(needed("vkey")?).map_err(wrong("vkey"))?.to_owned(),
            timeout_seconds: seconds(WITNESS_SECONDS, 300)?,
        },
        _ => Anchor::Journal,
    })
}

fn hint(name: &str, kind: &str, keys: &'static [&'static str]) -> String {
    match TYPES.into_iter().find(|(_, keys)| keys.contains(&name)) {
        Some((owner, _)) => format!("; it belongs to type {owner}, and this one is of type {kind}"),
        None => did_you_mean(name, keys.iter().copied().chain(["type"])),
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

/// Plain HTTP never leaves the host: whoever sits on the way could keep the checkpoint from arriving.
fn url(given: &str) -> Result<String, String> {
    let form = || format!("must be like \"https://witness.example/prefix\", not {given:?}");
    let uri: ureq::http::Uri = given.parse().map_err(|_| form())?;
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(form)?;
    if uri.query().is_some() || given.contains(['#', '@']) {
        return Err(form());
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let loopback = bare == "localhost"
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match uri.scheme_str() {
        Some("https") => Ok(given.trim_end_matches('/').to_owned()),
        Some("http") if loopback => Ok(given.trim_end_matches('/').to_owned()),
        Some("http") => Err(format!("must begin with https:// for another host, not {given:?}")),
        _ => Err(form()),
    }
}

/// What no anchor can be blamed for alone; `own` are the directories of the log.
pub(super) fn check_together(anchors: &[Anchor], own: [&Path; 2]) -> Result<(), String> {
    if anchors.len() > MOST {
        return Err(format!("there are {} [[anchor]] tables, and at most {MOST}", anchors.len()));
    }
    for (i, anchor) in anchors.iter().enumerate() {
        let name = anchor.to_string();
        if anchors[..i].iter().any(|other| other.to_string() == name) {
            return Err(format!("there are two [[anchor]] tables for `{name}`; leave one out"));
        }
        // Through a link it shows only when the file is opened.
        if let Anchor::File { path } = anchor
            && own.iter().any(|dir| path.starts_with(dir))
        {
            return Err(format!(
                "the anchor `{name}` is with the log itself, where it would vouch for nothing; name a file elsewhere"
            ));
        }
    }
    Ok(())
}

/// The anchor as a table that [`parse`] reads back.
pub(super) fn to_toml(anchor: &Anchor) -> String {
    let string = |text: &str| toml::Value::String(escape(text));
    let seconds = |n: &u64| format!("timeout_seconds = {n}\n");
    let body = match anchor {
        Anchor::File { path } => {
            format!("type = \"file\"\npath = {}\n", string(&path.to_string_lossy()))
        }
        Anchor::Journal => "type = \"journal\"\n".into(),
        Anchor::Exec { command, timeout_seconds } => {
            let command = toml::Value::Array(command.iter().map(|part| string(part)).collect());
            format!("type = \"exec\"\ncommand = {command}\n{}", seconds(timeout_seconds))
        }
        Anchor::Witness { url, vkey, timeout_seconds } => format!(
            "type = \"witness\"\nurl = {}\nvkey = {}\n{}",
            string(url),
            string(vkey),
            seconds(timeout_seconds)
        ),
    };
    format!("\n[[anchor]]\n{body}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_witness_is_named_by_name_and_key_id_whatever_stands_in_the_key() {
        let witness = |vkey: &str| {
            let (url, vkey) = ("https://w".into(), vkey.into());
            Anchor::Witness { url, vkey, timeout_seconds: 1 }.to_string()
        };
        assert_eq!(witness("w.example/1+987aef4a+BND+lG+By"), "witness w.example/1+987aef4a");
        assert_eq!(witness("w"), "witness w+");
    }
}
