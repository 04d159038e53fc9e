//! `[[anchor]]`: who is given each new checkpoint, so that it is kept off this host.

use std::fmt;
use std::path::{Path, PathBuf};

use super::table::{Problem, Table, Types, check_names, exec_to_toml, string};
use super::value::{path, text};

/// The most anchors in one configuration.
const MOST: usize = 16;
const TYPES: &Types = &[
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

/// Makes an anchor of one `[[anchor]]`.
pub(super) fn parse(table: &Table<'_>) -> Result<Anchor, Problem> {
    Ok(match table.kind(TYPES, &[])? {
        "file" => {
            let file =
                |given: &_| text(given).and_then(|given| path("path", given)).map(Into::into);
            Anchor::File { path: table.needed("path", file)? }
        }
        "exec" => Anchor::Exec {
            command: table.command()?,
            timeout_seconds: table.timeout(EXEC_SECONDS, 3_600)?,
        },
        "witness" => Anchor::Witness {
            url: table.needed("url", |given| text(given).and_then(url))?,
            vkey: table.needed("vkey", |given| text(given).map(str::to_owned))?,
            timeout_seconds: table.timeout(WITNESS_SECONDS, 300)?,
        },
        _ => Anchor::Journal,
    })
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
    let names: Vec<_> = anchors.iter().map(Anchor::to_string).collect();
    check_names("anchor", &names, MOST)?;
    for (anchor, name) in anchors.iter().zip(names) {
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
    let body = match anchor {
        Anchor::File { path } => {
            format!("type = \"file\"\npath = {}\n", string(&path.to_string_lossy()))
        }
        Anchor::Journal => "type = \"journal\"\n".into(),
        Anchor::Exec { command, timeout_seconds } => {
            format!("type = \"exec\"\n{}", exec_to_toml(command, *timeout_seconds))
        }
        Anchor::Witness { url, vkey, timeout_seconds } => format!(
            "type = \"witness\"\nurl = {}\nvkey = {}\ntimeout_seconds = {timeout_seconds}\n",
            string(url),
            string(vkey)
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
