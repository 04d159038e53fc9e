//! Where the output goes and how it may look there.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use anstyle::Style;
use jiff::tz::TimeZone;

use super::error::Error;
use super::table::{Column, Field, Table};
use super::time;
use crate::clock::{parse_rfc3339, rfc3339};

/// In which form one answer is printed.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum Form {
    Text,
    Json,
}

/// How output may look.
#[derive(Clone, Debug)]
pub(super) struct Look {
    /// Somebody looks at it: it has to fit, and stored text must not steer the terminal.
    pub terminal: bool,
    /// Escapes for colours may be written.
    pub color: bool,
    /// Columns of the terminal.
    pub width: Option<u16>,
    /// The zone that times on a terminal are shown in.
    pub zone: TimeZone,
}

impl Look {
    fn of_stdout() -> Self {
        let terminal = io::stdout().is_terminal();
        let color = anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never;
        let width = terminal.then(|| comfy_table::Table::new().width()).flatten();
        Self { terminal, color, width, zone: TimeZone::system() }
    }

    /// `text` in `style` where colours may be written.
    pub(super) fn paint(&self, style: Style, text: impl std::fmt::Display) -> String {
        match self.color {
            true => format!("{style}{text}{style:#}"),
            false => text.to_string(),
        }
    }

    /// A point in time, nanoseconds since 1970: on a terminal in its zone, elsewhere as it stands in the ledger.
    pub(super) fn time(&self, ns: i64) -> String {
        if self.terminal { time::local(ns, &self.zone) } else { rfc3339(ns) }
    }

    /// The same of one that is given as it stands in the ledger.
    pub(super) fn time_of(&self, text: &str) -> String {
        parse_rfc3339(text).map_or_else(|| text.to_owned(), |ns| self.time(ns))
    }

    #[cfg(test)]
    pub(super) fn plain() -> Self {
        Self { terminal: false, color: false, width: None, zone: TimeZone::UTC }
    }
}

/// Standard output.
pub(super) struct Out {
    /// How it may look.
    pub look: Look,
    writer: BufWriter<StdoutLock<'static>>,
}

impl Out {
    pub(super) fn stdout() -> Self {
        Self { look: Look::of_stdout(), writer: BufWriter::new(io::stdout().lock()) }
    }

    /// Writes what `f` writes.
    pub(super) fn with(
        &mut self,
        f: impl FnOnce(&mut dyn Write, &Look) -> io::Result<()>,
    ) -> Result<(), Error> {
        f(&mut self.writer, &self.look).map_err(Error::Output)
    }

    /// Writes a table that is whole.
    pub(super) fn table(
        &mut self,
        columns: &'static [Column],
        rows: &[Vec<Field>],
    ) -> Result<(), Error> {
        self.with(|writer, look| Table::wrapping(columns).write(rows, writer, look))
    }

    /// Writes a value as JSON on a line.
    pub(super) fn json(&mut self, value: &impl serde::Serialize) -> Result<(), Error> {
        serde_json::to_writer(&mut self.writer, value).map_err(|e| Error::Output(e.into()))?;
        self.line("")
    }

    /// Writes a line.
    pub(super) fn line(&mut self, text: impl std::fmt::Display) -> Result<(), Error> {
        writeln!(self.writer, "{text}").map_err(Error::Output)
    }

    /// Lets everything go out.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        self.writer.flush().map_err(Error::Output)
    }
}

/// Says something to the person, on standard error. Where that is gone nobody wants to know.
pub(super) fn note(text: impl std::fmt::Display) {
    let _ = writeln!(anstream::stderr(), "{text}");
}
