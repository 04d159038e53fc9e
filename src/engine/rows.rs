//! From a ledger line to a row of the index: for insertion, and again for verification.

use std::borrow::Cow;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, LazyLock};
use std::thread;

use serde::Deserialize;

use crate::event::{self, Event, FieldMap};
use crate::index::{EventRow, IndexError, SealRow, SegmentRow};
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
struct Parsed<'a> {
    line: Line<'a>,
    text: &'a str,
    /// The id, if it is not the one that the daemon gives.
    client_id: Option<Cow<'a, str>>,
    peer: Option<Peer<'a>>,
    fields: Event<'a>,
}

/// Rows that are handed on together.
const TOGETHER: usize = 256;
/// Groups of them that may wait for a sink which is slower than the reading.
const WAITING: usize = 4;

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

/// The same for many lines in pieces, each of whole lines: another thread reads them while the sink takes the rows of
/// those before them.
pub fn each_of_many(
    pieces: &[Arc<[u8]>],
    fields: &FieldMap,
    log_id: &str,
    sink: &mut impl Sink,
) -> Result<(), IndexError> {
    thread::scope(|scope| {
        let (give, given) = sync_channel(WAITING);
        let mut parser = Parser::new(fields, log_id);
        // If the sink fails there is nobody to take a part, and it ends.
        let read = move || {
            pieces
                .iter()
                .try_for_each(|piece| parser.read(piece, |part| give.send(part).map_err(drop)))
                .is_ok()
        };
        match thread::Builder::new().name("index-lines".into()).spawn_scoped(scope, read) {
            Ok(_) => given.into_iter().try_for_each(|part| part.give(sink)),
            // There is no thread to be had: it takes longer.
            Err(_) => pieces.iter().try_for_each(|piece| each(piece, fields, log_id, sink)),
        }
    })
}

/// What lines become on their way to a sink.
enum Part<'a> {
    Events(Vec<Parsed<'a>>),
    /// A seal: its line, taken apart and as it is, and what it says.
    Seal(Line<'a>, &'a [u8], &'a str),
}

impl Part<'_> {
    fn give(&self, sink: &mut impl Sink) -> Result<(), IndexError> {
        match self {
            Part::Events(events) => {
                let rows: Vec<_> = events.iter().map(Parsed::row).collect();
                sink.events(&rows)
            }
            Part::Seal(line, text, json) => give_seal(line, text, json, sink),
        }
    }
}

/// Reads event lines.
struct Parser<'a, 'c> {
    fields: &'c FieldMap,
    log_id: &'c str,
    /// The peer of the line before and its text, which most lines share with the line before.
    last_peer: Option<(&'a str, Peer<'a>)>,
}

impl<'a, 'c> Parser<'a, 'c> {
    fn new(fields: &'c FieldMap, log_id: &'c str) -> Self {
        Self { fields, log_id, last_peer: None }
    }

    /// Reads whole lines, and gives what they become.
    fn read<E>(
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::IndexError;

    const LOG_ID: &str = "0123456789abcdef0123456789abcdef";

    /// What it was given: the numbers of rows and their actors.
    #[derive(Debug, Default, PartialEq)]
    struct Given {
        rows: Vec<(u64, Option<String>)>,
        /// Rows that it takes before it fails.
        room: Option<usize>,
    }

    impl Sink for Given {
        fn events(&mut self, rows: &[EventRow<'_>]) -> Result<(), IndexError> {
            let of = |row: &EventRow<'_>| (row.seq, row.fields.actor.as_deref().map(str::to_owned));
            self.rows.extend(rows.iter().map(of));
            match self.room {
                Some(room) if self.rows.len() > room => {
                    Err(IndexError::Busy { path: "full".into() })
                }
                _ => Ok(()),
            }
        }

        fn seal(&mut self, _: &SealRow<'_>) -> Result<(), IndexError> {
            unreachable!("there is none")
        }
    }

    fn lines(seqs: std::ops::Range<u64>) -> Arc<[u8]> {
        let mut text = Vec::new();
        for seq in seqs {
            let ts = "2026-11-21T01:23:45.123456789Z";
            let id = format!(r#""{}-{seq}""#, &LOG_ID[..12]);
            let peer = r#"{"pid":1,"uid":0,"gid":0,"unit":null,"exe":null}"#;
            let event = format!(r#"{{"actor":"user-{}"}}"#, seq % 7);
            line::push_event(&mut text, seq, ts, id.as_bytes(), peer, event.as_bytes());
            line::push_tail(&mut text, &[9; 32]);
            text.push(b'\n');
        }
        text.into()
    }

    #[test]
    fn many_pieces_give_what_one_gives() {
        let pieces =
            [lines(0..1), lines(1..1), lines(1..3000), lines(3000..3001), lines(3001..5000)];
        let map = FieldMap::builtin();
        let (mut one, mut many) = (Given::default(), Given::default());
        each(&pieces.concat(), &map, LOG_ID, &mut one).expect("takes all");
        each_of_many(&pieces, &map, LOG_ID, &mut many).expect("takes all");
        assert_eq!(one.rows.len(), 5000);
        assert_eq!(one, many);
        each_of_many(&[], &map, LOG_ID, &mut Given::default()).expect("nothing is no error");
    }

    #[test]
    fn a_sink_that_fails_ends_it() {
        let pieces = vec![lines(0..3000); 20];
        let mut sink = Given { room: Some(1000), ..Given::default() };
        let failed = each_of_many(&pieces, &FieldMap::builtin(), LOG_ID, &mut sink);
        assert!(matches!(failed, Err(IndexError::Busy { .. })), "{failed:?}");
        assert!(sink.rows.len() <= 1000 + TOGETHER, "{}", sink.rows.len());
    }
}
