//! `auditlog config`: what is configured.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::context::Context;
use super::error::{Error, Exit};
use super::output::{Out, note};
use super::text::visible;
use crate::config::load;
use crate::publish;

const HELP: &str = "\
Examples:
  auditlog config check
  auditlog config check ./auditlogd.toml
  auditlog --root /srv/test config check

Exit codes:
  0  the configuration is valid
  1  it is not; the message names the file, the line and the key
  2  the command line is wrong";

/// Check the configuration
#[derive(Args, Debug)]
pub(super) struct Config {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Check the configuration and print it as it is in force
    ///
    /// Reads the file, conf.d/*.toml beside it and AUDITLOGD_… variables as the daemon does, and prints
    /// every key with its value as TOML. `auditlogd --check` does the same.
    #[command(after_long_help = HELP)]
    Check {
        /// The file to check in place of the one that is in use
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

impl Config {
    pub(super) fn run(&self, context: &Context, out: &mut Out) -> Result<Exit, Error> {
        let Command::Check { file } = &self.command;
        let checked = load(&context.sources(file.clone()))
            .map_err(|e| e.to_string())
            .and_then(|config| publish::check(&config).map_err(|e| e.to_string()).map(|()| config));
        match checked {
            Ok(config) => {
                out.with(|writer, _| writer.write_all(config.to_toml().as_bytes()))?;
                out.flush()?;
                Ok(Exit::Done)
            }
            Err(error) => {
                note(format!("error: {}", visible(&error)));
                Ok(Exit::Nothing)
            }
        }
    }
}
