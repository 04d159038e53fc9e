//! `auditlog tail`: the last events, and those that come.

use std::convert::Infallible;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use jiff::Zoned;

use super::context::Context;
use super::error::{Error, Exit};
use super::format::{Format, Printer};
use super::output::Out;
use super::query::{end, say_nothing};
use super::search::Search;
use crate::index::{Filter, IndexError, Order, Reader, Row};

/// How often the index is asked whether it has changed.
const POLL: Duration = Duration::from_millis(200);
/// An index that cannot be read for so long will not recover by itself.
const PATIENCE: Duration = Duration::from_secs(10);

const HELP: &str = "\
Examples:
  auditlog tail -f
  auditlog tail -n 50 --type 'auth.*'
  auditlog tail -f --priority err --format jsonl | while read -r event; do …; done

Exit codes:
  0  events were printed
  1  no event matches
  2  the command line or the configuration is wrong
  3  the database cannot be read";

/// Show the last events, and follow
///
/// Oldest first, so that the newest stands last. With --follow it goes on until it is interrupted,
/// also through `auditlog reindex` and restarts of the daemon.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(super) struct Tail {
    /// How many of the last events to show
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10)]
    lines: u64,
    /// Then show events as they come
    #[arg(long, short)]
    follow: bool,
    /// In which form to print the events
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Format,
    #[command(flatten)]
    search: Search,
}

impl Tail {
    pub(super) fn run(&self, context: &Context, out: &mut Out) -> Result<Exit, Error> {
        let filter = self.search.filter(&Zoned::now())?;
        if self.follow && self.format == Format::Json {
            return Err(Error::Usage(
                "an array has no end while events come; use --format jsonl with --follow".into(),
            ));
        }
        let path = context.config()?.database();
        let reader = Reader::open(&path)?;
        let last = reader.last_seq()?;
        let rows = self.last(&reader, &filter, last)?;
        let mut printer = Printer::new(self.format, self.follow);
        for row in rows {
            out.with(|writer, look| printer.push(row, writer, look))?;
        }
        if self.follow {
            match self.follow(&filter, Follower::new(path, reader, last), printer, out)? {}
        }
        out.with(|writer, look| printer.finish(writer, look))?;
        out.flush()?;
        if printer.count() == 0 {
            say_nothing(&filter, &reader, out)?;
        }
        end(context, printer.count())
    }

    /// Prints events as they come, until something fails: a reader that went away, for one.
    fn follow(
        &self,
        filter: &Filter,
        mut follower: Follower,
        mut printer: Printer,
        out: &mut Out,
    ) -> Result<Infallible, Error> {
        loop {
            out.with(|writer, look| printer.flush(writer, look))?;
            out.flush()?;
            for row in follower.wait(filter)? {
                if self.search.has_words(&row) {
                    out.with(|writer, look| printer.push(row, writer, look))?;
                }
            }
        }
    }

    /// The last events up to `last`, oldest first.
    fn last(&self, reader: &Reader, filter: &Filter, last: Option<u64>) -> Result<Vec<Row>, Error> {
        let filter = Filter { before_seq: last.map(|seq| seq + 1), ..filter.clone() };
        let mut rows = Vec::new();
        for row in reader.query(&filter, Order::Newest, None)? {
            if rows.len() as u64 >= self.lines {
                break;
            }
            rows.extend(Some(row?).filter(|row| self.search.has_words(row)));
        }
        rows.reverse();
        Ok(rows)
    }
}

/// Waits for events behind those that were seen.
struct Follower {
    path: PathBuf,
    /// `None` while there is no index to read.
    reader: Option<Reader>,
    /// The file that the reader has open: a rebuilt index is another one.
    file: Option<(u64, u64)>,
    /// The index's version when it was read last.
    version: Option<i64>,
    seen: Option<u64>,
    /// Since when the index cannot be read.
    failing: Option<Instant>,
}

impl Follower {
    fn new(path: PathBuf, reader: Reader, seen: Option<u64>) -> Self {
        let file = identity(&path);
        Self { path, reader: Some(reader), file, version: None, seen, failing: None }
    }

    /// Sleeps a moment, then gives the events that have come. A rebuild makes the index unreadable for
    /// moments, and somebody's lock for as long as it lasts: both are waited for.
    fn wait(&mut self, filter: &Filter) -> Result<Vec<Row>, Error> {
        std::thread::sleep(POLL);
        match self.read(filter) {
            Ok(rows) => {
                self.failing = None;
                Ok(rows)
            }
            Err(error) => {
                self.reader = None;
                let since = *self.failing.get_or_insert_with(Instant::now);
                let patient = error.is_temporary() || since.elapsed() < PATIENCE;
                if patient { Ok(Vec::new()) } else { Err(error.into()) }
            }
        }
    }

    fn read(&mut self, filter: &Filter) -> Result<Vec<Row>, IndexError> {
        let file = identity(&self.path);
        if self.reader.is_none() || file != self.file {
            self.reader = Some(Reader::open(&self.path)?);
            (self.file, self.version) = (file, None);
        }
        let Some(reader) = &self.reader else { return Ok(Vec::new()) };
        let version = reader.data_version()?;
        if self.version == Some(version) {
            return Ok(Vec::new());
        }
        let last = reader.last_seq()?;
        let mut rows = Vec::new();
        if last > self.seen {
            let bounds = Filter {
                after_seq: self.seen,
                before_seq: last.map(|seq| seq + 1),
                ..filter.clone()
            };
            rows = reader.query(&bounds, Order::Oldest, None)?.collect::<Result<_, _>>()?;
            self.seen = last;
        }
        self.version = Some(version);
        Ok(rows)
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}
