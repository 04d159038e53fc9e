//! The tables of events and seals.

use jiff::tz::TimeZone;

use super::page::{Count, CountRow, Day, SealRow, Seals};
use super::scan::{MOST_SEALS, Scan, Sealed, Tally};
use crate::cli::text::visible;
use crate::cli::time;
use crate::words::count;

/// Names that a table of counts holds.
const MOST_ROWS: usize = 25;

const PRIORITIES: [&str; 9] = [
    "0 emergency",
    "1 alert",
    "2 critical",
    "3 error",
    "4 warning",
    "5 notice",
    "6 informational",
    "7 debug",
    "not stated",
];

/// A moment in UTC, to the second.
pub(super) fn moment(ns: i64) -> String {
    time::local(ns, &TimeZone::UTC)
}

/// A number with its thousands apart.
pub(super) fn number(n: u64) -> String {
    indicatif::HumanCount(n).to_string()
}

/// The first and last leaf before `end`.
pub(super) fn seqs(first: u64, end: u64) -> String {
    match end.checked_sub(1) {
        Some(last) if last > first => format!("{} to {}", number(first), number(last)),
        Some(last) if last == first => number(first),
        _ => "none".into(),
    }
}

pub(super) fn counts(scan: &Scan) -> Vec<Count> {
    if scan.events + scan.own == 0 {
        return Vec::new();
    }
    let numbered = PRIORITIES.iter().zip(&scan.priorities).filter(|(_, events)| **events > 0);
    let row =
        |(name, events): (&&str, &u64)| CountRow { name: (*name).into(), events: number(*events) };
    let priorities = Count {
        caption: "By priority (syslog severity)".into(),
        column: "Priority",
        rows: numbered.map(row).collect(),
    };
    vec![
        priorities,
        table("By type, the most frequent first", "Type", &scan.types),
        table("By source: the application that reported it, as it said", "Source", &scan.sources),
    ]
}

fn table(caption: &str, column: &'static str, tally: &Tally) -> Count {
    let (names, others) = tally.most(MOST_ROWS);
    let named = names.into_iter().map(|(name, events)| (format!("“{}”", visible(name)), events));
    let rest = [("all others".to_owned(), others), ("not stated".to_owned(), tally.without)];
    let rows = named.chain(rest).filter(|(_, events)| *events > 0);
    let row = |(name, events)| CountRow { name, events: number(events) };
    Count { caption: caption.into(), column, rows: rows.map(row).collect() }
}

pub(super) fn seals(scan: &Scan) -> Seals {
    if scan.seals == 0 {
        let sentence = "There is no seal in the period.".into();
        return Seals { sentence, ..Seals::default() };
    }
    let sentence = format!(
        "{} in the period. Each one signs all lines before it with a key that was erased right after, and names the next key.",
        count(scan.seals, "seal")
    );
    let days = scan.days.iter().map(|(day, seals)| {
        let reasons = seals.reasons.iter().map(|(reason, n)| format!("{reason}: {}", number(*n)));
        Day {
            day: moment(*day).chars().take(10).collect(),
            seals: number(seals.seals),
            epochs: seqs(seals.epochs.0, seals.epochs.1 + 1),
            seqs: seqs(seals.seqs.0, seals.seqs.1),
            reasons: reasons.collect::<Vec<_>>().join(", "),
        }
    });
    let left_out = scan.seals - (scan.first_seals.len() + scan.last_seals.len()) as u64;
    let caption = match left_out {
        0 => "Each seal of the period".to_owned(),
        n => format!(
            "The first {MOST_SEALS} seals of the period and the last {MOST_SEALS}; {} between them are not listed",
            number(n)
        ),
    };
    let list = scan.first_seals.iter().chain(&scan.last_seals).map(seal).collect();
    Seals { sentence, days: days.collect(), caption, list }
}

fn seal(sealed: &Sealed) -> SealRow {
    SealRow {
        epoch: number(sealed.epoch),
        seqs: seqs(sealed.first_seq, sealed.size),
        time: moment(sealed.ts_ns),
        reason: sealed.reason.to_owned(),
    }
}
