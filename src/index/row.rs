//! Rows on their way out, read in pages so that no transaction outlives a call: a program that waits
//! for its pager must not keep the write-ahead log from being emptied.

use std::collections::VecDeque;

use rusqlite::types::ValueRef;

use super::IndexError;
use crate::event::Outcome;

/// What a page may hold: a statement stops after so many rows or bytes.
pub(super) const PAGE_ROWS: usize = 512;
const PAGE_BYTES: usize = 1 << 20;

/// A sequence number as SQLite holds it; no ledger reaches 2^63.
pub(super) fn sql_int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// The column's word for an outcome.
pub(super) fn outcome_text(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Success => "success",
        Outcome::Failure => "failure",
        Outcome::Unknown => "unknown",
    }
}

/// An event as the index holds it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// The leaf's sequence number.
    pub seq: u64,
    /// When it was written, nanoseconds since 1970.
    pub ts_ns: i64,
    /// The line's id, the client's or the daemon's.
    pub id: String,
    /// What happened.
    pub event_type: Option<String>,
    /// Syslog severity.
    pub priority: Option<u8>,
    /// The app that reported it.
    pub source: Option<String>,
    /// Who did it.
    pub actor: Option<String>,
    /// What was done, for people.
    pub action: Option<String>,
    /// `success`, `failure` or `unknown`.
    pub outcome: Option<String>,
    /// What it was done to.
    pub target: Option<String>,
    /// Where from.
    pub client_ip: Option<String>,
    /// The session it belongs to.
    pub session_id: Option<String>,
    /// The request or trace it belongs to.
    pub correlation_id: Option<String>,
    /// The operation that was timed.
    pub operation: Option<String>,
    /// How long it took, milliseconds.
    pub duration_ms: Option<f64>,
    /// The client's clock, nanoseconds since 1970.
    pub client_ts_ns: Option<i64>,
    /// The sender's user.
    pub uid: Option<u32>,
    /// The sender's group.
    pub gid: Option<u32>,
    /// The sender's process.
    pub pid: Option<i32>,
    /// The sender's systemd unit.
    pub unit: Option<String>,
    /// The sender's executable.
    pub exe: Option<String>,
    /// The line's mac: 32 bytes unless somebody changed it.
    pub mac: Vec<u8>,
    /// The event, a JSON object.
    pub event: String,
}

impl Row {
    pub(super) const COLUMNS: &'static str = "e.seq, e.ts_ns, \
        iif(e.client_id IS NULL, (SELECT substr(log_id, 1, 12) FROM meta) || '-' || e.seq, e.client_id), e.event_type, e.priority, e.source, \
        e.actor, e.action, e.outcome, e.target, e.client_ip, e.session_id, e.correlation_id, \
        e.operation, e.duration_ms, e.client_ts_ns, e.uid, e.gid, e.pid, e.unit, e.exe, e.mac, e.event";

    pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: u64::try_from(row.get::<_, i64>(0)?).unwrap_or_default(),
            ts_ns: row.get(1)?,
            id: text(row, 2)?.unwrap_or_default(),
            event_type: text(row, 3)?,
            priority: row.get(4)?,
            source: text(row, 5)?,
            actor: text(row, 6)?,
            action: text(row, 7)?,
            outcome: text(row, 8)?,
            target: text(row, 9)?,
            client_ip: text(row, 10)?,
            session_id: text(row, 11)?,
            correlation_id: text(row, 12)?,
            operation: text(row, 13)?,
            duration_ms: row.get(14)?,
            client_ts_ns: row.get(15)?,
            uid: row.get(16)?,
            gid: row.get(17)?,
            pid: row.get(18)?,
            unit: text(row, 19)?,
            exe: text(row, 20)?,
            mac: row.get(21)?,
            event: text(row, 22)?.unwrap_or_default(),
        })
    }
}

/// A seal as the index holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// The leaf's sequence number; negative only if somebody put it there.
    pub seq: i64,
    /// Its whole line.
    pub text: String,
}

impl Line {
    pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { seq: row.get(0)?, text: text(row, 1)?.unwrap_or_default() })
    }
}

/// A text that somebody filled with anything is still shown.
fn text(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<Option<String>> {
    Ok(match row.get_ref(at)? {
        ValueRef::Null => None,
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
        ValueRef::Integer(n) => Some(n.to_string()),
        ValueRef::Real(n) => Some(n.to_string()),
    })
}

/// What a page of rows is made of.
pub(super) trait Paged {
    /// Roughly how much memory it takes.
    fn bytes(&self) -> usize;
}

impl Paged for Row {
    fn bytes(&self) -> usize {
        self.event.len()
    }
}

impl Paged for Line {
    fn bytes(&self) -> usize {
        self.text.len()
    }
}

/// Reads one page from a running statement; `true` if there may be more.
pub(super) fn page<T: Paged>(
    rows: &mut rusqlite::Rows<'_>,
    read: impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<(Vec<T>, bool)> {
    let mut page = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let row = read(row)?;
        bytes += row.bytes();
        page.push(row);
        if page.len() == PAGE_ROWS || bytes >= PAGE_BYTES {
            return Ok((page, true));
        }
    }
    Ok((page, false))
}

/// Fetches the next page; `true` if there may be more.
type Fetch<'r, T> = Box<dyn FnMut() -> Result<(Vec<T>, bool), IndexError> + 'r>;

/// Rows of a query. Between two pages no transaction is open, so later pages see later commits.
pub struct Rows<'r, T> {
    page: VecDeque<T>,
    fetch: Option<Fetch<'r, T>>,
}

impl<'r, T> Rows<'r, T> {
    pub(super) fn new(fetch: impl FnMut() -> Result<(Vec<T>, bool), IndexError> + 'r) -> Self {
        Self { page: VecDeque::new(), fetch: Some(Box::new(fetch)) }
    }
}

impl<T> Iterator for Rows<'_, T> {
    type Item = Result<T, IndexError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty()
            && let Some(mut fetch) = self.fetch.take()
        {
            match fetch() {
                Err(error) => return Some(Err(error)),
                Ok((page, more)) => {
                    self.page = page.into();
                    self.fetch = more.then_some(fetch);
                }
            }
        }
        self.page.pop_front().map(Ok)
    }
}
