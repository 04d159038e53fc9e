//! `auditlog account`: what became of every line that was accepted, and whether that adds up.

mod live;
mod read;
mod report;
mod text;

use std::path::PathBuf;

use clap::Args;
use jiff::Zoned;

use super::args;
use super::context::Context;
use super::error::{Error, Exit, told};
use super::output::{Form, Out};
use super::time;
use live::Live;
use report::Report;

const HELP: &str = "\
Every line that an application sends becomes one of these: an event that is stored; a repeated one,
which is stored already; a refused one, with a record of its own; one of those that a summary
counts; or one that a gap record names as missing. The log says the sums of these of each user, at
most once a minute and at each stop (auditlogd.account records). This command reads the whole log,
counts its lines once more, holds them against each of these records, and shows the sums, the gaps
and why there are any. Where retention has deleted lines the sums lead over them.

It takes the lines of the log as they are: `auditlog verify` is what proves that nobody has changed
them.

--since and --until say of which lines the sums and gaps are shown; all of the log is checked in any
case. LINES are those of which it is known what became of them. With a running daemon the lines that
it has taken in and not yet dealt with are shown as well, and its open connections. A number for
connections is since this run of the daemon has them.

Examples:
  auditlog account
  auditlog account --uid www-data --since 24h
  auditlog account --format json | jq '.gaps[] | {reason, events, since, until}'
  auditlog account ./copy-of-var-log-auditlogd

Exit codes:
  0  OK: every line that was accepted is stored, repeated or refused with a record
  2  the command line or the configuration is wrong
  3  the log cannot be read
  4  CONTRADICTION: lines and sums do not add up; run auditlog verify
  5  INCOMPLETE: it adds up, and there are gaps: events are missing, or may be
  6  UNVERIFIABLE: the sums have no beginning that the lines could be held against";

/// Show what became of every line, and check that it adds up
///
/// Only reads, needs no secret, and may run beside the daemon. The verdict is one sentence and the exit code.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(super) struct Account {
    /// A copy of a log in place of this host's own
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Only this user's lines, by name or number
    #[arg(long, short, value_name = "USER", value_parser = args::uid)]
    uid: Option<u32>,
    /// Only lines and gaps from this moment on: 24h, 2026-10-01, RFC 3339
    #[arg(long, short = 'S', value_name = "TIME")]
    since: Option<String>,
    /// Only lines and gaps before this moment
    #[arg(long, short = 'U', value_name = "TIME")]
    until: Option<String>,
    /// In which form
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Form,
}

impl Account {
    pub(super) fn run(&self, context: &Context, out: &mut Out) -> Result<Exit, Error> {
        let now = Zoned::now();
        let at = |text: &Option<String>| {
            text.as_deref().map(|text| time::parse(text, &now)).transpose().map_err(Error::Time)
        };
        let (since, until) = (at(&self.since)?, at(&self.until)?);
        let period = since.unwrap_or(i64::MIN)..until.unwrap_or(i64::MAX);
        if period.is_empty() {
            return Err(Error::Usage("the period ends before it begins".into()));
        }
        let is_asked = since.is_some() || until.is_some();
        let (dir, live) = match &self.dir {
            Some(dir) => (dir.clone(), None),
            None => {
                let config = context.config()?;
                (config.log_dir.clone(), Some(Live::ask(&config.control_socket())))
            }
        };
        let (log_id, audit) = read::read(&dir, is_asked.then_some(period))?;
        let report = Report::of(log_id, audit, live, self.uid);
        told(self.tell(&report, out), report.verdict.exit())
    }

    fn tell(&self, report: &Report, out: &mut Out) -> Result<(), Error> {
        match self.format {
            Form::Json => out.json(report)?,
            Form::Text => text::write(report, out)?,
        }
        out.flush()
    }
}
