//! The answer, for people and for programs.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::check::{Proven, Unproven, Witness};
use crate::cli::error::Exit;
use crate::cli::output::Look;
use crate::cli::text::{pretty_json, visible, visible_json};
use crate::clock::rfc3339;
use crate::ledger::line::{self, Body, Line};

/// Who wrote the line, from the kernel of the log's host.
#[derive(Default, Deserialize)]
struct Peer {
    pid: Option<u32>,
    uid: Option<u32>,
    gid: Option<u32>,
    unit: Option<String>,
    exe: Option<String>,
}

impl Proven {
    /// The line's parts; it has been parsed before.
    fn parsed(&self) -> Option<Line<'_>> {
        line::parse(&self.line).ok()
    }

    fn sentence(&self) -> String {
        let checkpoint = &self.proof.checkpoint;
        let what = match self.parsed().map(|line| line.body) {
            Some(Body::Seal(_)) => "seal",
            _ => "event",
        };
        let witnesses = match self.witnesses.len() {
            0 => String::new(),
            1 => ", and a witness has seen it".into(),
            n => format!(", and {n} witnesses have seen it"),
        };
        format!(
            "PROVEN: this {what} is in the log {} as seq {}, exactly as it is here; the log's key signed it{witnesses}",
            checkpoint.origin, self.proof.index
        )
    }
}

fn sentence(result: &Result<Proven, Unproven>) -> String {
    match result {
        Ok(proven) => proven.sentence(),
        Err(Unproven { exit: Exit::Tampered, why }) => format!("FALSE: {why}"),
        Err(Unproven { why, .. }) => format!("UNVERIFIABLE: {why}"),
    }
}

pub(super) fn text(result: &Result<Proven, Unproven>, look: &Look) -> String {
    use anstyle::{AnsiColor, Style};
    let color = match result {
        Ok(_) => AnsiColor::Green,
        Err(Unproven { exit: Exit::Tampered, .. }) => AnsiColor::Red,
        Err(_) => AnsiColor::Yellow,
    };
    let style = Style::new().bold().fg_color(Some(color.into()));
    let mut lines = vec![look.paint(style, visible(&sentence(result)))];
    if let Ok(proven) = result
        && let Some(line) = proven.parsed()
    {
        lines.push(String::new());
        lines.extend(facts(proven, &line));
        lines.push(String::new());
        lines.push(match line.body {
            Body::Event { event, .. } => pretty_json(event),
            Body::Seal(seal) => pretty_json(seal),
        });
    }
    lines.join("\n")
}

fn facts(proven: &Proven, line: &Line<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut fact = |name: &str, value: &str| {
        lines.push(format!("{name:<11}  {}", visible(value)));
    };
    let checkpoint = &proven.proof.checkpoint;
    fact("log", &checkpoint.origin);
    fact("seq", &format!("{} of {} lines that were signed", line.seq, checkpoint.size));
    let id: String = serde_json::from_str(line.id).unwrap_or_else(|_| line.id.into());
    fact("id", &id);
    fact("time", &format!("{}, by the clock of the log's host", rfc3339(line.ts_ns)));
    if let Body::Event { peer, .. } = line.body {
        let peer: Peer = serde_json::from_str(peer).unwrap_or_default();
        let or_unknown = |id: Option<u32>| id.map_or_else(|| "unknown".into(), |id| id.to_string());
        let (pid, uid, gid) = (or_unknown(peer.pid), or_unknown(peer.uid), or_unknown(peer.gid));
        fact("written by", &format!("pid {pid}, uid {uid}, gid {gid}, by the kernel of that host"));
        peer.exe.iter().for_each(|exe| fact("executable", exe));
        peer.unit.iter().for_each(|unit| fact("unit", unit));
    }
    fact("mac", &HEXLOWER.encode(&line.mac));
    fact("signed by", &checkpoint.origin);
    for Witness { name, time } in &proven.witnesses {
        fact("seen by", &format!("{name}, {time}"));
    }
    lines
}

/// The answer as one JSON object.
#[derive(Serialize)]
struct Answer<'a> {
    verdict: &'static str,
    sentence: String,
    #[serde(flatten)]
    proven: Option<Facts<'a>>,
}

#[derive(Serialize)]
struct Facts<'a> {
    log: &'a str,
    log_id: Option<String>,
    size: u64,
    root: String,
    witnesses: &'a [Witness],
    line: Option<&'a RawValue>,
}

pub(super) fn json(result: &Result<Proven, Unproven>, look: &Look) -> String {
    let verdict = match result {
        Ok(_) => "PROVEN",
        Err(Unproven { exit: Exit::Tampered, .. }) => "FALSE",
        Err(_) => "UNVERIFIABLE",
    };
    let proven = result.as_ref().ok().map(|proven| {
        let checkpoint = &proven.proof.checkpoint;
        Facts {
            log: &checkpoint.origin,
            log_id: checkpoint.log_id().map(|id| HEXLOWER.encode(&id)),
            size: checkpoint.size,
            root: HEXLOWER.encode(&checkpoint.root),
            witnesses: &proven.witnesses,
            line: serde_json::from_slice(&proven.line).ok(),
        }
    });
    let answer = Answer { verdict, sentence: sentence(result), proven };
    // Strings, numbers and a line that has been parsed: this cannot fail.
    let json = serde_json::to_string(&answer).unwrap_or_default();
    match look.terminal {
        true => pretty_json(&json),
        false => visible_json(&json).into_owned(),
    }
}
