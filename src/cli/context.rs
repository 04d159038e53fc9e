//! Which log a command is about: the root directory, the configuration and the paths that follow.

use std::cell::OnceCell;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::error::Error;
use crate::config::{self, Config, Sources};
use crate::ledger::Paths;

/// Where a daemon of the whole system listens.
const SYSTEM_SOCKET: &str = "/run/auditd.sock";

/// The options that every command takes.
#[derive(Args, Debug)]
#[command(next_help_heading = "Options of all commands")]
pub(super) struct Global {
    /// The log below this directory (`/`: the system's own)
    ///
    /// Without it root uses the system's paths, and anybody else the user's own, if there is a log:
    /// $XDG_STATE_HOME/auditlogd, with the socket in $XDG_RUNTIME_DIR.
    #[arg(long, global = true, env = "AUDITLOGD_ROOT", hide_env_values = true, value_name = "DIR")]
    root: Option<PathBuf>,
    /// The configuration file
    #[arg(long, global = true, env = "AUDITLOGD_CONFIG", hide_env_values = true)]
    #[arg(value_name = "FILE")]
    config: Option<PathBuf>,
    /// When to use colours; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    #[arg(hide_possible_values = false)]
    color: Color,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

impl Global {
    /// Makes the choice of colours hold for everything that is printed.
    pub(super) fn set_color(&self) {
        let choice = match self.color {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

/// The log that a command is about.
pub(super) struct Context {
    global: Global,
    config: OnceCell<Config>,
}

impl Context {
    pub(super) fn new(global: Global) -> Self {
        Self { global, config: OnceCell::new() }
    }

    /// What the configuration is made from; `file` in place of the option's file.
    pub(super) fn sources(&self, file: Option<PathBuf>) -> Sources {
        let file = file.or_else(|| self.global.config.clone());
        let sources = Sources::from_process(self.global.root.clone(), file);
        Sources { system: Some("/".into()), ..sources }
    }

    /// The configuration in force.
    pub(super) fn config(&self) -> Result<&Config, Error> {
        if let Some(config) = self.config.get() {
            return Ok(config);
        }
        let config = config::load(&self.sources(None)).map_err(Error::Config)?;
        Ok(self.config.get_or_init(|| config))
    }
}

/// Where the ledger of this configuration is.
pub(super) fn paths(config: &Config) -> Paths {
    Paths { log_dir: config.log_dir.clone(), state_dir: config.state_dir.clone() }
}

/// Whether there is a log of the whole system, and `path` is not of it.
pub(super) fn system_log_elsewhere(path: &Path) -> bool {
    !is_the_systems(path) && Path::new(SYSTEM_SOCKET).exists()
}

/// Below /run/user is what $XDG_RUNTIME_DIR names.
fn is_the_systems(path: &Path) -> bool {
    let below = |dir: &str| path.starts_with(dir);
    below("/var") || below("/run") && !below("/run/user")
}

/// What to do when `socket` cannot be connected to.
pub(super) fn advice(socket: &Path, error: &io::Error) -> &'static str {
    match (system_log_elsewhere(socket), error.kind()) {
        (true, _) => "for the system's own daemon add --root /",
        (_, io::ErrorKind::PermissionDenied) => "its mode and its group say who may write",
        _ => "start auditlogd, or name its directory with --root",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_own_paths_are_not_the_systems() {
        for path in ["/run/auditd.sock", "/run/auditlogd/control.sock", "/var/lib/auditlogd"] {
            assert!(is_the_systems(Path::new(path)), "{path}");
        }
        for path in ["/run/user/1000/auditd.sock", "/home/alice/.local/state/auditlogd/run"] {
            assert!(!is_the_systems(Path::new(path)), "{path}");
        }
    }
}
