//! Events as they are printed: a table for people, and three formats for programs.

use std::io::{self, Write};

use clap::ValueEnum;
use comfy_table::{Attribute, Color};

use super::args::priority_name;
use super::output::Look;
use super::record::{self, CSV_COLUMNS};
use super::table::{Column, Field, Table};
use super::text::{visible, visible_json};
use crate::index::Row;

/// Rows that are laid out together.
const BATCH: usize = 512;
/// Characters of the event that a terminal shows in place of an action.
const GLIMPSE: usize = 400;
/// Terminals narrower than this show times without the year.
const WIDE: u16 = 100;

/// In which form events are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Aligned columns: cut to the terminal's width, whole when piped
    Table,
    /// One JSON object a line: seq, ts, id, fields (the columns), peer, event, mac
    Jsonl,
    /// The same objects in one array
    Json,
    /// All columns and the event, with a heading
    Csv,
}

static COLUMNS: [Column; 10] = [
    Column { name: "SEQ", min: u16::MAX, usual: 6, drop: 0, right: true },
    Column { name: "TIME", min: u16::MAX, usual: 0, drop: 0, right: false },
    Column { name: "PRIO", min: 7, usual: 7, drop: 6, right: false },
    Column { name: "TYPE", min: 12, usual: 22, drop: 0, right: false },
    Column { name: "ACTOR", min: 8, usual: 14, drop: 5, right: false },
    Column { name: "OUTCOME", min: 7, usual: 7, drop: 4, right: false },
    Column { name: "SOURCE", min: 7, usual: 12, drop: 2, right: false },
    Column { name: "UID", min: 5, usual: 5, drop: 1, right: true },
    Column { name: "TARGET", min: 10, usual: 18, drop: 3, right: false },
    Column { name: "ACTION", min: 12, usual: 30, drop: 7, right: false },
];

/// Prints events one after the other.
pub(super) struct Printer {
    format: Format,
    table: Table,
    batch: Vec<Row>,
    printed: u64,
}

impl Printer {
    /// `open`: more events come as they happen.
    pub(super) fn new(format: Format, open: bool) -> Self {
        let table = Table::new(&COLUMNS, open);
        Self { format, table, batch: Vec::new(), printed: 0 }
    }

    /// Events that were given to it.
    pub(super) fn count(&self) -> u64 {
        self.printed + self.batch.len() as u64
    }

    /// Takes an event; it appears with the next batch.
    pub(super) fn push(&mut self, row: Row, out: &mut dyn Write, look: &Look) -> io::Result<()> {
        self.batch.push(row);
        if self.batch.len() < BATCH { Ok(()) } else { self.flush(out, look) }
    }

    /// Prints what it was given.
    pub(super) fn flush(&mut self, out: &mut dyn Write, look: &Look) -> io::Result<()> {
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return Ok(());
        }
        match self.format {
            Format::Table => {
                let rows: Vec<_> = batch.iter().map(|row| fields(row, look)).collect();
                self.table.write(&rows, out, look)?;
            }
            Format::Jsonl => {
                batch.iter().try_for_each(|row| writeln!(out, "{}", shown_json(row, look)))?;
            }
            Format::Json => self.write_array(&batch, out, look)?,
            Format::Csv => self.write_csv(&batch, out, look)?,
        }
        self.printed += batch.len() as u64;
        Ok(())
    }

    /// Prints what is left, and the end of an array.
    pub(super) fn finish(&mut self, out: &mut dyn Write, look: &Look) -> io::Result<()> {
        self.flush(out, look)?;
        match (self.format, self.printed) {
            (Format::Json, 0) => writeln!(out, "[]"),
            (Format::Json, _) => writeln!(out, "\n]"),
            _ => Ok(()),
        }
    }

    fn write_array(&self, batch: &[Row], out: &mut dyn Write, look: &Look) -> io::Result<()> {
        for (i, row) in batch.iter().enumerate() {
            let before = if self.printed == 0 && i == 0 { "[\n" } else { ",\n" };
            write!(out, "{before}{}", shown_json(row, look))?;
        }
        Ok(())
    }

    fn write_csv(&self, batch: &[Row], out: &mut dyn Write, look: &Look) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(out);
        if self.printed == 0 {
            csv.write_record(CSV_COLUMNS)?;
        }
        for row in batch {
            let values = record::csv(row);
            match look.terminal {
                true => csv.write_record(values.iter().map(|v| visible(v).into_owned()))?,
                false => csv.write_record(&values)?,
            }
        }
        csv.flush()
    }
}

fn fields(row: &Row, look: &Look) -> Vec<Field> {
    let text = |value: &Option<String>| Field::new(value.as_deref().unwrap_or_default());
    let when = match look.terminal && look.width.is_some_and(|width| width < WIDE) {
        // Without the year.
        true => look.time(row.ts_ns).get(5..).unwrap_or_default().to_owned(),
        false => look.time(row.ts_ns),
    };
    let mut priority = Field::new(row.priority.map(priority_name).unwrap_or_default());
    (priority.color, priority.attribute) = match row.priority {
        Some(0..=2) => (Some(Color::Red), Some(Attribute::Bold)),
        Some(3) => (Some(Color::Red), None),
        Some(4) => (Some(Color::Yellow), None),
        Some(7) => (None, Some(Attribute::Dim)),
        _ => (None, None),
    };
    let mut outcome = text(&row.outcome);
    outcome.color = (row.outcome.as_deref() == Some("failure")).then_some(Color::Red);
    let seq = Field::new(&row.seq.to_string());
    let uid = Field::new(&row.uid.map(|uid| uid.to_string()).unwrap_or_default());
    let (event_type, actor) = (text(&row.event_type), text(&row.actor));
    let (source, target, mut action) = (text(&row.source), text(&row.target), text(&row.action));
    if look.terminal && row.action.is_none() {
        // An event of another vocabulary would be an empty line.
        action = Field::new(&row.event.chars().take(GLIMPSE).collect::<String>());
        action.attribute = Some(Attribute::Dim);
    }
    vec![seq, Field::new(&when), priority, event_type, actor, outcome, source, uid, target, action]
}

/// The event as a JSON object on one line, safe to look at where somebody looks.
fn shown_json(row: &Row, look: &Look) -> String {
    let json = record::json(row);
    match look.terminal {
        true => visible_json(&json).into_owned(),
        false => json,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seq: u64) -> Row {
        Row {
            seq,
            ts_ns: 1_795_224_225_123_456_789,
            id: "a\"b".into(),
            event_type: Some("auth.login".into()),
            priority: Some(4),
            actor: Some("al\u{1b}[31mice".into()),
            outcome: Some("failure".into()),
            action: Some("two\nlines\tand a tab".into()),
            uid: Some(1000),
            gid: Some(1000),
            pid: Some(7),
            unit: Some("x.service".into()),
            mac: vec![0xab; 32],
            event: r#"{"event_type":"auth.login","n":1.00}"#.into(),
            ..Row::default()
        }
    }

    fn printed(format: Format, rows: impl IntoIterator<Item = Row>, look: &Look) -> String {
        let (mut printer, mut out) = (Printer::new(format, false), Vec::new());
        for row in rows {
            printer.push(row, &mut out, look).expect("memory takes everything");
        }
        printer.finish(&mut out, look).expect("memory takes everything");
        String::from_utf8(out).expect("utf-8")
    }

    #[test]
    fn a_piped_table_has_one_line_an_event_and_no_control_characters() {
        let text = printed(Format::Table, [event(7)], &Look::plain());
        let (heading, row) = text.split_once('\n').expect("two lines");
        let want = "SEQ TIME PRIO TYPE ACTOR OUTCOME SOURCE UID TARGET ACTION";
        assert_eq!(heading.split_whitespace().collect::<Vec<_>>().join(" "), want);
        let want = "  7  2026-11-21T01:23:45.123456789Z  warning  auth.login  al\\u001b[31mice  \
                    failure          1000          two\\nlines\\tand a tab\n";
        assert_eq!(row, want);
    }

    #[test]
    fn on_a_terminal_the_only_escapes_are_ours() {
        let look = Look { terminal: true, color: true, width: Some(80), ..Look::plain() };
        let text = printed(Format::Table, [event(7)], &look);
        assert!(text.contains("\u{1b}[38;5;11mwarning"), "{text:?}");
        assert!(!text.contains("\u{1b}[31mice"), "{text}");
        for format in [Format::Jsonl, Format::Json, Format::Csv] {
            assert!(!printed(format, [event(7)], &look).contains('\u{1b}'));
        }
    }

    #[test]
    fn jsonl_has_the_event_byte_for_byte_and_its_columns() {
        let text = printed(Format::Jsonl, [event(7)], &Look::plain());
        let mac = "ab".repeat(32);
        let want = format!(
            r#"{{"seq":7,"ts":"2026-11-21T01:23:45.123456789Z","id":"a\"b","fields":{{"event_type":"auth.login","priority":4,"actor":"al\u001b[31mice","action":"two\u000alines\u0009and a tab","outcome":"failure"}},"peer":{{"pid":7,"uid":1000,"gid":1000,"unit":"x.service","exe":null}},"event":{{"event_type":"auth.login","n":1.00}},"mac":"{mac}"}}"#
        );
        assert_eq!(text, want + "\n");
    }

    #[test]
    fn json_is_one_array_however_many_events_there_are() {
        for n in [0, 1, 2, BATCH as u64 + 1] {
            let text = printed(Format::Json, (0..n).map(event), &Look::plain());
            let array: Vec<serde_json::Value> = serde_json::from_str(&text).expect("an array");
            assert_eq!(array.len() as u64, n);
        }
    }

    #[test]
    fn csv_reads_back_whatever_the_texts_are() {
        let text = printed(Format::Csv, (0..600).map(event), &Look::plain());
        let mut csv = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(csv.headers().expect("a heading"), &CSV_COLUMNS[..]);
        let rows: Vec<_> = csv.records().map(|row| row.expect("a row")).collect();
        assert_eq!(rows.len(), 600);
        assert_eq!(&rows[599][7], "two\nlines\tand a tab");
        assert_eq!(rows[599].as_slice().matches("auth.login").count(), 2);
    }

    #[test]
    fn a_row_that_somebody_changed_stays_one_object() {
        let changed = Row { event: "{}}\n{\"seq\":8}".into(), ..event(7) };
        let text = printed(Format::Jsonl, [changed], &Look::plain());
        let value: serde_json::Value = serde_json::from_str(&text).expect("one object");
        assert_eq!(value["event"], "{}}\n{\"seq\":8}");
    }
}
