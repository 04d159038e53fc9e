//! From a ledger line to a row of the index: for insertion, and again for verification.

use std::borrow::Cow;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::event::{self, Event, FieldMap};
use crate::index::{EventRow, IndexError, Postings, PostingsBuilder, SealRow, SegmentRow};
use crate::ledger::line::{self, Body, Line};
use crate::ledger::seal;
use crate::ledger::segment::Found;
use crate::record;

/// Where rows go.
pub trait Sink {
    /// Events in the order of the ledger, at most `TOGETHER`.
    fn events(&mut self, rows: &[EventRow<'_>]) -> Result<(), IndexError>;
    /// A seal. Events before it may come after it.
    fn seal(&mut self, row: &SealRow<'_>) -> Result<(), IndexError>;
}

/// The peer object of a line.
#[derive(Clone, Deserialize)]
struct Peer<'a> {
    pid: Option<i32>,
    uid: u32,
    gid: Option<u32>,
    #[serde(borrow)]
    unit: Option<Cow<'a, str>>,
    #[serde(borrow)]
    exe: Option<Cow<'a, str>>,
}

/// An event line on its way to a row.
pub(super) struct Parsed<'a> {
    line: Line<'a>,
    text: &'a str,
    /// The id, if it is not the one that the daemon gives.
    client_id: Option<Cow<'a, str>>,
    peer: Option<Peer<'a>>,
    fields: Event<'a>,
}

/// Rows that are handed on together.
const TOGETHER: usize = 256;

/// The daemon's own records speak the built-in vocabulary, whatever clients speak.
static OWN_FIELDS: LazyLock<FieldMap> = LazyLock::new(FieldMap::builtin);

/// Makes the rows of whole lines, each with its LF. What is no ledger line is left out: it is for
/// verification.
pub fn each(
    lines: &[u8],
    fields: &FieldMap,
    log_id: &str,
    sink: &mut impl Sink,
) -> Result<(), IndexError> {
    Parser::new(fields, log_id).read(lines, |part| part.give(sink))
}

/// What lines become on their way to a sink.
pub(super) enum Part<'a> {
    Events(Vec<Parsed<'a>>),
    /// A seal: its line, taken apart and as it is, and what it says.
    Seal(Line<'a>, &'a [u8], &'a str),
}

impl Part<'_> {
    /// Notes where the values of its events are; gives what is complete.
    pub fn note(&self, postings: &mut PostingsBuilder, complete: &mut Vec<Postings>) {
        if let Part::Events(events) = self {
            complete.extend(events.iter().filter_map(|event| postings.note(&event.row())));
        }
    }

    pub fn give(&self, sink: &mut impl Sink) -> Result<(), IndexError> {
        match self {
            Part::Events(events) => {
                let rows: Vec<_> = events.iter().map(Parsed::row).collect();
                sink.events(&rows)
            }
            Part::Seal(line, text, json) => give_seal(line, text, json, sink),
        }
    }
}

/// Reads lines.
pub(super) struct Parser<'a, 'c> {
    fields: &'c FieldMap,
    log_id: &'c str,
    /// The peer of the line before and its text, which most lines share with the line before.
    last_peer: Option<(&'a str, Peer<'a>)>,
}

impl<'a, 'c> Parser<'a, 'c> {
    pub fn new(fields: &'c FieldMap, log_id: &'c str) -> Self {
        Self { fields, log_id, last_peer: None }
    }

    /// Reads whole lines, each with its LF, and gives what they become.
    pub fn read<E>(
        &mut self,
        lines: &'a [u8],
        mut give: impl FnMut(Part<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut events = Vec::with_capacity(TOGETHER);
        let mut rest = lines;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let text = &rest[..end];
            rest = &rest[end + 1..];
            if let Some(event) = self.quickly(text) {
                events.push(event);
            } else if let Ok(line) = line::parse(text) {
                match line.body {
                    Body::Event { peer, event } => events.push(self.parse(line, peer, event)),
                    Body::Seal(json) => give(Part::Seal(line, text, json))?,
                }
            } else {
                tracing::warn!("a line of the ledger is not well-formed; run `auditlog verify`");
            }
            if events.len() == TOGETHER {
                let next = Vec::with_capacity(TOGETHER);
                give(Part::Events(std::mem::replace(&mut events, next)))?;
            }
        }
        give(Part::Events(events))
    }

    /// Reads each part of an event's line once. `None` if one of them is not what the daemon writes: then the whole
    /// line is to be looked at.
    fn quickly(&mut self, text: &'a [u8]) -> Option<Parsed<'a>> {
        let line = line::peek(text).filter(|_| text.len() <= line::MAX)?;
        let Body::Event { peer, event } = line.body else { return None };
        if !event.starts_with('{') {
            return None;
        }
        let peer = match &self.last_peer {
            Some((text, known)) if *text == peer => known.clone(),
            _ => {
                let read: Peer<'a> = serde_json::from_str(peer).ok()?;
                self.last_peer.insert((peer, read)).1.clone()
            }
        };
        let fields = event::parse(event, self.fields_of(event)).ok()?;
        let client_id = match is_own_id(line.id, self.log_id, line.seq) {
            true => None,
            false => Some(unquote(line.id)?),
        };
        Some(Parsed { line, text: event, client_id, peer: Some(peer), fields })
    }

    /// Reads a line that is well-formed.
    fn parse(&self, line: Line<'a>, peer: &'a str, event: &'a str) -> Parsed<'a> {
        let own = is_own_id(line.id, self.log_id, line.seq);
        Parsed {
            line,
            text: event,
            client_id: (!own).then(|| unquote(line.id).unwrap_or_default()),
            peer: serde_json::from_str(peer).ok(),
            // Events are parsed before they are signed, so this one has been: no columns if it was not.
            fields: event::parse(event, self.fields_of(event)).unwrap_or_default(),
        }
    }

    fn fields_of(&self, event: &str) -> &FieldMap {
        if event.starts_with(record::PREFIX) { &OWN_FIELDS } else { self.fields }
    }
}

impl Parsed<'_> {
    fn row(&self) -> EventRow<'_> {
        let peer = self.peer.as_ref();
        EventRow {
            seq: self.line.seq,
            ts_ns: self.line.ts_ns,
            client_id: self.client_id.as_deref(),
            uid: peer.map(|peer| peer.uid),
            gid: peer.and_then(|peer| peer.gid),
            pid: peer.and_then(|peer| peer.pid),
            unit: peer.and_then(|peer| peer.unit.as_deref()),
            exe: peer.and_then(|peer| peer.exe.as_deref()),
            event: self.text,
            mac: self.line.mac,
            fields: &self.fields,
        }
    }
}

/// Whether an id, a JSON string, is the one that the daemon gives.
fn is_own_id(id: &str, log_id: &str, seq: u64) -> bool {
    id.strip_prefix('"')
        .and_then(|id| id.strip_prefix(&log_id[..12]))
        .and_then(|rest| rest.strip_prefix('-'))
        .and_then(|rest| rest.strip_suffix('"'))
        .is_some_and(|rest| rest.parse() == Ok(seq))
}

/// A JSON string's text.
fn unquote(json: &str) -> Option<Cow<'_, str>> {
    match serde_json::from_str::<&str>(json) {
        Ok(text) => Some(Cow::Borrowed(text)),
        Err(_) => serde_json::from_str(json).ok().map(Cow::Owned),
    }
}

fn give_seal(
    line: &Line<'_>,
    text: &[u8],
    json: &str,
    sink: &mut impl Sink,
) -> Result<(), IndexError> {
    let Ok(seal) = seal::parse(json) else { return Ok(()) };
    let hex = |hash: &[u8; 32]| data_encoding::HEXLOWER.encode(hash);
    sink.seal(&SealRow {
        seq: line.seq,
        ts_ns: line.ts_ns,
        epoch: seal.epoch,
        first_seq: seal.first_seq,
        size: seal.size,
        root: &hex(&seal.root.0),
        prev: &hex(&seal.prev.0),
        next_pub: &hex(&seal.next_pub.0),
        reason: seal.reason.as_str(),
        boot_id: &seal.boot_id,
        boottime_ns: seal.boottime_ns,
        line: &String::from_utf8_lossy(text),
    })
}

/// What the index knows of a segment: what its first line says.
pub fn segment(found: &Found) -> SegmentRow<'_> {
    SegmentRow {
        number: found.header.segment,
        first_seq: found.header.first_seq,
        opened: &found.header.opened,
        host: &found.header.host,
    }
}
