//! `[[archive]]`: who is given each closed segment.

use std::path::{Path, PathBuf};

use super::table::{Problem, Table, Types, check_names, exec_to_toml, string};
use super::value::{flag, path, text};

/// The most archives in one configuration.
const MOST: usize = 16;
const TYPES: &Types = &[("directory", &["path"]), ("exec", &["command", "timeout_seconds"])];
const EXEC_SECONDS: u64 = 3_600;
const MOST_SECONDS: u64 = 86_400;

/// One `[[archive]]`: who is given each closed segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// Whether segments that it has not taken are kept.
    pub required: bool,
    /// Where they go.
    pub to: ArchiveTo,
}

/// Where an archive keeps segments. Shown as the name it has in `auditlog status`, which no other archive has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveTo {
    /// A directory, absolute.
    Directory(PathBuf),
    /// Whatever a program does with the file whose path is its last argument.
    Exec {
        /// The program, absolute, and its first arguments.
        command: Vec<String>,
        /// How long it may run, seconds.
        timeout_seconds: u64,
    },
}

impl std::fmt::Display for ArchiveTo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ArchiveTo::Directory(path) => write!(f, "directory {}", path.display()),
            ArchiveTo::Exec { command, .. } => write!(f, "exec {}", command.join(" ")),
        }
    }
}

/// Makes an archive of one `[[archive]]`.
pub(super) fn parse(table: &Table<'_>) -> Result<Archive, Problem> {
    let to = match table.kind(TYPES, &["required"])? {
        "directory" => {
            let dir = |given: &_| text(given).and_then(|given| path("path", given)).map(Into::into);
            ArchiveTo::Directory(table.needed("path", dir)?)
        }
        _ => ArchiveTo::Exec {
            command: table.command()?,
            timeout_seconds: table.timeout(EXEC_SECONDS, MOST_SECONDS)?,
        },
    };
    Ok(Archive { required: table.or("required", true, flag)?, to })
}

/// What no archive can be blamed for alone; `own` are the directories of the log.
pub(super) fn check_together(archives: &[Archive], own: [&Path; 2]) -> Result<(), String> {
    let names: Vec<_> = archives.iter().map(|archive| archive.to.to_string()).collect();
    check_names("archive", &names, MOST)?;
    for (archive, name) in archives.iter().zip(names) {
        // Through a link it shows only when a file is copied.
        if let ArchiveTo::Directory(path) = &archive.to
            && own.iter().any(|dir| path.starts_with(dir) || dir.starts_with(path))
        {
            return Err(format!(
                "the archive `{name}` is with the log itself, where a copy would be lost with it; name a directory elsewhere"
            ));
        }
    }
    Ok(())
}

/// The archive as a table that [`parse`] reads back.
pub(super) fn to_toml(archive: &Archive) -> String {
    let to = match &archive.to {
        ArchiveTo::Directory(path) => {
            format!("type = \"directory\"\npath = {}\n", string(&path.to_string_lossy()))
        }
        ArchiveTo::Exec { command, timeout_seconds } => {
            format!("type = \"exec\"\n{}", exec_to_toml(command, *timeout_seconds))
        }
    };
    format!("\n[[archive]]\n{to}required = {}\n", archive.required)
}
