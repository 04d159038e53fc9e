//! What the tables hold of a line, a seal, a segment and a block: the columns and their values, in one place for
//! whoever writes them and whoever compares them.

use rusqlite::types::ValueRef;

use super::row::{outcome_text, sql_int};
use super::schema::BLOCK_SHIFT;
use crate::event::Event;
use crate::retention::Facts;

/// A table and the columns that are stored in it; the first one is its rowid.
pub(super) struct Table {
    pub name: &'static str,
    pub columns: &'static [&'static str],
}

/// An event line of the ledger.
#[derive(Clone, Copy, Debug)]
pub struct EventRow<'a> {
    /// The leaf's sequence number.
    pub seq: u64,
    /// When it was written, nanoseconds since 1970.
    pub ts_ns: i64,
    /// The line's id if the client gave it; the others follow from the log's id and `seq`.
    pub client_id: Option<&'a str>,
    /// The sender's user.
    pub uid: Option<u32>,
    /// The sender's group; `None` for a record about a user without a particular process.
    pub gid: Option<u32>,
    /// The sender's process; likewise.
    pub pid: Option<i32>,
    /// The sender's systemd unit.
    pub unit: Option<&'a str>,
    /// The sender's executable.
    pub exe: Option<&'a str>,
    /// The event, a JSON object.
    pub event: &'a str,
    /// The line's mac.
    pub mac: [u8; 32],
    /// The event's known members.
    pub fields: &'a Event<'a>,
}

impl EventRow<'_> {
    /// What rules of retention and holds look at.
    pub fn facts(&self) -> Facts<'_> {
        let fields = self.fields;
        Facts {
            event_type: fields.event_type.as_deref(),
            source: fields.source.as_deref(),
            actor: fields.actor.as_deref(),
            target: fields.target.as_deref(),
            session_id: fields.session_id.as_deref(),
            correlation_id: fields.correlation_id.as_deref(),
            unit: self.unit,
            uid: self.uid,
        }
    }
}

/// A seal line of the ledger.
#[derive(Clone, Copy, Debug)]
pub struct SealRow<'a> {
    /// The leaf's sequence number.
    pub seq: u64,
    /// When it was written, nanoseconds since 1970.
    pub ts_ns: i64,
    /// The epoch that it closes.
    pub epoch: u64,
    /// The epoch's first leaf.
    pub first_seq: u64,
    /// Leaves before the seal.
    pub size: u64,
    /// The Merkle root over them, hex.
    pub root: &'a str,
    /// SHA-256 of the previous seal line, hex.
    pub prev: &'a str,
    /// The next epoch's public key, hex.
    pub next_pub: &'a str,
    /// Why the epoch was closed.
    pub reason: &'a str,
    /// The kernel's boot id.
    pub boot_id: &'a str,
    /// CLOCK_BOOTTIME at the seal, nanoseconds.
    pub boottime_ns: u64,
    /// The whole line without its LF.
    pub line: &'a str,
}

/// A segment of the ledger.
#[derive(Clone, Copy, Debug)]
pub struct SegmentRow<'a> {
    /// Its number.
    pub number: u64,
    /// Its first leaf.
    pub first_seq: u64,
    /// When it was opened, RFC 3339.
    pub opened: &'a str,
    /// The host's name.
    pub host: &'a str,
}

/// The times of the events in one block of sequence numbers.
pub(super) struct Block {
    pub number: i64,
    pub first_ts_ns: i64,
    pub last_ts_ns: i64,
}

/// Collects the times of the blocks from events in order.
#[derive(Default)]
pub(super) struct Spans(Option<Block>);

impl Spans {
    /// Takes an event; gives the block before its block, if that is complete now.
    pub fn note(&mut self, seq: u64, ts_ns: i64) -> Option<Block> {
        let number = sql_int(seq) >> BLOCK_SHIFT;
        match &mut self.0 {
            Some(block) if block.number == number => {
                block.first_ts_ns = block.first_ts_ns.min(ts_ns);
                block.last_ts_ns = block.last_ts_ns.max(ts_ns);
                None
            }
            _ => self.0.replace(Block { number, first_ts_ns: ts_ns, last_ts_ns: ts_ns }),
        }
    }

    /// The block that was begun.
    pub fn finish(&mut self) -> Option<Block> {
        self.0.take()
    }
}

impl EventRow<'_> {
    pub(super) const TABLE: Table = Table {
        name: "event_rows",
        columns: &[
            "seq",
            "ts_ns",
            "client_id",
            "event_type",
            "priority",
            "source",
            "actor",
            "action",
            "outcome",
            "target",
            "client_ip",
            "session_id",
            "correlation_id",
            "operation",
            "duration_ms",
            "client_ts_ns",
            "uid",
            "gid",
            "pid",
            "unit",
            "exe",
            "mac",
            "event",
        ],
    };

    pub(super) fn values(&self) -> [ValueRef<'_>; 23] {
        let fields = self.fields;
        [
            ValueRef::Integer(sql_int(self.seq)),
            ValueRef::Integer(self.ts_ns),
            text(self.client_id),
            text(fields.event_type.as_deref()),
            int(fields.priority),
            text(fields.source.as_deref()),
            text(fields.actor.as_deref()),
            text(fields.action.as_deref()),
            text(fields.outcome.map(outcome_text)),
            text(fields.target.as_deref()),
            text(fields.client_ip.as_deref()),
            text(fields.session_id.as_deref()),
            text(fields.correlation_id.as_deref()),
            text(fields.operation.as_deref()),
            fields.duration_ms.map_or(ValueRef::Null, ValueRef::Real),
            int(fields.client_ts_ns),
            int(self.uid),
            int(self.gid),
            int(self.pid),
            text(self.unit),
            text(self.exe),
            ValueRef::Blob(&self.mac),
            ValueRef::Text(self.event.as_bytes()),
        ]
    }
}

impl SealRow<'_> {
    pub(super) const TABLE: Table = Table {
        name: "seals",
        columns: &[
            "seq",
            "ts_ns",
            "epoch",
            "first_seq",
            "size",
            "root",
            "prev",
            "next_pub",
            "reason",
            "boot_id",
            "boottime_ns",
            "line",
        ],
    };

    pub(super) fn values(&self) -> [ValueRef<'_>; 12] {
        [
            ValueRef::Integer(sql_int(self.seq)),
            ValueRef::Integer(self.ts_ns),
            ValueRef::Integer(sql_int(self.epoch)),
            ValueRef::Integer(sql_int(self.first_seq)),
            ValueRef::Integer(sql_int(self.size)),
            text(Some(self.root)),
            text(Some(self.prev)),
            text(Some(self.next_pub)),
            text(Some(self.reason)),
            text(Some(self.boot_id)),
            ValueRef::Integer(sql_int(self.boottime_ns)),
            text(Some(self.line)),
        ]
    }
}

impl SegmentRow<'_> {
    pub(super) const TABLE: Table =
        Table { name: "segments", columns: &["number", "first_seq", "opened", "host"] };

    pub(super) fn values(&self) -> [ValueRef<'_>; 4] {
        [
            ValueRef::Integer(sql_int(self.number)),
            ValueRef::Integer(sql_int(self.first_seq)),
            text(Some(self.opened)),
            text(Some(self.host)),
        ]
    }
}

impl Block {
    pub(super) const TABLE: Table =
        Table { name: "blocks", columns: &["block", "first_ts_ns", "last_ts_ns"] };

    pub(super) fn values(&self) -> [ValueRef<'static>; 3] {
        [self.number, self.first_ts_ns, self.last_ts_ns].map(ValueRef::Integer)
    }
}

fn text(text: Option<&str>) -> ValueRef<'_> {
    text.map_or(ValueRef::Null, |text| ValueRef::Text(text.as_bytes()))
}

fn int<'a>(int: Option<impl Into<i64>>) -> ValueRef<'a> {
    int.map_or(ValueRef::Null, |int| ValueRef::Integer(int.into()))
}
