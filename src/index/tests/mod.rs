//! The index against real files.

mod killed;
mod postings;
mod pruning;
mod reading;
mod refusing;
mod writing;

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::event::Event;

const LOG: &str = "0123456789abcdef0123456789abcdef";
const OTHER_LOG: &str = "ffffffffffffffffffffffffffffffff";
const START: i64 = 1_795_224_225_000_000_000;

/// A directory of its own with the path of an index in it.
struct Place {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("audit.db");
        Self { _dir: dir, path }
    }

    fn open(&self) -> Result<Writer, IndexError> {
        Writer::open(&self.path, LOG, &options())
    }

    fn writer(&self) -> Writer {
        self.open().expect("opens")
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.path).expect("opens")
    }

    /// Another program's connection.
    fn other(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(&self.path).expect("opens")
    }

    /// An index with the events `0..n` in it, closed.
    fn with_events(n: u64) -> Self {
        let place = Self::new();
        let mut writer = place.writer();
        put(&mut writer, 0..n, n);
        writer.close().expect("closes");
        place
    }
}

fn options() -> Options {
    Options { busy_timeout: Duration::from_millis(10), ..Options::default() }
}

fn some(text: &str) -> Option<Cow<'_, str>> {
    Some(Cow::Borrowed(text))
}

/// What the event with this number says; the numbers repeat in cycles of different lengths.
fn fields(seq: u64) -> Event<'static> {
    Event {
        event_type: Some(["auth.login", "auth.logout", "file.read"][seq as usize % 3].into()),
        priority: Some((seq % 8) as u8),
        source: some(["sshd", "web"][seq as usize % 2]),
        actor: Some(format!("user-{}", seq % 5).into()),
        outcome: Some(if seq.is_multiple_of(10) { Outcome::Failure } else { Outcome::Success }),
        correlation_id: (seq == 7).then_some("trace-7".into()),
        session_id: (seq == 8).then_some("session-8".into()),
        ..Event::default()
    }
}

fn event_text(seq: u64) -> String {
    format!(r#"{{"n":{seq},"note":"Number {seq} of 100%"}}"#)
}

/// Inserts one batch, an event each second.
fn put(writer: &mut Writer, seqs: std::ops::Range<u64>, indexed: u64) {
    put_at(writer, seqs.map(|seq| (seq, START + seq as i64 * 1_000_000_000)), indexed);
}

/// Inserts one batch of events at times of their own.
fn put_at(writer: &mut Writer, events: impl Iterator<Item = (u64, i64)>, indexed: u64) {
    let (seqs, times): (Vec<_>, Vec<_>) = events.unzip();
    let owned: Vec<_> = seqs.into_iter().map(|seq| (seq, fields(seq), event_text(seq))).collect();
    let ids: Vec<_> = owned.iter().map(|(seq, ..)| format!("client-{seq}")).collect();
    let rows: Vec<_> = owned
        .iter()
        .zip(&ids)
        .zip(&times)
        .map(|(((seq, fields, event), id), ts_ns)| EventRow {
            seq: *seq,
            ts_ns: *ts_ns,
            client_id: (seq % 4 == 0).then_some(id),
            uid: Some(1000 + (seq % 2) as u32),
            gid: Some(100),
            pid: Some(42),
            unit: (seq % 6 == 0).then_some("cron.service"),
            exe: None,
            event,
            mac: [*seq as u8; 32],
            fields,
        })
        .collect();
    let mut batch = writer.begin().expect("begins");
    batch.events(&rows).expect("inserts");
    batch.commit(indexed).expect("commits");
}

/// A row of which only the event's members matter.
fn row<'a>(seq: u64, fields: &'a Event<'a>) -> EventRow<'a> {
    EventRow {
        seq,
        ts_ns: START,
        client_id: None,
        uid: None,
        gid: None,
        pid: None,
        unit: None,
        exe: None,
        event: "{}",
        mac: [0; 32],
        fields,
    }
}

/// Every event, oldest first.
fn all(reader: &Reader) -> Vec<Row> {
    let rows = reader.query(&Filter::default(), Order::Oldest, None).expect("a query");
    rows.map(|row| row.expect("a row")).collect()
}

fn seqs(reader: &Reader, filter: &Filter, order: Order, limit: Option<u64>) -> Vec<u64> {
    let rows = reader.query(filter, order, limit).expect("a query");
    rows.map(|row| row.expect("a row").seq).collect()
}

use crate::event::Outcome;
