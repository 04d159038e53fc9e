//! The daemon: what is started in which order, what signals do, and in which order it ends.

mod announce;
mod answer;
mod auditor;
mod host;
mod init;
mod journal;
mod notify;
mod options;
mod parts;
mod place;
mod problems;
mod reload;
mod running;
mod sandbox;
mod signals;
mod status_line;
mod watchdog;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::{self, Config, ConfigError, Sources};
use crate::engine::{LockError, WriterError};
use crate::event::FieldMapError;
use crate::ingest::SocketError;
use crate::ledger::{Decommissioned, LedgerError, Paths};
use crate::publish::{self, BadAnchor};
use host::{harden, host};
use running::Running;

pub use options::Options;

/// Why the daemon did not start or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The fields of the configuration.
    #[error("[fields] {0}")]
    Fields(#[from] FieldMapError),
    /// The anchors of the configuration.
    #[error(transparent)]
    Anchor(#[from] BadAnchor),
    /// Something the system did not give.
    #[error("{what}: {source}")]
    System {
        /// What was wanted.
        what: String,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// Another daemon has the directories.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The sockets.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The ledger could not be opened.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The ledger could not be written.
    #[error(transparent)]
    Writer(#[from] WriterError),
    /// The log has come to its end.
    #[error(
        "the log in {log_dir:?} {how}; it takes no more events. To delete it, purge the package; to begin a new one, move this directory and {state_dir:?} away; to go on with it after all, remove {file:?}"
    )]
    Decommissioned {
        /// When, by whom and why.
        how: String,
        /// The segments.
        log_dir: PathBuf,
        /// The keys.
        state_dir: PathBuf,
        /// What says so.
        file: PathBuf,
    },
}

/// The exit status where the log is decommissioned: no service manager has to try it again.
const DECOMMISSIONED: u8 = 3;

impl DaemonError {
    fn exit_status(&self) -> ExitCode {
        match self {
            Self::Decommissioned { .. } => DECOMMISSIONED.into(),
            _ => ExitCode::FAILURE,
        }
    }
}

/// The command line of the daemon, for whoever makes manual pages and completions of it.
pub fn command() -> clap::Command {
    <Options as clap::CommandFactory>::command()
}

/// Runs `auditlogd` with these options, until it is told to stop.
pub fn main(options: Options) -> ExitCode {
    let sources = options.sources();
    let result = match (options.check, options.announce_keys) {
        (true, _) => check(&sources),
        (_, true) => draw_sheet(&sources),
        _ if init::is_init() => return as_init(),
        _ => run(&sources).inspect_err(|e| status_line::failed(&e.to_string())),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => fail(&e),
    }
}

fn fail(error: &DaemonError) -> ExitCode {
    // The journal has it too, but whoever typed the command looks here.
    let _nobody_to_tell = writeln!(std::io::stderr(), "auditlogd: {error}");
    error.exit_status()
}

/// The daemon in a child, as process 1 has to.
fn as_init() -> ExitCode {
    init::run().unwrap_or_else(|e| fail(&system("process 1 could not run the daemon")(e)))
}

/// Validates the configuration and prints what would be in force.
fn check(sources: &Sources) -> Result<(), DaemonError> {
    let config = config::load(sources)?;
    config.field_map()?;
    publish::check(&config)?;
    let _broken_pipe_is_no_error = write!(std::io::stdout(), "{}", config.to_toml());
    Ok(())
}

/// What [`announce`] runs in a process of its own.
fn draw_sheet(sources: &Sources) -> Result<(), DaemonError> {
    harden();
    announce::draw(&paths(&config::load(sources)?), &host()?)
}

fn run(sources: &Sources) -> Result<(), DaemonError> {
    let mut daemon = Running::start(sources)?;
    let ending = daemon.until_told_to_stop();
    daemon.stop(ending)
}

/// That the log has not come to its end.
fn not_decommissioned(config: &Config) -> Result<(), DaemonError> {
    let paths = paths(config);
    let how = match Decommissioned::of(&paths) {
        Ok(None) => return Ok(()),
        Ok(Some(how)) => format!("was {how}"),
        Err(e) => format!("may be decommissioned, but the file that says so cannot be read: {e}"),
    };
    let file = paths.decommissioned();
    let Paths { log_dir, state_dir } = paths;
    Err(DaemonError::Decommissioned { how, log_dir, state_dir, file })
}

/// Where the ledger of this configuration is.
fn paths(config: &Config) -> Paths {
    Paths { log_dir: config.log_dir.clone(), state_dir: config.state_dir.clone() }
}

fn system(what: &str) -> impl FnOnce(std::io::Error) -> DaemonError {
    let what = what.to_owned();
    move |source| DaemonError::System { what, source }
}
