//! An event in the forms that programs read.

use serde::de::IgnoredAny;

use crate::clock::rfc3339;
use crate::index::Row;
use crate::json::push_string;

/// The event as a JSON object on one line: as in the ledger, and `fields`, its columns that have a value.
pub(super) fn json(row: &Row) -> String {
    let mut object = Object::new();
    object.raw("seq", &row.seq.to_string());
    object.text("ts", &rfc3339(row.ts_ns));
    object.text("id", &row.id);
    object.raw("fields", &json_fields(row));
    object.raw("peer", &json_peer(row));
    // A row that somebody changed may hold anything; it must not become other lines or members.
    let valid = !row.event.contains('\n') && serde_json::from_str::<IgnoredAny>(&row.event).is_ok();
    match valid {
        true => object.raw("event", &row.event),
        false => object.text("event", &row.event),
    }
    object.text("mac", &hex(&row.mac));
    object.end()
}

fn json_fields(row: &Row) -> String {
    let mut fields = Object::new();
    let text = |fields: &mut Object, name, value: &Option<String>| {
        if let Some(value) = value {
            fields.text(name, value);
        }
    };
    text(&mut fields, "event_type", &row.event_type);
    if let Some(priority) = row.priority {
        fields.raw("priority", &priority.to_string());
    }
    text(&mut fields, "source", &row.source);
    text(&mut fields, "actor", &row.actor);
    text(&mut fields, "action", &row.action);
    text(&mut fields, "outcome", &row.outcome);
    text(&mut fields, "target", &row.target);
    text(&mut fields, "client_ip", &row.client_ip);
    text(&mut fields, "session_id", &row.session_id);
    text(&mut fields, "correlation_id", &row.correlation_id);
    text(&mut fields, "operation", &row.operation);
    if let Some(duration) = row.duration_ms.filter(|ms| ms.is_finite()) {
        fields.raw("duration_ms", &duration.to_string());
    }
    text(&mut fields, "client_ts", &row.client_ts_ns.map(rfc3339));
    fields.end()
}

fn json_peer(row: &Row) -> String {
    let mut peer = Object::new();
    peer.raw("pid", &number(row.pid, "null"));
    peer.raw("uid", &number(row.uid, "null"));
    peer.raw("gid", &number(row.gid, "null"));
    for (name, value) in [("unit", &row.unit), ("exe", &row.exe)] {
        match value {
            Some(value) => peer.text(name, value),
            None => peer.raw(name, "null"),
        }
    }
    peer.end()
}

/// Its digits, or what stands for none.
fn number(value: Option<impl ToString>, none: &str) -> String {
    value.map_or_else(|| none.to_owned(), |value| value.to_string())
}

/// A JSON object in the making; the names are ours and need no escaping.
struct Object(Vec<u8>);

impl Object {
    fn new() -> Self {
        Self(vec![b'{'])
    }

    fn raw(&mut self, name: &str, json: &str) {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        self.0.extend_from_slice(format!("\"{name}\":{json}").as_bytes());
    }

    fn text(&mut self, name: &str, value: &str) {
        self.raw(name, "");
        push_string(&mut self.0, value);
    }

    fn end(mut self) -> String {
        self.0.push(b'}');
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

/// Lowercase hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// The heading of [`csv`]: the names of the database's columns.
pub(super) const CSV_COLUMNS: [&str; 23] = [
    "seq",
    "ts",
    "id",
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
    "client_ts",
    "uid",
    "gid",
    "pid",
    "unit",
    "exe",
    "mac",
    "event",
];

/// The event's values for a line of CSV; what is NULL is empty.
pub(super) fn csv(row: &Row) -> [String; 23] {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    [
        row.seq.to_string(),
        rfc3339(row.ts_ns),
        row.id.clone(),
        text(&row.event_type),
        number(row.priority, ""),
        text(&row.source),
        text(&row.actor),
        text(&row.action),
        text(&row.outcome),
        text(&row.target),
        text(&row.client_ip),
        text(&row.session_id),
        text(&row.correlation_id),
        text(&row.operation),
        number(row.duration_ms, ""),
        row.client_ts_ns.map(rfc3339).unwrap_or_default(),
        number(row.uid, ""),
        number(row.gid, ""),
        number(row.pid, ""),
        text(&row.unit),
        text(&row.exe),
        hex(&row.mac),
        row.event.clone(),
    ]
}
