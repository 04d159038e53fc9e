//! `auditlog reload`: the configuration again, and the log reopened.

use clap::Args;

use super::context::Context;
use super::daemon::{ask, unexpected};
use super::error::{Error, Exit};
use super::output::{Out, note};
use super::text::visible;
use crate::control::{ControlError, Reply, Request};

const HELP: &str = "\
`systemctl reload auditlogd` does this, and so does SIGHUP, which does not wait. The log is reopened
even if the configuration is wrong, for logrotate's sake. `auditlogd --check` tells beforehand.

Examples:
  sudo auditlog reload
  auditlog --root DIR reload

Exit codes:
  0  the configuration is in force, and the log is reopened
  2  the command line or the configuration is wrong; the old configuration stays in force
  3  the daemon does not run, or refused: only root and the daemon's own user may ask";

/// Have the daemon read its configuration again and reopen the log
///
/// Returns when that is done. Clients notice nothing.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(super) struct Reload {
    /// Say nothing on success, but what needs a restart
    #[arg(long, short)]
    quiet: bool,
}

impl Reload {
    pub(super) fn run(&self, context: &Context, out: &mut Out) -> Result<Exit, Error> {
        let (applied, restart) = match request(context)? {
            Reply::Reloaded { applied, restart } => (applied, restart),
            Reply::NotReloaded(why) => {
                let text = "the configuration is wrong, and the old one stays in force";
                return Err(Error::Usage(format!("{text}: {why}")));
            }
            _ => return Err(unexpected()),
        };
        if !self.quiet {
            match &applied[..] {
                [] => out.line("reloaded: nothing changed")?,
                applied => out.line(format_args!("reloaded: {}", visible(&applied.join(", "))))?,
            }
        }
        out.flush()?;
        if !restart.is_empty() {
            note(format!("only after a restart: {}", visible(&restart.join(", "))));
        }
        Ok(Exit::Done)
    }
}

/// A configuration that is wrong is the daemon's to refuse: it reopens the log all the same. Then it is asked
/// where it is by default.
fn request(context: &Context) -> Result<Reply, Error> {
    let wrong = match context.config() {
        Ok(config) => return ask(&config.control_socket(), &Request::Reload),
        Err(wrong) => wrong,
    };
    let default = context.sources(None).defaults().map_err(Error::Config)?;
    match ask(&default.control_socket(), &Request::Reload) {
        Err(Error::Control(ControlError::Unreachable { .. })) => Err(wrong),
        answered => answered,
    }
}
