//! `auditlog maintain`: a run of maintenance, now, by the daemon.

mod dry_run;

use std::path::Path;
use std::time::Duration;

use clap::Args;

use super::context::Context;
use super::daemon::{ask, unexpected};
use super::error::{Error, Exit};
use super::output::{Form, Out, note};
use super::progress::bar;
use super::text::visible;
use crate::control::{Reply, Request};
use crate::record::Maintained;

/// How often the daemon is asked how far it is.
const POLL: Duration = Duration::from_millis(100);

const HELP: &str = "\
The daemon does this by itself, every [maintenance] interval_seconds. By hand it is of use after a
change of the configuration, or when the disk is nearly full. If a run is under way, another one
follows it; there are never two at a time.

Examples:
  sudo auditlog maintain
  auditlog maintain --dry-run      which segments would be deleted, and why; changes nothing
  auditlog status                  when the next run is, and what the last one did
  auditlog query --type auditlogd.maintained --since 7d

Exit codes:
  0  done
  2  the command line or the configuration is wrong
  3  the daemon does not run, or something could not be done; the next run tries it again";

/// Compress, archive and delete what it is time for, now
///
/// Closed segments are compressed and handed to the archives; those whose events have all expired are
/// deleted, and so are expired rows of the database.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(super) struct Maintain {
    /// Only show what would be deleted, by the configuration as it is in the files now: which segments, and how
    /// many rows of the database
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// In which form --dry-run tells it
    #[arg(long, value_name = "FORMAT", default_value = "text", requires = "dry_run")]
    format: Form,
    /// Say nothing on success
    #[arg(long, short, conflicts_with = "dry_run")]
    quiet: bool,
}

impl Maintain {
    pub(super) fn run(&self, context: &Context, out: &mut Out) -> Result<Exit, Error> {
        if self.dry_run {
            return dry_run::run(self.format, context, out).map(|()| Exit::Done);
        }
        let run = run_and_wait(&context.config()?.control_socket())?;
        if !self.quiet {
            out.line(visible(&run.to_string()))?;
            for reason in &run.kept_back {
                out.line(format_args!("kept back: {}", visible(reason)))?;
            }
        }
        out.flush()?;
        for error in &run.errors {
            note(format!("error: {}", visible(error)));
        }
        Ok(if run.errors.is_empty() { Exit::Done } else { Exit::Io })
    }
}

/// Asks for a run, and waits for its end.
fn run_and_wait(socket: &Path) -> Result<Maintained, Error> {
    let Reply::Run(run) = ask(socket, &Request::Maintain)? else { return Err(unexpected()) };
    let spinner = bar(None, Duration::ZERO, "{spinner} {msg}");
    loop {
        match ask(socket, &Request::Maintaining(run))? {
            Reply::Maintaining(what) => spinner.set_message(visible(&what).into_owned()),
            Reply::Maintained(done) => {
                spinner.finish_and_clear();
                return Ok(*done);
            }
            _ => return Err(unexpected()),
        }
        spinner.tick();
        std::thread::sleep(POLL);
    }
}
