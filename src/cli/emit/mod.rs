//! `auditlog emit`: events from options or from standard input into the log, acknowledged.

mod event;
mod exchange;
mod framer;
mod progress;
mod receipts;
mod tally;

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use clap::{Args, ValueEnum};
use serde::Serialize;

use self::event::EventArgs;
use self::exchange::{End, Exchange, Notice};
use self::progress::Progress;
use self::receipts::Receipts;
use super::context::Context;
use super::error::{Error, Exit};
use super::output::Out;
use super::text::visible;

const HELP: &str = "\
Examples:
  auditlog emit --type auth.login --actor alice --outcome failure --client-ip 192.0.2.7
  auditlog emit --type backup.done --set host=db1 --set size:=1048576
  auditlog emit < events.jsonl
  journalctl -o json -f | auditlog emit -
  auditlog emit --receipts /mnt/elsewhere/receipts.jsonl < events.jsonl

Exit codes:
  0  every event is on disk
  1  some events were rejected: each is named with its line and the reason
  2  the command line or the configuration is wrong
  3  the daemon cannot be reached, or was lost before it had acknowledged everything; or the
     receipts cannot be written

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
/// acknowledged may be stored or not: an event_id tells repeats apart.
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
    #[command(flatten)]
    event: EventArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// What became of the events.
#[derive(Serialize)]
struct Report<'a> {
    accepted: u64,
    rejected: u64,
    last_seq: Option<u64>,
    mac: Option<&'a str>,
    log_id: Option<&'a str>,
    /// The input's first line that was not answered; absent if all were.
    #[serde(skip_serializing_if = "Option::is_none")]
    resend_from: Option<u64>,
}

impl Emit {
    pub(super) fn run(&self, context: &Context, out: &mut Out) -> Result<Exit, Error> {
        let event = self.event()?;
        let path = &context.config()?.socket;
        // Before anything is sent: an event without the receipt that was asked for is not what was asked.
        let mut receipts = self.receipts.as_deref().map(Receipts::open).transpose()?;
        let unreachable = |source| Error::Unreachable { path: path.clone(), source };
        let socket = UnixStream::connect(path).map_err(unreachable)?;
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            signal_hook::flag::register(signal, stop.clone()).map_err(Error::Signals)?;
        }

        let stdin = io::stdin();
        let input = event.is_none().then(|| stdin.as_fd());
        let mut exchange = Exchange::new(socket, input, event.as_deref().unwrap_or_default())
            .map_err(unreachable)?;
        let mut progress = Progress::new(input.filter(|_| !self.quiet), event.is_some());
        let end = exchange.run(&stop, &mut |notice| match notice {
            Notice::Rejected { line, rejected } => progress.rejected(line, rejected),
            Notice::Acknowledged { log_id, receipt } => {
                let kept = receipts.as_mut().is_none_or(|receipts| receipts.keep(log_id, receipt));
                stop.fetch_or(!kept, Relaxed);
            }
            Notice::Progress { bytes_read, tally } => progress.tick(bytes_read, tally.accepted),
        });
        progress.finish();
        let kept = receipts.map_or(Ok(()), Receipts::finish);
        self.report(&exchange, &end, out)?;
        kept.map_err(|error| not_kept(&error, &exchange))?;
        self.verdict(&exchange, end, event.is_some(), path)
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

    fn report(
        &self,
        exchange: &Exchange<'_>,
        end: &io::Result<End>,
        out: &mut Out,
    ) -> Result<(), Error> {
        let (tally, done) = (exchange.tally(), matches!(end, Ok(End::Done)));
        let receipt = tally.receipt.as_ref();
        let report = Report {
            accepted: tally.accepted,
            rejected: tally.rejected,
            last_seq: receipt.map(|receipt| receipt.seq),
            mac: receipt.map(|receipt| receipt.mac.as_str()),
            log_id: tally.log_id.as_deref(),
            resend_from: (!done).then(|| exchange.resend_from()),
        };
        match self.format {
            Format::Json => out.json(&report)?,
            Format::Text if done && !self.quiet => out.line(report.sentence())?,
            Format::Text => {}
        }
        out.flush()
    }

    fn verdict(
        &self,
        exchange: &Exchange<'_>,
        end: io::Result<End>,
        single: bool,
        path: &std::path::Path,
    ) -> Result<Exit, Error> {
        let tally = exchange.tally();
        let what = match end {
            Ok(End::Done) if tally.rejected > 0 => return Ok(Exit::Nothing),
            Ok(End::Done) => return Ok(Exit::Done),
            Ok(End::NotAuditlogd) => {
                let path = path.display();
                return Err(Error::Emit(format!(
                    "what listens at '{path}' does not answer as auditlogd does; check `socket` in the configuration"
                )));
            }
            Ok(End::Stopped) => "interrupted".into(),
            Ok(End::Lost) => match &tally.error {
                Some(reason) => format!("the daemon takes no more events: {}", visible(reason)),
                None => "the daemon closed the connection".into(),
            },
            Err(source) => format!("cannot read standard input: {source}"),
        };
        Err(Error::Emit(match single {
            true => format!("{what} before it acknowledged the event; send it again"),
            false => format!(
                "{what}; {} events are acknowledged and {} rejected: send again from input line {}",
                tally.accepted,
                tally.rejected,
                exchange.resend_from()
            ),
        }))
    }
}

/// The events are on disk, but what was asked for is not there.
fn not_kept(error: &Error, exchange: &Exchange<'_>) -> Error {
    let tally = exchange.tally();
    Error::Emit(format!(
        "{error}; {} events are acknowledged all the same and {} rejected: send on from input line {}",
        tally.accepted,
        tally.rejected,
        exchange.resend_from()
    ))
}

impl Report<'_> {
    fn sentence(&self) -> String {
        let Self { accepted, rejected, .. } = self;
        match (self.last_seq, rejected) {
            (Some(seq), 0) if *accepted == 1 => format!("stored as seq {seq}"),
            (Some(seq), _) => format!("{accepted} accepted, {rejected} rejected, last seq {seq}"),
            (None, _) => format!("{accepted} accepted, {rejected} rejected"),
        }
    }
}
