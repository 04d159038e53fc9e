//! The verdict in one sentence.

use crate::clock::rfc3339;
use crate::ledger::verify::{Covered, Figures, Finding, Report};
use crate::words::count;

/// The verdict, with the first reason for it.
pub(in crate::cli) fn sentence(report: &Report) -> String {
    let verdict = report.verdict.as_str();
    if report.verdict.is_ok() {
        return holds(report);
    }
    let reason = report.findings.iter().find(|finding| finding.verdict == report.verdict);
    match reason {
        Some(finding) => format!("{verdict}: {}", told(finding)),
        None => verdict.into(),
    }
}

fn holds(report: &Report) -> String {
    let Figures { next_seq, first_ts_ns, .. } = &report.figures;
    let anchored = &report.anchored;
    let verdict = report.verdict.as_str();
    let Some(last) = next_seq.checked_sub(1) else {
        return format!("{verdict}: the log is there, and holds no line yet");
    };
    let everything = claim(&report.figures, last);
    match &anchored.covered {
        Some(Covered { size, ts_ns, from }) => {
            let of = ts_ns.map(|ns| format!(" of {}", rfc3339(ns))).unwrap_or_default();
            let claim = match next_seq.saturating_sub(*size) {
                0 => "everything holds; nothing is after it".to_owned(),
                n => format!(
                    "{everything}; nothing off this host vouches for the {} after that checkpoint",
                    count(n, "line")
                ),
            };
            let covered = size.saturating_sub(1);
            format!("{verdict} up to seq {covered}{of} by {from}: {claim}")
        }
        None => {
            // A quick run has not seen the first line.
            let since = match (report.since.is_some(), first_ts_ns) {
                (false, Some(ns)) => format!(" since {}", rfc3339(*ns)),
                _ => String::new(),
            };
            let vouching = match anchored.receipts {
                0 => "nothing off this host vouches for it".to_owned(),
                n => format!(
                    "no checkpoint off this host vouches for it, only {} for single lines",
                    count(n, "receipt")
                ),
            };
            format!("{verdict}{since}: {everything}; {vouching}")
        }
    }
}

/// What was proven of the lines up to `last`. Those after the last seal only their macs can prove.
fn claim(figures: &Figures, last: u64) -> String {
    let open = figures.open_lines;
    if figures.macs > 0 || open == 0 {
        let of = figures.last_ts_ns.map(|ns| format!(" of {}", rfc3339(ns))).unwrap_or_default();
        return format!("everything holds up to seq {last}{of}");
    }
    let sealed = last.saturating_sub(open);
    let wait = if open == 1 { "waits" } else { "wait" };
    let open = count(open, "line");
    format!("everything sealed holds, up to seq {sealed}; the {open} after it {wait} for a seal")
}

/// A finding with its place.
pub(in crate::cli) fn told(finding: &Finding) -> String {
    let message = &finding.message;
    match &finding.place {
        Some(place) => format!(
            "{message} ({} line {}, seq {}, byte {})",
            place.file.display(),
            place.line,
            place.seq,
            place.offset
        ),
        None => message.clone(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::ledger::verify::{Place, Verdict};

    pub(in crate::cli::verify) fn report(findings: &[Verdict]) -> Report {
        let figures = Figures {
            next_seq: 10,
            first_ts_ns: Some(0),
            last_ts_ns: Some(1_000_000_000),
            ..Figures::default()
        };
        let mut report = Report { figures, ..Report::default() };
        for (n, verdict) in (1..).zip(findings) {
            let place = Place { file: "a.jsonl".into(), line: n, offset: 5, seq: 7 };
            let message = format!("wrong\u{1b} {n}");
            report.add(Finding { verdict: *verdict, message, place: Some(place) });
        }
        report
    }

    #[test]
    fn the_sentence_states_the_verdict_and_its_first_reason() {
        assert_eq!(
            sentence(&report(&[])),
            "OK, UNANCHORED since 1970-01-01T00:00:00.000000000Z: everything holds up to seq 9 of \
             1970-01-01T00:00:01.000000000Z; nothing off this host vouches for it"
        );
        let mut unsealed = report(&[]);
        unsealed.figures.open_lines = 2;
        assert_eq!(
            sentence(&unsealed),
            "OK, UNANCHORED since 1970-01-01T00:00:00.000000000Z: everything sealed holds, up to seq 7; \
             the 2 lines after it wait for a seal; nothing off this host vouches for it"
        );
        let report = report(&[Verdict::Incomplete, Verdict::Tampered, Verdict::Tampered]);
        let want = "TAMPERED: wrong\u{1b} 2 (a.jsonl line 2, seq 7, byte 5)";
        assert_eq!(sentence(&report), want);
    }

    #[test]
    fn an_anchored_log_says_up_to_where_and_what_is_after_it() {
        let mut report = report(&[]);
        report.verdict = Verdict::OkAnchored;
        report.anchored.covered =
            Some(Covered { size: 8, ts_ns: Some(0), from: "usb/checkpoint".into() });
        let said = sentence(&report);
        assert!(said.starts_with("OK, ANCHORED up to seq 7 of 1970-01-01T00:00:00"), "{said}");
        assert!(said.contains("by usb/checkpoint: everything holds up to seq 9"), "{said}");
        report.figures.next_seq = 8;
        let said = sentence(&report);
        assert!(
            said.ends_with(" by usb/checkpoint: everything holds; nothing is after it"),
            "{said}"
        );
        report.figures.next_seq = 10;
        let said = sentence(&report);
        assert!(said.ends_with("vouches for the 2 lines after that checkpoint"), "{said}");
    }
}
