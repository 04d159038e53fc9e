//! One line: an event, a greeting, nothing, or a reason why not (socket-protocol).

use std::borrow::Cow;

use super::framing::Line;
use crate::event::{self, Class, FieldMap, Reject, RejectCode};
use crate::json;

/// The longest event as it is stored, bytes: with seq, times, id, peer and mac around it a ledger line
/// stays within 65,535.
pub const MAX_STORED: usize = 61_440;

/// What JSON calls whitespace, without LF.
const BLANK: [char; 3] = [' ', '\t', '\r'];

/// An event that passed every check.
#[derive(Debug, PartialEq, Eq)]
pub struct Checked<'a> {
    /// Its text, safe on one line.
    pub event: Cow<'a, str>,
    /// The client's own id.
    pub id: Option<Cow<'a, str>>,
    /// How much it matters when not all events can be stored.
    pub class: Class,
}

/// Whether there is nothing in the line.
pub fn is_blank(line: &Line<'_>) -> bool {
    matches!(line, Line::Text(text) if text.trim_matches(BLANK).is_empty())
}

/// Checks a line that ended in LF. None if it is blank.
pub fn check<'a>(
    line: &Line<'a>,
    map: &FieldMap,
    max: usize,
) -> Result<Option<Checked<'a>>, Reject> {
    let text = match *line {
        Line::Text(text) => text.trim_matches(BLANK),
        Line::Bytes(bytes) => return Err(invalid_utf8(bytes)),
        Line::TooLong { len, .. } => return Err(too_long(len, max)),
    };
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = event::parse(text, map)?;
    event::admit(&parsed, map)?;
    let event = json::one_line(text);
    if event.len() > MAX_STORED {
        let message = format!(
            "{} bytes once line separators are escaped, more than {MAX_STORED}; split it",
            event.len()
        );
        return Err(Reject { code: RejectCode::TooLong, message });
    }
    let class = Class::of(parsed.priority);
    Ok(Some(Checked { event, id: parsed.event_id, class }))
}

/// Checks what stood after the last LF when the connection was closed: a complete object is a line
/// like any other, anything else was cut off.
pub fn check_unterminated<'a>(
    line: &Line<'a>,
    map: &FieldMap,
    max: usize,
) -> Result<Option<Checked<'a>>, Reject> {
    check(line, map, max).map_err(|reject| match reject.code {
        RejectCode::TooLong
        | RejectCode::InvalidUtf8
        | RejectCode::InvalidJson
        | RejectCode::NotAnObject
        | RejectCode::Truncated => Reject {
            code: RejectCode::Truncated,
            message: format!("the connection was closed in mid-line: {}", reject.message),
        },
        RejectCode::DuplicateKey
        | RejectCode::MissingField
        | RejectCode::ReservedType
        | RejectCode::DiskFull => reject,
    })
}

/// Whether the line is `{"auditlog":{"ack":…}}`, and what it says about acks.
pub fn greeting(line: &Line<'_>) -> Option<bool> {
    let Line::Text(text) = line else { return None };
    if !text.contains("\"auditlog\"") {
        return None;
    }
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    match value.as_object() {
        Some(object) if object.len() == 1 => {
            object.get("auditlog")?.as_object()?.get("ack")?.as_bool()
        }
        _ => None,
    }
}

fn invalid_utf8(bytes: &[u8]) -> Reject {
    let at = std::str::from_utf8(bytes).map_or_else(|e| e.valid_up_to(), str::len);
    let message = format!("not UTF-8 at byte {at}; send JSON in UTF-8");
    Reject { code: RejectCode::InvalidUtf8, message }
}

fn too_long(len: u64, max: usize) -> Reject {
    let message = format!("{len} bytes, more than `max_event_bytes` = {max}; split it");
    Reject { code: RejectCode::TooLong, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(text: &str) -> Result<Option<Checked<'_>>, Reject> {
        check(&Line::Text(text), &FieldMap::builtin(), MAX_STORED)
    }

    fn code(result: Result<Option<Checked<'_>>, Reject>) -> &'static str {
        result.expect_err("refused").code.as_str()
    }

    #[test]
    fn an_event_is_borrowed_as_it_was_sent_without_the_blanks_around_it() {
        let checked = check_text(" {\"event_type\": \"a\",\t\"event_id\":\"x1\"} \r");
        let checked = checked.expect("accepted").expect("not blank");
        assert!(matches!(checked.event, Cow::Borrowed(r#"{"event_type": "a",	"event_id":"x1"}"#)));
        assert_eq!(checked.id.as_deref(), Some("x1"));
    }

    #[test]
    fn blank_lines_are_nothing() {
        for text in ["", " ", "\r", "\t \r"] {
            assert_eq!(check_text(text), Ok(None), "{text:?}");
        }
    }

    #[test]
    fn each_fault_has_its_code() {
        let map = FieldMap::builtin();
        assert_eq!(code(check(&Line::TooLong { head: b"", len: 9 }, &map, 5)), "too_long");
        assert_eq!(code(check(&Line::Bytes(b"a\xff"), &map, 5)), "invalid_utf8");
        assert_eq!(code(check_text("{")), "invalid_json");
        assert_eq!(code(check_text("[1]")), "not_an_object");
        assert_eq!(code(check_text(r#"{"a":1,"a":2}"#)), "duplicate_key");
        assert_eq!(code(check_text(r#"{"event_type":"auditlogd.x"}"#)), "reserved_type");
    }

    #[test]
    fn an_event_that_escaping_makes_too_long_is_refused() {
        let text = format!(r#"{{"a":"{}"}}"#, "\u{2028}".repeat(15_000));
        assert!(text.len() < MAX_STORED);
        assert_eq!(code(check_text(&text)), "too_long");
    }

    #[test]
    fn a_cut_off_line_says_that_and_what_is_wrong_with_it() {
        let map = FieldMap::builtin();
        let reject = check_unterminated(&Line::Text("{\"a\":"), &map, 100).expect_err("refused");
        assert_eq!(reject.code, RejectCode::Truncated);
        assert!(reject.message.contains("at byte 5"), "{}", reject.message);
        let whole = Line::Text(r#"{"event_type":"AUDITLOGD.x"}"#);
        assert_eq!(code(check_unterminated(&whole, &map, 100)), "reserved_type");
        assert!(check_unterminated(&Line::Text("{}"), &map, 100).is_ok_and(|c| c.is_some()));
    }

    #[test]
    fn a_greeting_is_an_object_with_that_one_member_only() {
        let ack = |text| greeting(&Line::Text(text));
        assert_eq!(ack(r#"{"auditlog":{"ack":true}}"#), Some(true));
        assert_eq!(ack(" { \"auditlog\" : { \"ack\" : false, \"later\": 1 } }\r"), Some(false));
        for text in [
            r#"{"auditlog":{"ack":true},"a":1}"#,
            r#"{"auditlog":{"ack":1}}"#,
            r#"{"auditlog":[true]}"#,
            r#"[{"ack":true},"auditlog"]"#,
            r#"{"auditlog":{}}"#,
            r#"{"a":{"auditlog":{"ack":true}}}"#,
        ] {
            assert_eq!(ack(text), None, "{text}");
        }
    }
}
