//! `auditlog hold`: events that must not be deleted, whatever the rules say.

mod add;
mod list;
mod remove;

use clap::{Args, Subcommand};

use super::context::Context;
use super::error::{Error, Exit};
use super::output::Out;

const HELP: &str = "\
While a hold is in force, maintenance deletes nothing that it matches: neither the segments that
hold such an event, nor its rows in the database. Each hold, and its end, is a record in the log.

Examples:
  sudo auditlog hold add --actor alice --since 2026-10-01 --reason 'case 4711' --name case-4711
  auditlog hold list
  sudo auditlog hold remove case-4711 --reason 'case 4711 is closed'

Exit codes:
  0  done
  2  the command line or the configuration is wrong
  3  the daemon does not run, or refused, or the holds cannot be read";

/// Keep events from being deleted until further notice
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(super) struct Hold {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Add(Box<add::Add>),
    List(list::List),
    Remove(remove::Remove),
}

impl Hold {
    pub(super) fn run(&self, context: &Context, out: &mut Out) -> Result<Exit, Error> {
        match &self.command {
            Command::Add(add) => add.run(context, out),
            Command::List(list) => list.run(context, out),
            Command::Remove(remove) => remove.run(context, out),
        }
    }
}
