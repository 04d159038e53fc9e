//! `auditlog hold remove`: from now on the rules decide again.

use clap::Args;

use crate::cli::context::Context;
use crate::cli::daemon::{ask, unexpected};
use crate::cli::error::{Error, Exit};
use crate::cli::output::Out;
use crate::cli::text::visible;
use crate::control::{Reply, Request};

const HELP: &str = "\
What the hold matched goes at the next run of maintenance, if it has expired meanwhile and no other
hold matches it: `auditlog maintain --dry-run` shows what.

Examples:
  sudo auditlog hold remove case-4711 --reason 'case 4711 is closed'

Exit codes:
  0  the hold is released
  2  the command line or the configuration is wrong
  3  there is no such hold, or the daemon does not run, or refused";

/// Release a hold
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(in crate::cli) struct Remove {
    /// The hold's name, as `auditlog hold list` shows it
    #[arg(value_name = "NAME")]
    name: String,
    /// Why, for people; it is in the log
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl Remove {
    pub(super) fn run(&self, context: &Context, out: &mut Out) -> Result<Exit, Error> {
        crate::retention::check_reason(&self.reason).map_err(Error::Usage)?;
        let (id, reason) = (self.name.clone(), self.reason.clone());
        let socket = context.config()?.control_socket();
        let Reply::Held(hold) = ask(&socket, &Request::HoldRemove { id, reason })? else {
            return Err(unexpected());
        };
        out.line(format_args!("released {}: {}", hold.id, visible(&hold.to_string())))?;
        out.flush()?;
        Ok(Exit::Done)
    }
}
