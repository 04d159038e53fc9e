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

const HELP: &str = "\
A log has a genesis key, public: note it elsewhere, for the log is verified against it. And an
auditor key, secret: it proves every line, and has to leave this host, or whoever becomes root
here can forge the lines that no seal covers yet.

Examples:
  auditlog keys show
  auditlog keys export --auditor /media/usb/web1.auditor.key

Exit codes:
  0  done
  2  the command line or the configuration is wrong
  3  there is no such key here, or something cannot be read or written";

/// Show the log's keys, and take the secret one off this host
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
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
