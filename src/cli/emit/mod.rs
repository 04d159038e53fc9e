//! `auditlog emit`: events from options or from standard input into the log, acknowledged.

mod event;
mod exchange;
mod framer;
mod progress;
mod receipts;
mod report;

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use clap::{Args, ValueEnum};

use self::event::EventArgs;
use self::exchange::{End, Exchange, Notice};
use self::progress::Progress;
use self::receipts::Receipts;
use self::report::Report;
use super::context::Context;
use super::error::{Error, Exit};
use super::output::Out;
use crate::client::{MIN_SPOOL_BYTES, SPOOL_BYTES, Session, Settings, Spool};
use crate::words::count;

const HELP: &str = "\
Examples:
  auditlog emit --type auth.login --actor alice --outcome failure --client-ip 192.0.2.7
  auditlog emit --type backup.done --set host=db1 --set size:=1048576
  auditlog emit < events.jsonl
  journalctl -o json -f | auditlog emit -
  auditlog emit --receipts /mnt/elsewhere/receipts.jsonl < events.jsonl
  auditlog emit --spool ~/audit.spool --type backup.done     # no daemon: kept, and sent next time
  auditlog emit --spool ~/audit.spool < /dev/null            # sends what is kept there
  tail -F app.jsonl | auditlog emit --wait 600               # goes on when the daemon is back

Exit codes:
  0  every event is on disk: in the log, or, with --spool, in FILE until the daemon is back
  1  some events were rejected: each is named with its line and the reason
  2  the command line or the configuration is wrong
  3  the daemon cannot be reached, or was lost before it had acknowledged everything; or the
     receipts or the spool cannot be written, or the spool is full

When the daemon is away: with --wait and with --spool the command connects again, and sends again
what was not acknowledged. So that nothing is stored twice, it gives each event that has none an
event_id, and a timestamp. The daemon knows what it has by id and text: who runs the command twice
with an --event-id of their own gives it the same --timestamp, too. With both options, events go to
FILE once the wait is over. FILE is for one user, who alone can send it: the log says who sent an
event, and that is who sends the spool.

Receipts: each acknowledgement of the daemon names the last line that is on disk and its mac. A
file of them, kept where nobody who takes over this host can change it, later shows that these
lines were in the log, and are in it as they were:
  auditlog verify --anchor receipts.jsonl
A receipt vouches for its own line and for the log having reached it; acknowledgements are
cumulative, so not every event has one of its own.";

/// Write events to the log
///
/// Either one event made from options, or, without such options, one JSON object a line from standard
/// input. Returns once the daemon has every event on disk. An event that is rejected is on
/// record too, but not as an event. Where the connection is lost, events that were sent and not
/// acknowledged may be stored or not: --wait and --spool see to it that they are stored once.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(super) struct Emit {
    /// Read events from standard input even if it is a terminal
    #[arg(value_name = "-", value_parser = ["-"], hide_possible_values = true)]
    stdin: Option<String>,
    /// Say nothing on success
    #[arg(long, short)]
    quiet: bool,
    /// How to say what became of the events; json has the receipt
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Append the receipt of each acknowledgement to FILE, and sync it before the command says that it
    /// is done
    #[arg(long, value_name = "FILE")]
    receipts: Option<PathBuf>,
    /// Wait so long for a daemon that is away, each time that it is, and go on when it is back
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u32,
    /// Keep events in FILE while the daemon is away; first send what an earlier command left there
    #[arg(long, value_name = "FILE")]
    spool: Option<PathBuf>,
    /// How large FILE may get; beyond that the command fails instead
    #[arg(long, value_name = "BYTES", default_value_t = SPOOL_BYTES, requires = "spool")]
    #[arg(value_parser = clap::value_parser!(u64).range(MIN_SPOOL_BYTES..))]
    spool_bytes: u64,
    #[command(flatten)]
    event: EventArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// The shortest wait for another command that has the spool.
const SPOOL_PATIENCE: Duration = Duration::from_secs(10);
/// How long to try where more clients connect than the daemon has accepted.
const CONNECT: Duration = Duration::from_secs(10);

impl Emit {
    pub(super) fn run(&self, context: &Context, out: &mut Out) -> Result<Exit, Error> {
        let event = self.event()?;
        let path = &context.config()?.socket;
        // Before anything is sent: an event without the receipt that was asked for is not what was asked.
        let mut receipts = self.receipts.as_deref().map(Receipts::open).transpose()?;
        let wait = Duration::from_secs(self.wait.into());
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            signal_hook::flag::register(signal, stop.clone()).map_err(Error::Signals)?;
        }

        let stdin = io::stdin();
        let input = event.is_none().then(|| stdin.as_fd());
        let mut progress = Progress::new(input.filter(|_| !self.quiet), event.is_some());
        let session = self.session(path.clone(), wait, &progress)?;
        let event_text = event.as_deref().unwrap_or_default();
        let mut exchange = Exchange::new(session, input, event_text, wait);
        let end = exchange.run(&stop, &mut |notice| match notice {
            Notice::Rejected(rejected) => progress.rejected(&rejected),
            Notice::Acknowledged { log_id, receipt } => {
                let kept = receipts.as_mut().is_none_or(|receipts| receipts.keep(log_id, receipt));
                stop.fetch_or(!kept, Relaxed);
            }
            Notice::Progress { bytes_read, accepted, waits } => {
                progress.tick(bytes_read, accepted);
                progress.patience(accepted, waits);
            }
        });
        let told = matches!(end, Ok(End::NotSpooled(_)));
        for trouble in exchange.close().into_iter().flatten().filter(|_| !told) {
            progress.say(&format!("warning: {trouble}"));
        }
        progress.finish();
        let kept = receipts.map_or(Ok(()), Receipts::finish);
        let report = Report::new(&exchange, &end, event.is_some());
        match self.format {
            Format::Json => out.json(&report)?,
            Format::Text if report.is_success() && !self.quiet => out.line(report.sentence())?,
            Format::Text => {}
        }
        out.flush()?;
        kept.map_err(|error| report.not_kept(&error))?;
        report.verdict(end, exchange.session().away(), path)
    }

    /// The way to the daemon, with what an earlier command left in the spool.
    fn session(
        &self,
        socket: PathBuf,
        wait: Duration,
        progress: &Progress,
    ) -> Result<Session, Error> {
        let resend = self.spool.is_some() || !wait.is_zero();
        let settings = Settings { socket, connect: CONNECT, resend };
        let Some(path) = &self.spool else { return Ok(Session::new(settings, None)) };
        let (spool, torn) = Spool::open(path, self.spool_bytes, wait.max(SPOOL_PATIENCE))?;
        let shown = path.display();
        if torn > 0 {
            progress.say(&format!(
                "the spool '{shown}' ended in the middle of an event, {} of it: a crash cut it off, \
                 and no command had said that it is kept",
                count(torn, "byte")
            ));
        }
        if spool.events() > 0 && !self.quiet {
            let events = count(spool.events(), "event");
            progress.say(&format!("the spool '{shown}' holds {events} of before: sent first"));
        }
        Ok(Session::new(settings, Some(spool)))
    }

    /// The one event of the options, or `None` for standard input.
    fn event(&self) -> Result<Option<Vec<u8>>, Error> {
        let event = self.event.line().map_err(Error::Usage)?;
        let advice = match (&event, &self.stdin) {
            (Some(_), Some(_)) => {
                "an event is given both by options and by '-'; give its members, or send lines"
            }
            (None, None) if io::stdin().is_terminal() => {
                "there is no event: describe one by options (--type auth.login --actor alice, see \
                 --help), or send JSON lines on standard input"
            }
            _ => return Ok(event),
        };
        Err(Error::Usage(advice.into()))
    }
}
