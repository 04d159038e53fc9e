//! What can be wrong with the configuration: one sentence each, with the place.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::event::FieldMapError;

/// Where a value was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In a file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// In an environment variable.
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { path, line } => write!(f, "`{}` line {line}", path.display()),
            Origin::Variable(name) => write!(f, "environment variable `{name}`"),
        }
    }
}

/// Why there is no usable configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file that must be there cannot be read.
    #[error("cannot read the configuration `{}`: {source}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is not TOML.
    #[error("{origin} is not valid TOML: {message}")]
    Syntax {
        /// Where.
        origin: Origin,
        /// What the parser says.
        message: String,
    },
    /// There is no such key or table.
    #[error("{origin}: there is no {what} `{name}`{hint}")]
    Unknown {
        /// Where.
        origin: Origin,
        /// `key` or `table`.
        what: &'static str,
        /// What was given.
        name: String,
        /// What was probably meant, beginning with `; `, or empty.
        hint: String,
    },
    /// A variable starts like ours and sets nothing.
    #[error("the environment variable `{name}` is no setting of auditlogd{hint}")]
    UnknownVariable {
        /// The variable.
        name: String,
        /// What was probably meant, beginning with `; `, or empty.
        hint: String,
    },
    /// A value cannot be used.
    #[error("{origin}: `{key}` {problem}")]
    Value {
        /// Where.
        origin: Origin,
        /// The key with its table: `ledger.epoch_seconds`.
        key: String,
        /// What is wrong, to be read after the key.
        problem: String,
    },
    /// The root directory or the configuration file, as given, cannot be used.
    #[error("{what} `{}` cannot be used as a path: {source}", path.display())]
    Path {
        /// `--root` or `--config`, or their variables.
        what: &'static str,
        /// What was given.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is nowhere to put a user's files.
    #[error("neither XDG_STATE_HOME nor HOME is an absolute path; give a directory with --root")]
    NoHome,
    /// A socket's address has room for 107 bytes.
    #[error(
        "the path of the {what} `{}` has {} bytes, but Linux allows 107; set a shorter `{key}` or --root",
        path.display(), path.as_os_str().len()
    )]
    SocketPath {
        /// `socket` or `control socket`.
        what: &'static str,
        /// The key that it comes from.
        key: &'static str,
        /// The path.
        path: PathBuf,
    },
    /// The tables of which there may be several do not go together.
    #[error("{0}")]
    Tables(String),
    /// The pointers and the required columns do not go together.
    #[error("in [fields] and [ingest] together: {0}")]
    Fields(#[from] FieldMapError),
}

/// `; did you mean …?` for the candidate that is nearest to the name, or nothing.
pub(super) fn did_you_mean<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> String {
    let likeness = |candidate: &'a str| (strsim::jaro_winkler(name, candidate), candidate);
    let best = candidates.map(likeness).max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((likeness, candidate)) if likeness > 0.8 => format!("; did you mean `{candidate}`?"),
        _ => String::new(),
    }
}
