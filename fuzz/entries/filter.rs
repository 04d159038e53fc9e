//! Queries of the database, and times as people type them: no text is more than a text to it, and what is found is
//! what was asked for.

use std::path::PathBuf;
use std::sync::{LazyLock, Mutex};

use auditlogd::cli::time;
use auditlogd::event::{Event, FieldMap, Outcome, parse};
use auditlogd::index::{EventRow, Filter, Options, Order, Reader, Writer};
use jiff::Zoned;

const START: i64 = 1_795_224_225_000_000_000;

/// What types, actors and texts are made of.
const WORDS: [&str; 14] = [
    "auth",
    "auth.",
    "auth.login",
    "auth.\u{10ffff}x",
    "auth/",
    "a'b",
    "a\"b",
    "100%",
    "a_b",
    "a\\b",
    "*",
    "ÄÖÜ",
    "x); DROP TABLE events; --",
    "?1",
];

/// The events that are indexed, as JSON texts.
static TEXTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let event = |n: usize| {
        let word =
            |step: usize| serde_json::to_string(WORDS[n / step % WORDS.len()]).expect("JSON");
        let outcome = ["success", "failure", "unknown"][n % 3];
        format!(
            r#"{{"event_type":{},"actor":{},"source":{},"outcome":"{outcome}","priority":{},"session_id":{}}}"#,
            word(1),
            word(2),
            word(3),
            n % 8,
            word(5)
        )
    };
    (0..300).map(event).collect()
});

static INDEX: LazyLock<Mutex<Reader>> = LazyLock::new(|| {
    let path = database();
    for suffix in ["", "-wal", "-shm"] {
        let _there_was_none = std::fs::remove_file(format!("{}{suffix}", path.display()));
    }
    let options = Options::default();
    let mut writer =
        Writer::open(&path, "0123456789abcdef0123456789abcdef", &options).expect("opens");
    let events = events();
    let row = |(n, fields): (usize, _)| EventRow {
        seq: n as u64,
        ts_ns: START + n as i64,
        client_id: None,
        uid: Some(n as u32 % 5),
        gid: None,
        pid: None,
        unit: Some("a.service"),
        exe: None,
        event: &TEXTS[n],
        mac: [0; 32],
        fields,
    };
    let rows: Vec<_> = events.iter().enumerate().map(row).collect();
    let mut batch = writer.begin().expect("begins");
    batch.events(&rows).expect("inserts");
    batch.commit(rows.len() as u64).expect("commits");
    writer.close().expect("closes");
    Mutex::new(Reader::open(&path).expect("opens"))
});

fn database() -> PathBuf {
    std::env::temp_dir().join(format!("auditlogd-fuzz-{}.db", std::process::id()))
}

fn events() -> Vec<Event<'static>> {
    let map = FieldMap::builtin();
    TEXTS.iter().map(|text| parse(text, &map).expect("an event")).collect()
}

/// What is wanted, from the lines of a text: empty ones ask for nothing.
fn filter(lines: &[&str], numbers: &[u8]) -> Filter {
    let text = |n: usize| lines.get(n).filter(|text| !text.is_empty()).map(|text| text.to_string());
    let number = |n: usize| numbers.get(n).copied().filter(|number| *number > 0);
    Filter {
        event_type: text(0),
        actor: text(1),
        source: text(2),
        text: text(3),
        session_id: text(4),
        since_ns: number(0).map(|n| START + i64::from(n)),
        until_ns: number(1).map(|n| START + 2 * i64::from(n)),
        uid: number(2).map(|n| u32::from(n % 6)),
        min_priority: number(3).map(|n| n % 9),
        outcome: number(4).and_then(|n| {
            [Some(Outcome::Failure), Some(Outcome::Success), None][usize::from(n % 3)]
        }),
        after_seq: number(5).map(u64::from),
        ..Filter::default()
    }
}

/// The same question without a database.
fn is_wanted(n: usize, event: &Event<'_>, filter: &Filter) -> bool {
    let equal = |wanted: &Option<String>, found: &Option<std::borrow::Cow<'_, str>>| {
        wanted.as_ref().is_none_or(|wanted| found.as_deref() == Some(wanted))
    };
    let ts_ns = START + n as i64;
    let event_type = event.event_type.as_deref().unwrap_or_default();
    let text = TEXTS[n].to_ascii_lowercase();
    equal(&filter.actor, &event.actor)
        && equal(&filter.source, &event.source)
        && equal(&filter.session_id, &event.session_id)
        && filter.event_type.as_ref().is_none_or(|wanted| match wanted.ends_with(['*', '.']) {
            true => event_type.starts_with(wanted.trim_end_matches('*')),
            false => event_type == wanted,
        })
        && filter.text.as_ref().is_none_or(|wanted| text.contains(&wanted.to_ascii_lowercase()))
        && filter.since_ns.is_none_or(|since| ts_ns >= since)
        && filter.until_ns.is_none_or(|until| ts_ns < until)
        && filter.uid.is_none_or(|uid| n as u32 % 5 == uid)
        && filter.min_priority.is_none_or(|most| event.priority.is_some_and(|p| p <= most))
        && filter.outcome.is_none_or(|outcome| event.outcome == Some(outcome))
        && filter.after_seq.is_none_or(|after| n as u64 > after)
}

/// One input: eight numbers, and texts, one a line. No argument of a program has a NUL in it.
pub fn run(bytes: &[u8]) {
    let Some((numbers, rest)) = bytes.split_first_chunk::<8>() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    if text.contains('\0') {
        return;
    }
    times(text);
    let lines: Vec<&str> = text.split('\n').collect();
    let filter = filter(&lines, numbers);
    let events = events();
    let wanted = |(n, event): (usize, &Event<'_>)| is_wanted(n, event, &filter).then_some(n as u64);
    let mut expected: Vec<u64> = events.iter().enumerate().filter_map(wanted).collect();
    let reader = INDEX.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    assert_eq!(reader.count(&filter).expect("counts"), expected.len() as u64, "{filter:?}");
    for order in [Order::Oldest, Order::Newest] {
        let rows = reader.query(&filter, order, None).expect("a query");
        let found: Vec<u64> = rows.map(|row| row.expect("a row").seq).collect();
        assert_eq!(found, expected, "{filter:?}");
        expected.reverse();
    }
}

fn times(text: &str) {
    static NOW: LazyLock<Zoned> =
        LazyLock::new(|| "2026-11-21T12:00:00+00:00[UTC]".parse().expect("a time"));
    for line in text.split('\n') {
        if let Ok(ns) = time::parse(line, &NOW) {
            // What it understood can be written so that it understands the same.
            let again = jiff::Timestamp::from_nanosecond(ns.into()).expect("a time").to_string();
            assert_eq!(time::parse(&again, &NOW), Ok(ns), "{line:?}");
        }
    }
}
