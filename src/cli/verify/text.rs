//! The report for people.

use indicatif::BinaryBytes;

use super::Circumstances;
use super::sentence::{sentence, told};
use crate::cli::output::Look;
use crate::cli::text::visible;
use crate::clock::rfc3339;
use crate::ledger::verify::{Figures, Hole, KeyFrom, Report, Verdict};
use crate::words::count;

/// What a copy of a log lacks that was made of the log directory alone.
pub(in crate::cli) const NO_SEALS: &str = "there is no seals.jsonl (it is in the daemon's state directory), so whether the log's end was cut can show by an anchor only";

/// Places where lines were deleted that are listed.
const MOST_HOLES: usize = 20;

/// The sentence, and what it rests on.
pub(super) fn text(report: &Report, how: &Circumstances, look: &Look) -> String {
    use anstyle::{AnsiColor, Style};
    let color = match report.verdict {
        Verdict::OkAnchored | Verdict::OkUnanchored => AnsiColor::Green,
        Verdict::Tampered => AnsiColor::Red,
        Verdict::Incomplete | Verdict::Unverifiable => AnsiColor::Yellow,
    };
    let style = Style::new().bold().fg_color(Some(color.into()));
    let mut lines = vec![look.paint(style, visible(&sentence(report)))];
    let details = details(report, how);
    if !details.is_empty() {
        lines.push(String::new());
    }
    for (name, value) in details {
        let name = look.paint(Style::new().bold(), format_args!("{name:<10}"));
        lines.push(format!("{name}  {}", visible(&value)));
    }
    lines.join("\n")
}

type Detail = (&'static str, String);

fn details(report: &Report, how: &Circumstances) -> Vec<Detail> {
    let figures = &report.figures;
    if figures.log_id.is_empty() {
        // There is no log; the findings say all.
        let mut lines = Vec::new();
        findings(report, &mut lines);
        return lines;
    }
    let mut lines = vec![("log", figures.log_id.clone()), ("read", read(figures))];
    if let Some(since) = &report.since {
        let macs = if since.with_macs { "with" } else { "without" };
        let message = format!(
            "since seq {}, verified on {} ({macs} the auditor key); what is before was not read again",
            since.seq,
            rfc3339(since.verified_ns)
        );
        lines.push(("quick", message));
    }
    if let Some(why) = how.whole {
        lines.push(("quick", format!("the whole log was read: {why}")));
    }
    if let Some(ended) = &how.decommissioned {
        lines.push(("ended", format!("{ended}; nothing is written to it any more")));
    }
    let macs = match figures.macs {
        0 => "no macs (they need the auditor key)".into(),
        macs => count(macs, "mac"),
    };
    lines.push(("checked", format!("{}, {macs}", count(figures.seals, "seal"))));
    if how.key_from_here {
        let key = "the genesis key found on this host; give the one you noted elsewhere with --key, and a log replaced as a whole is noticed";
        lines.push(("key", key.into()));
    }
    if !how.seals {
        lines.push(("seals", NO_SEALS.into()));
    }
    anchors(report, how, &mut lines);
    lines.push(("database", database(report, how.database)));
    let open = format!("{} after the last seal", count(figures.open_lines, "line"));
    lines.push(("open end", open));
    lines.extend(report.unread.iter().map(|said| ("not read", said.clone())));
    for Hole { first_seq, through_seq, record } in report.holes.iter().take(MOST_HOLES) {
        let message = format!(
            "seq {first_seq} to {through_seq} by the rule: {} (seq {} of {})",
            record.policy,
            record.seq,
            rfc3339(record.ts_ns)
        );
        lines.push(("pruned", message));
    }
    if let Some(more @ 1..) = report.holes.len().checked_sub(MOST_HOLES) {
        lines.push(("pruned", format!("and in {more} other places; --format json lists all")));
    }
    findings(report, &mut lines);
    lines
}

/// What became of the comparison with the database, which is there or not.
pub(in crate::cli) fn database(report: &Report, is_there: bool) -> String {
    let compared = match report.since {
        Some(_) => "the rows of what was read compared, in both directions",
        None => "every row compared with the ledger, in both directions",
    };
    match (report.database_end, report.verdict) {
        (Some(end), _) if end < report.figures.next_seq => {
            let missing = count(report.figures.next_seq - end, "line");
            format!("{compared}; it lacks the last {missing}, and catches up when the daemon runs")
        }
        (Some(_), _) => compared.into(),
        (None, _) if !is_there => "there is none here, so it was not compared".into(),
        (None, Verdict::Tampered) => "not compared, because of what is said above".into(),
        (None, _) => "not compared".into(),
    }
}

fn read(figures: &Figures) -> String {
    let Figures { first_seq, next_seq, .. } = *figures;
    let lines = match next_seq.checked_sub(1).filter(|last| *last >= first_seq) {
        Some(last) => format!("seq {first_seq} to {last}"),
        None => "no line".to_owned(),
    };
    let (segments, events) = (count(figures.segments, "segment"), count(figures.events, "event"));
    format!("{segments}, {}, {events}, {lines}", BinaryBytes(figures.bytes))
}

fn anchors(report: &Report, how: &Circumstances, lines: &mut Vec<Detail>) {
    let anchored = &report.anchored;
    if anchored.checkpoints > 0 {
        let hold = format!("{} of the log as it is", count(anchored.checkpoints, "checkpoint"));
        lines.push(("anchors", hold));
    }
    if let Some(last) = anchored.last_receipt {
        let message = format!(
            "{} found in the log, the last for seq {last}; a receipt vouches for its own line",
            count(anchored.receipts, "receipt")
        );
        lines.push(("anchors", message));
    }
    if anchored.key_from == Some(KeyFrom::Given) {
        let from = match how.vkey_from_here {
            true => {
                "checkpoints were checked with the key in this host's state directory, since leaf 0 was not read; give the one you noted with --vkey"
            }
            false => {
                "checkpoints were checked with the key that was given, since leaf 0 was not read"
            }
        };
        lines.push(("anchors", from.into()));
    }
    let unchecked = anchored.unchecked.iter();
    lines.extend(unchecked.map(|sentence| ("unchecked", sentence.clone())));
}

/// All findings but the one that the sentence states.
fn findings(report: &Report, lines: &mut Vec<Detail>) {
    let stated = report.findings.iter().position(|finding| finding.verdict == report.verdict);
    for (n, finding) in report.findings.iter().enumerate() {
        if Some(n) != stated {
            lines.push(("also", format!("{}: {}", finding.verdict.as_str(), told(finding))));
        }
    }
    if report.findings_left_out > 0 {
        lines.push((
            "also",
            format!("{} that are not listed", count(report.findings_left_out, "finding")),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::super::sentence::tests::report;
    use super::*;

    const HOW: Circumstances = Circumstances {
        decommissioned: None,
        key_from_here: false,
        vkey_from_here: true,
        database: true,
        seals: true,
        whole: None,
    };

    #[test]
    fn the_sentence_comes_first_and_the_other_findings_after() {
        let report = report(&[Verdict::Incomplete, Verdict::Tampered, Verdict::Tampered]);
        let text = text(&report, &HOW, &Look::plain());
        let want = "TAMPERED: wrong\\u001b 2 (a.jsonl line 2, seq 7, byte 5)";
        assert_eq!(text.lines().next(), Some(want));
        assert_eq!(text.lines().filter(|line| line.starts_with("also")).count(), 2);
    }

    #[test]
    fn what_was_not_read_is_no_range() {
        let figures = |first_seq, next_seq| Figures { first_seq, next_seq, ..Figures::default() };
        assert!(read(&figures(3, 3)).ends_with("no line"));
        assert!(read(&figures(0, 0)).ends_with("no line"));
        assert!(read(&figures(3, 4)).ends_with("seq 3 to 3"));
    }
}
