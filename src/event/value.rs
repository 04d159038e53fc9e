//! How a value's text becomes a column: the type rules of the known members. A rule that does not
//! hold gives `None`, never an error.

use std::borrow::Cow;

use super::{Column, Event, Outcome};

/// The longest `event_type` and `event_id`, characters.
const MAX_NAME: usize = 128;
/// The longest other text, bytes: a column is for looking things up, not for documents.
const MAX_TEXT: usize = 4_096;

/// Interprets the JSON text of a scalar for the column and stores it; false if its type is wrong.
pub(super) fn store<'a>(event: &mut Event<'a>, column: Column, raw: &'a str) -> bool {
    match column {
        Column::EventType => set(&mut event.event_type, name(raw)),
        Column::EventId => set(&mut event.event_id, name(raw)),
        Column::Priority => set(&mut event.priority, priority(raw)),
        Column::Outcome => set(&mut event.outcome, outcome(raw)),
        Column::DurationMs => set(&mut event.duration_ms, duration(raw)),
        Column::Timestamp => set(&mut event.client_ts_ns, super::time::timestamp(raw)),
        Column::Actor => set(&mut event.actor, text_or_number(raw)),
        Column::Target => set(&mut event.target, text_or_number(raw)),
        Column::Source => set(&mut event.source, text(raw)),
        Column::Action => set(&mut event.action, text(raw)),
        Column::ClientIp => set(&mut event.client_ip, text(raw)),
        Column::SessionId => set(&mut event.session_id, text(raw)),
        Column::CorrelationId => set(&mut event.correlation_id, text(raw)),
        Column::Operation => set(&mut event.operation, text(raw)),
    }
}

fn set<T>(slot: &mut Option<T>, value: Option<T>) -> bool {
    let good = value.is_some();
    if good {
        *slot = value;
    }
    good
}

/// A string's value, borrowed where it has no escape. `None` for other types, for a lone surrogate and
/// for NUL, which ends a text for many readers of the database.
pub(super) fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    let unescaped: String = serde_json::from_str(raw).ok()?;
    (!unescaped.contains('\0')).then_some(Cow::Owned(unescaped))
}

/// A string of 1 to [`MAX_NAME`] characters.
fn name(raw: &str) -> Option<Cow<'_, str>> {
    let long = |s: &str| s.len() > MAX_NAME && s.chars().nth(MAX_NAME).is_some();
    string(raw).filter(|s| !s.is_empty() && !long(s))
}

/// A string of at most [`MAX_TEXT`] bytes.
fn text(raw: &str) -> Option<Cow<'_, str>> {
    string(raw).filter(|s| s.len() <= MAX_TEXT)
}

/// A string, or a number as it is written.
fn text_or_number(raw: &str) -> Option<Cow<'_, str>> {
    match is_number(raw) {
        true => (raw.len() <= MAX_NAME).then_some(Cow::Borrowed(raw)),
        false => text(raw),
    }
}

/// Whether the JSON text of a scalar is a number.
pub(super) fn is_number(raw: &str) -> bool {
    raw.starts_with(|c: char| c == '-' || c.is_ascii_digit())
}

fn number(raw: &str) -> Option<f64> {
    is_number(raw).then(|| raw.parse().ok()).flatten()
}

fn duration(raw: &str) -> Option<f64> {
    // A negative zero passes the bound; adding zero makes it a plain one.
    number(raw).filter(|ms| ms.is_finite() && *ms >= 0.0).map(|ms| ms + 0.0)
}

/// The syslog severities under the names that loggers use. OCSF's low, medium and high lie between
/// notice and error.
const PRIORITIES: [(&str, u8); 21] = [
    ("emergency", 0),
    ("emerg", 0),
    ("panic", 0),
    ("alert", 1),
    ("critical", 2),
    ("crit", 2),
    ("fatal", 2),
    ("error", 3),
    ("err", 3),
    ("high", 3),
    ("warning", 4),
    ("warn", 4),
    ("medium", 4),
    ("notice", 5),
    ("low", 5),
    ("info", 6),
    ("informational", 6),
    ("information", 6),
    ("debug", 7),
    ("trace", 7),
    ("verbose", 7),
];

/// A name in any case, or a number 0 to 7, also as a string.
fn priority(raw: &str) -> Option<u8> {
    let text = string(raw);
    let text = text.as_deref().unwrap_or(raw);
    if let Some(number) = number(text) {
        return (0..=7).find(|level| f64::from(*level) == number);
    }
    look_up(&PRIORITIES, text)
}

/// What apps call their outcomes.
const OUTCOMES: [(&str, Outcome); 26] = [
    ("success", Outcome::Success),
    ("successful", Outcome::Success),
    ("succeeded", Outcome::Success),
    ("succeed", Outcome::Success),
    ("ok", Outcome::Success),
    ("passed", Outcome::Success),
    ("pass", Outcome::Success),
    ("allow", Outcome::Success),
    ("allowed", Outcome::Success),
    ("granted", Outcome::Success),
    ("accepted", Outcome::Success),
    ("failure", Outcome::Failure),
    ("failed", Outcome::Failure),
    ("fail", Outcome::Failure),
    ("unsuccessful", Outcome::Failure),
    ("error", Outcome::Failure),
    ("deny", Outcome::Failure),
    ("denied", Outcome::Failure),
    ("forbid", Outcome::Failure),
    ("forbidden", Outcome::Failure),
    ("unauthorized", Outcome::Failure),
    ("blocked", Outcome::Failure),
    ("rejected", Outcome::Failure),
    ("refused", Outcome::Failure),
    ("timeout", Outcome::Failure),
    ("unknown", Outcome::Unknown),
];

/// A name in any case, a bool (`true`: success), or an HTTP status (below 400: success).
fn outcome(raw: &str) -> Option<Outcome> {
    match raw {
        "true" => return Some(Outcome::Success),
        "false" => return Some(Outcome::Failure),
        _ => {}
    }
    match number(raw) {
        Some(status) if (100.0..400.0).contains(&status) => Some(Outcome::Success),
        Some(status) if (400.0..600.0).contains(&status) => Some(Outcome::Failure),
        Some(_) => None,
        None => look_up(&OUTCOMES, &string(raw)?),
    }
}

fn look_up<T: Copy>(names: &[(&str, T)], text: &str) -> Option<T> {
    names.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_borrowed_unless_an_escape_makes_it_another() {
        assert!(matches!(text(r#""grüße""#), Some(Cow::Borrowed("grüße"))));
        assert!(matches!(text(r#""a\tb""#), Some(Cow::Owned(s)) if s == "a\tb"));
        assert_eq!(text(r#""\ud83d\ude00""#).as_deref(), Some("😀"));
    }

    #[test]
    fn a_string_that_no_column_can_hold_is_mistyped() {
        for raw in [r#""\ud800""#, r#""a\u0000b""#, "1", "true", "{}", "[]"] {
            assert_eq!(text(raw), None, "{raw}");
        }
    }

    #[test]
    fn the_bounds_of_names_count_characters_and_those_of_texts_bytes() {
        let quoted = |s: &str, n: usize| format!("\"{}\"", s.repeat(n));
        assert!(name(&quoted("ü", 128)).is_some());
        assert!(name(&quoted("ü", 129)).is_none());
        assert!(name("\"\"").is_none());
        assert!(text(&quoted("a", 4_096)).is_some());
        assert!(text(&quoted("ü", 2_049)).is_none());
        assert!(text("\"\"").is_some());
    }

    #[test]
    fn actor_and_target_may_be_numbers_as_they_are_written() {
        assert_eq!(text_or_number("1e999").as_deref(), Some("1e999"));
        assert_eq!(text_or_number("-0").as_deref(), Some("-0"));
        assert_eq!(text_or_number(&"9".repeat(129)), None);
        assert_eq!(text_or_number("true"), None);
    }

    #[test]
    fn priorities_are_names_in_any_case_or_numbers_to_seven() {
        for (raw, level) in [
            ("\"EMERG\"", 0),
            ("\"Alert\"", 1),
            ("\"fatal\"", 2),
            ("\"err\"", 3),
            ("\"Warn\"", 4),
            ("\"notice\"", 5),
            ("\"Informational\"", 6),
            ("\"trace\"", 7),
            ("0", 0),
            ("7.0", 7),
            ("\"3\"", 3),
        ] {
            assert_eq!(priority(raw), Some(level), "{raw}");
        }
        for raw in ["8", "-1", "2.5", "30", "1e999", "\"\"", "\"loud\"", "true", "\"NaN\""] {
            assert_eq!(priority(raw), None, "{raw}");
        }
    }

    #[test]
    fn outcomes_are_names_bools_or_http_statuses() {
        for (raw, expected) in [
            ("\"Success\"", Some(Outcome::Success)),
            ("\"DENIED\"", Some(Outcome::Failure)),
            ("\"unknown\"", Some(Outcome::Unknown)),
            ("true", Some(Outcome::Success)),
            ("false", Some(Outcome::Failure)),
            ("200", Some(Outcome::Success)),
            ("304", Some(Outcome::Success)),
            ("403", Some(Outcome::Failure)),
            ("599", Some(Outcome::Failure)),
            ("99", None),
            ("600", None),
            ("1", None),
            ("\"maybe\"", None),
        ] {
            assert_eq!(outcome(raw), expected, "{raw}");
        }
    }

    #[test]
    fn durations_are_finite_and_not_negative() {
        assert_eq!(duration("12.5"), Some(12.5));
        assert_eq!(duration("-0").map(f64::to_bits), Some(0));
        for raw in ["-1", "1e999", "\"12\"", "true"] {
            assert_eq!(duration(raw), None, "{raw}");
        }
    }
}
