//! From a line to an [`Event`], or to the reason why not.

use serde::de::{Deserialize, IgnoredAny};

use super::reject::{Reject, RejectCode};
use super::walk::Walk;
use super::{Event, FieldMap};

/// The deepest nesting that is accepted. Every reader of the ledger can follow that far.
pub const MAX_DEPTH: usize = 128;

/// Checks one line (without LF) and finds its known members, in one pass.
///
/// `null` counts as absent. Of two equal keys below the top level, the first counts. A known member
/// of a wrong type is never a reason to refuse: its column stays `None` and is counted.
///
/// # Errors
/// `invalid_json` with the byte offset (from 0), `not_an_object`, `duplicate_key`.
pub fn parse<'a>(text: &'a str, map: &FieldMap) -> Result<Event<'a>, Reject> {
    if let Some(offset) = too_deep(text) {
        let message =
            format!("nested deeper than {MAX_DEPTH} levels at byte {offset}; flatten the event");
        return Err(Reject::new(RejectCode::InvalidJson, message));
    }
    let first = text.trim_start_matches([' ', '\t', '\r', '\n']).bytes().next();
    if first != Some(b'{') {
        return Err(not_an_object(text));
    }
    Walk::new(text, map).run().map_err(|error| invalid_json(text, &error))?
}

/// Refuses what only a client may not send: a reserved `event_type`, and an event without what the map
/// requires (a required member of a wrong type is missing).
///
/// # Errors
/// `reserved_type`, `missing_field`.
pub fn admit(event: &Event<'_>, map: &FieldMap) -> Result<(), Reject> {
    if event.reserved {
        let message = "event types that start with `auditlogd.` are the daemon's own; use another";
        return Err(Reject::new(RejectCode::ReservedType, message));
    }
    match map.require.iter().find(|column| !event.has(**column)) {
        None => Ok(()),
        Some(column) => {
            let name = column.name();
            let message = format!("the required `{name}` is missing or has a wrong type");
            Err(Reject::new(RejectCode::MissingField, message))
        }
    }
}

fn not_an_object(text: &str) -> Reject {
    let mut json = serde_json::Deserializer::from_str(text);
    match IgnoredAny::deserialize(&mut json).and_then(|_| json.end()) {
        Err(error) => invalid_json(text, &error),
        Ok(()) => {
            Reject::new(RejectCode::NotAnObject, "the line is JSON but no object; wrap it in {…}")
        }
    }
}

fn invalid_json(text: &str, error: &serde_json::Error) -> Reject {
    let full = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let what = full.strip_suffix(place.as_str()).unwrap_or(&full);
    let message = format!("not valid JSON at byte {}: {what}", offset(text, error));
    Reject::new(RejectCode::InvalidJson, message)
}

/// The offset from 0 of the byte that an error is about, for some errors of the one before it; the
/// length where the text just ends.
fn offset(text: &str, error: &serde_json::Error) -> usize {
    if error.is_eof() {
        return text.len();
    }
    let lines_before = error.line().saturating_sub(1);
    let line_start = match lines_before {
        0 => 0,
        n => memchr::memchr_iter(b'\n', text.as_bytes()).nth(n - 1).map_or(0, |at| at + 1),
    };
    (line_start + error.column()).saturating_sub(1)
}

/// Where the text opens its 129th level. The parser itself follows values that nobody asked for to any
/// depth, so this is looked at beforehand; nearly every event has too few brackets to look closely.
fn too_deep(text: &str) -> Option<usize> {
    if openers(text.as_bytes()) <= MAX_DEPTH {
        return None;
    }
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for (offset, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' if depth == MAX_DEPTH => return Some(offset),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// How many `[` and `{` there are, inside strings too. The two differ in one bit; counting in bytes lets
/// the compiler compare many at a time.
fn openers(text: &[u8]) -> usize {
    let count = |chunk: &[u8]| chunk.iter().map(|b| u8::from(b | 0x20 == b'{')).sum::<u8>();
    text.chunks(255).map(|chunk| usize::from(count(chunk))).sum()
}

#[cfg(test)]
mod tests;
