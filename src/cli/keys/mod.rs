//! `auditlog keys`: the keys of the log, and how the secret one leaves the host.

mod elsewhere;
mod export;
mod remove;
mod show;

use std::path::Path;

use clap::{Args, Subcommand};

use super::context::{Context, paths};
use super::error::{Error, Exit};
use super::output::{Out, note};

/// Show the log's keys, and take the secret one off this host
#[derive(Args, Debug)]
pub(super) struct Keys {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Show(show::Show),
    Export(export::Export),
    Remove(remove::Remove),
}

impl Keys {
    pub(super) fn run(&self, context: &Context, out: &mut Out) -> Result<Exit, Error> {
        let paths = paths(context.config()?);
        if paths.genesis_pub().try_exists().is_ok_and(|exists| !exists) {
            return Err(Error::NoLog { path: paths.state_dir });
        }
        match &self.command {
            Command::Show(show) => show.run(&paths, out),
            Command::Export(export) => export.run(&paths, out),
            Command::Remove(remove) => remove.run(&paths),
        }
    }
}

/// The option's value for standard input and output.
fn is_standard(file: &Path) -> bool {
    file == Path::new("-")
}

/// What to do with a key that has left the host.
fn advise(kept: &str) {
    note(format!(
        "the auditor key is no longer in this host's state directory; the daemon records that within a minute. \
         {kept} is the only copy: keep it where nobody who is root here can read it"
    ));
}
