//! `auditlog show`: everything about one event.

use clap::Args;
use nix::unistd::{Gid, Group, Uid, User};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::args::priority_name;
use super::context::Context;
use super::error::{Error, Exit};
use super::output::{Form, Look, Out, note};
use super::record::{hex, json};
use super::text::{pretty_json, visible, visible_json};
use super::time;
use crate::clock::rfc3339;
use crate::index::{IndexError, Line, Reader, Row};

const HELP: &str = "\
Examples:
  auditlog show 4711
  auditlog show req-2026-11-20-0042
  auditlog show 4711 --format json | jq .event

Exit codes:
  0  the event was printed
  1  there is no such event
  2  the command line or the configuration is wrong
  3  the database cannot be read";

/// Show everything about one event
///
/// Who wrote it, as the kernel knows it; its columns; the event as its sender wrote it; its mac, and the
/// seal that covers it.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(super) struct Show {
    /// The event's sequence number or its id; of several events with one id, the newest
    #[arg(value_name = "SEQ|ID")]
    event: String,
    /// In which form
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Form,
}

/// What of a seal's line is shown.
#[derive(Deserialize)]
struct SealLine<'a> {
    seq: u64,
    ts: &'a str,
    #[serde(borrow)]
    seal: &'a RawValue,
}

/// What of the seal itself is shown.
#[derive(Deserialize)]
struct Seal {
    epoch: u64,
    root: String,
    reason: String,
}

impl Show {
    pub(super) fn run(&self, context: &Context, out: &mut Out) -> Result<Exit, Error> {
        let reader = Reader::open(&context.config()?.database())?;
        let seq = self.event.parse().ok();
        let by_seq = seq.map(|seq| reader.get(seq)).transpose()?.flatten();
        let row = by_seq.map_or_else(|| reader.get_by_id(&self.event), |row| Ok(Some(row)))?;
        let Some(row) = row else { return self.missing(seq, &reader) };
        let seal = seal_from(&reader, row.seq)?;
        match self.format {
            Form::Json => out.line(with_seal(&row, seal.as_ref(), &out.look))?,
            Form::Text => {
                let text = text(&row, seal.as_ref(), &out.look);
                out.line(text)?;
            }
        }
        out.flush()?;
        Ok(Exit::Done)
    }

    fn missing(&self, seq: Option<u64>, reader: &Reader) -> Result<Exit, Error> {
        let wanted = visible(&self.event);
        let seal = seq.map(|seq| seal_from(reader, seq)).transpose()?.flatten();
        let indexed = reader.indexed()?;
        note(match (seq, seal) {
            (Some(seq), Some(seal)) if seal.seq as u64 == seq => {
                format!("seq {seq} is no event but a seal:\n{}", visible_json(&seal.text))
            }
            (Some(seq), _) if seq >= indexed => {
                format!("there is no event {seq} yet: the database reaches up to seq {indexed}")
            }
            _ => format!("there is no event with the seq or id '{wanted}'"),
        });
        Ok(Exit::Nothing)
    }
}

/// The first seal at `seq` or behind it: the one that covers an event there.
fn seal_from(reader: &Reader, seq: u64) -> Result<Option<Line>, IndexError> {
    reader.seal_lines(i64::try_from(seq).unwrap_or(i64::MAX)).next().transpose()
}

/// The event's JSON object with a member `seal`: that seal's line, or null.
fn with_seal(row: &Row, seal: Option<&Line>, look: &Look) -> String {
    let event = json(row);
    let line = seal.map(|seal| seal.text.as_str()).filter(|text| {
        !text.contains('\n') && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
    });
    let open = event.strip_suffix('}').unwrap_or(&event);
    let object = format!("{open},\"seal\":{}}}", line.unwrap_or("null"));
    if look.terminal { pretty_json(&object) } else { object }
}

fn text(row: &Row, seal: Option<&Line>, look: &Look) -> String {
    let mut lines = Vec::new();
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let name = look.paint(anstyle::Style::new().bold(), format_args!("{name:<12}"));
            lines.push(format!("{name}  {}", visible(&value)));
        }
    };
    let priority = row.priority.map(|p| format!("{} ({p})", priority_name(p)));
    line("seq", Some(row.seq.to_string()));
    line("id", Some(row.id.clone()));
    line("time", Some(when(row.ts_ns, look)));
    line("client time", row.client_ts_ns.map(|ns| when(ns, look)));
    line("type", row.event_type.clone());
    line("priority", priority);
    line("source", row.source.clone());
    line("actor", row.actor.clone());
    line("action", row.action.clone());
    line("outcome", row.outcome.clone());
    line("target", row.target.clone());
    line("client ip", row.client_ip.clone());
    line("session", row.session_id.clone());
    line("correlation", row.correlation_id.clone());
    line("operation", row.operation.clone());
    line("duration", row.duration_ms.map(|ms| format!("{ms} ms")));
    line("written by", Some(writer(row)));
    line("executable", row.exe.clone());
    line("unit", row.unit.clone());
    line("mac", Some(hex(&row.mac)));
    line("seal", Some(seal.map_or_else(|| "none yet: its epoch is open".into(), sealed)));
    lines.push(String::new());
    lines.push(pretty_json(&row.event));
    lines.join("\n")
}

/// The exact time, and on a terminal that of its own zone.
fn when(ns: i64, look: &Look) -> String {
    match look.terminal {
        true => format!("{} ({} here)", rfc3339(ns), time::local(ns, &look.zone)),
        false => rfc3339(ns),
    }
}

/// The sender as the kernel vouched for it; the names are those of today.
fn writer(row: &Row) -> String {
    let user = |uid| User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name);
    let group = |gid| Group::from_gid(Gid::from_raw(gid)).ok().flatten().map(|group| group.name);
    let named = |id: Option<u32>, name: Option<String>| match (id, name) {
        (Some(id), Some(name)) => format!("{id} ({name})"),
        (Some(id), None) => id.to_string(),
        (None, _) => "unknown".into(),
    };
    let pid = row.pid.map_or_else(|| "unknown".into(), |pid| pid.to_string());
    let (uid, gid) =
        (named(row.uid, row.uid.and_then(user)), named(row.gid, row.gid.and_then(group)));
    format!("pid {pid}, uid {uid}, gid {gid}")
}

fn sealed(seal: &Line) -> String {
    let read = || {
        let line: SealLine<'_> = serde_json::from_str(&seal.text).ok()?;
        let SealLine { seq, ts, seal } = line;
        let Seal { epoch, root, reason } = serde_json::from_str(seal.get()).ok()?;
        Some(format!("seq {seq} of {ts}, epoch {epoch} ({reason}), root {root}"))
    };
    read().unwrap_or_else(|| format!("seq {}, not readable: run auditlog verify", seal.seq))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Row {
        Row {
            seq: 7,
            id: "x".into(),
            actor: Some("a\u{1b}c".into()),
            uid: Some(0),
            gid: Some(0),
            pid: Some(9),
            mac: vec![1; 32],
            event: r#"{"actor":"a\u001bc","n":1.0}"#.into(),
            ..Row::default()
        }
    }

    fn seal() -> Line {
        let text = r#"{"seq":9,"ts":"T","id":"s","seal":{"epoch":2,"first_seq":0,"size":9,"root":"ab","reason":"time","sig":"00"},"mac":"00"}"#;
        Line { seq: 9, text: text.into() }
    }

    #[test]
    fn the_text_names_the_sender_the_columns_the_seal_and_the_event() {
        let shown = text(&event(), Some(&seal()), &Look::plain());
        for part in [
            "seq           7\n",
            "actor         a\\u001bc\n",
            "written by    pid 9, uid 0 (root), gid 0 (root)\n",
            "seal          seq 9 of T, epoch 2 (time), root ab\n",
            "\n\n{\n  \"actor\": \"a\\u001bc\",\n  \"n\": 1.0\n}",
        ] {
            assert!(shown.contains(part), "{part:?} is missing in\n{shown}");
        }
        assert!(text(&event(), None, &Look::plain()).contains("none yet: its epoch is open"));
    }

    #[test]
    fn the_json_has_the_seals_line() {
        let shown = with_seal(&event(), Some(&seal()), &Look::plain());
        let value: serde_json::Value = serde_json::from_str(&shown).expect("an object");
        assert_eq!(value["seal"]["seal"]["epoch"], 2);
        let changed = Line { text: "}".into(), ..seal() };
        let shown = with_seal(&event(), Some(&changed), &Look::plain());
        let value: serde_json::Value = serde_json::from_str(&shown).expect("an object");
        assert!(value["seal"].is_null());
    }
}
