//! `auditlog query`: events of the past.

use clap::Args;
use jiff::Zoned;

use super::context::Context;
use super::error::{Error, Exit};
use super::format::{Format, Printer};
use super::output::{Out, note};
use super::search::Search;
use super::text::visible;
use super::time;
use crate::control::{self, Reply, Request};
use crate::index::{Filter, Order, Reader};
use crate::words::count;

/// Events that a table shows unless told otherwise.
const TABLE_LIMIT: u64 = 100;

const HELP: &str = "\
Times are spans back from now (90m, 24h, 7d, 1w), now, today, yesterday, a date or a local time
(2026-11-20, '2026-11-20 14:30', 14:30), RFC 3339, or @SECONDS since 1970. A date means its
first moment, and --until is not included: --since yesterday --until today is all of yesterday.

Examples:
  auditlog query --since 24h --outcome failure
  auditlog query --type 'auth.*' --actor alice --priority warning
  auditlog query --since 2026-11-01 --until 2026-12-01 --format csv > november.csv
  auditlog query --format jsonl --uid www-data | jq -r .fields.action
  auditlog query sudo password

Exit codes:
  0  events were printed
  1  no event matches
  2  the command line or the configuration is wrong
  3  the database cannot be read, or is damaged: what was printed may be wrong";

/// Search the log
///
/// Newest first. On a terminal the table is cut to its width and coloured by priority; piped, it is
/// whole, without colours, and its times are UTC.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(super) struct Query {
    #[command(flatten)]
    search: Search,
    /// In which form to print the events
    #[arg(long, value_name = "FORMAT", default_value = "table", help_heading = "Output")]
    format: Format,
    /// At most so many events, 0 for all; default 100 for the table, all for the other formats
    #[arg(long, short = 'n', value_name = "N", help_heading = "Output")]
    limit: Option<u64>,
    /// Oldest first; --limit then keeps the oldest
    #[arg(long, short, help_heading = "Output")]
    reverse: bool,
}

impl Query {
    pub(super) fn run(&self, context: &Context, out: &mut Out) -> Result<Exit, Error> {
        let filter = self.search.filter(&Zoned::now())?;
        let reader = Reader::open(&context.config()?.database())?;
        let order = if self.reverse { Order::Oldest } else { Order::Newest };
        let mut printer = Printer::new(self.format, false);
        let limit = self.limit();
        let mut more = false;
        for row in reader.query(&filter, order, None)? {
            let row = row?;
            if !self.search.has_words(&row) {
                continue;
            }
            if limit.is_some_and(|limit| printer.count() >= limit) {
                more = true;
                break;
            }
            out.with(|writer, look| printer.push(row, writer, look))?;
        }
        out.with(|writer, look| printer.finish(writer, look))?;
        out.flush()?;
        if more {
            self.say_cut(printer.count());
        }
        if printer.count() == 0 {
            say_nothing(&filter, &reader, out)?;
        }
        end(context, printer.count())
    }

    fn limit(&self) -> Option<u64> {
        let default = if self.format == Format::Table { TABLE_LIMIT } else { 0 };
        Some(self.limit.unwrap_or(default)).filter(|limit| *limit > 0)
    }

    fn say_cut(&self, count: u64) {
        // Who gave the limit knows it.
        if self.limit.is_none() {
            let which = if self.reverse { "oldest" } else { "newest" };
            note(format!("these are the {which} {count}; more match: --limit 0 shows all"));
        }
    }
}

/// Ends a command that has shown `shown` events: says so if the ledger has lines that the database lacks, and what is
/// wrong with it, as far as the daemon tells this user.
pub(super) fn end(context: &Context, shown: u64) -> Result<Exit, Error> {
    let exit = if shown == 0 { Exit::Nothing } else { Exit::Done };
    let socket = context.config()?.control_socket();
    let Ok(Reply::Status(status)) = control::request(&socket, &Request::Status) else {
        return Ok(exit);
    };
    let behind = status.metrics.ledger_head.saturating_sub(status.metrics.index_head);
    if behind > 0 {
        let lines = count(behind, "line");
        note(format!(
            "the database does not have all of the ledger yet: {lines} of it, the newest, are to come"
        ));
    }
    let mut damaged = false;
    for problem in status.problems.iter().filter(|problem| problem.about.starts_with("index")) {
        note(visible(&problem.to_string()));
        damaged |= problem.about == "index damaged";
    }
    // What was shown may be wrong.
    Ok(if damaged { Exit::Io } else { exit })
}

/// Says why there may be nothing.
pub(super) fn say_nothing(filter: &Filter, reader: &Reader, out: &Out) -> Result<(), Error> {
    let Some(last) = reader.last_seq()?.map(|seq| reader.get(seq)).transpose()?.flatten() else {
        note("the database has no events yet");
        return Ok(());
    };
    if let Some(hint) = type_hint(filter, reader)? {
        note(format!("no event matches; {hint}"));
        return Ok(());
    }
    let newest = time::local(last.ts_ns, &out.look.zone);
    note(format!("no event matches; the newest of all is seq {} of {newest}", last.seq));
    Ok(())
}

/// A type without events of its own may have some below it.
fn type_hint(filter: &Filter, reader: &Reader) -> Result<Option<String>, Error> {
    let Some(event_type) = filter.event_type.as_deref().filter(|t| !t.ends_with(['*', '.'])) else {
        return Ok(None);
    };
    let below = format!("{event_type}.*");
    let filter = Filter { event_type: Some(below.clone()), ..filter.clone() };
    let found = reader.query(&filter, Order::Newest, Some(1))?.next().transpose()?;
    Ok(found.map(|_| format!("--type '{below}' would")))
}
