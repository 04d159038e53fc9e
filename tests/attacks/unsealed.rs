//! Row 10: whatever is not sealed in the way that this version prescribes is no log.

use std::fs;

use auditlogd::ledger::verify::Verdict;

use crate::common::auditor::{Auditor, Macs};
use crate::common::lab::Lab;
use crate::files::{edit, lines, put, replace};

const TAIL: usize = 74;

fn is_seal(line: &[u8]) -> bool {
    String::from_utf8_lossy(line).contains(r#","seal":{"epoch":"#)
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}

#[test]
fn row_10_strip_the_macs() {
    let lab = Lab::closed(4, 2);
    let auditor = Auditor::of(lab.root());
    for path in lab.segments() {
        let good = lines(&path);
        for at in 1..good.len() {
            let line = text(&good[at]);
            let bare = &line[..line.len() - TAIL - 1];
            let zeros = "0".repeat(64);
            let all = [
                format!("{bare}}}\n"),
                format!("{bare},\"mac\":\"\"}}\n"),
                format!("{bare},\"mac\":null}}\n"),
                format!("{bare},\"mac\":\"{zeros}\"}}\n"),
            ];
            for line in all {
                let mut bad = good.clone();
                bad[at] = line.into_bytes();
                put(&path, &bad);
                let report = auditor.check(lab.root(), Macs::Unchecked);
                assert_eq!(report.verdict, Verdict::Tampered, "{}", text(&bad[at]));
            }
        }
        put(&path, &good);
    }
    for path in lab.segments() {
        edit(&path, |lines| {
            for line in &mut lines[1..] {
                *line = format!("{}}}\n", &text(line)[..line.len() - TAIL - 1]).into_bytes();
            }
        });
    }
    let said = auditor.verify(lab.root(), Macs::Unchecked, &[]);
    said.caught(&["audit.jsonl-0 line 2, seq 0, ", "mac"]);
}

/// All seals are taken out and the lines numbered as if there had never been any.
fn strip_seals(lab: &Lab) {
    let mut seq = 0;
    let segments = lab.segments();
    let mut all = vec![lines(&segments[0])[0].clone()];
    for path in &segments {
        for line in lines(path).into_iter().skip(1).filter(|line| !is_seal(line)) {
            let line = text(&line);
            let rest = line.split_once(",\"ts\"").expect("a line").1;
            all.push(format!("{{\"seq\":{seq},\"ts\"{rest}").into_bytes());
            seq += 1;
        }
        fs::remove_file(path).expect("deletes");
    }
    put(&segments[0], &all);
}

#[test]
fn row_10_strip_the_seals() {
    let lab = Lab::closed(4, 2);
    let auditor = Auditor::of(lab.root());
    strip_seals(&lab);
    let said = auditor.verify(lab.root(), Macs::Unchecked, &[]);
    said.caught(&["the log's end was cut: seals.jsonl holds the seal of epoch 4"]);
    let said = auditor.verify(lab.root(), Macs::Checked, &[]);
    said.caught(&["mac"]);
}

/// A log without a seal proves nothing to whoever has not the auditor key, whatever its lines say.
#[test]
fn row_10_a_log_without_any_seal_is_never_ok() {
    let lab = Lab::closed(4, 2);
    let auditor = Auditor::of(lab.root());
    strip_seals(&lab);
    fs::remove_file(lab.paths().seals()).expect("deletes");
    let said = auditor.verify(lab.root(), Macs::Checked, &[]);
    said.caught(&["mac"]);
    let said = auditor.verify(lab.root(), Macs::Unchecked, &[]);
    assert_eq!(said.code, Some(6), "{}", said.text);
}

#[test]
fn row_10_lower_or_raise_the_version() {
    for version in ["0", "2", "\"1\"", "1.0"] {
        let lab = Lab::closed(2, 2);
        let auditor = Auditor::of(lab.root());
        for path in lab.segments() {
            replace(&path, "{\"auditlog\":1,", &format!("{{\"auditlog\":{version},"));
        }
        auditor.verify(lab.root(), Macs::Unchecked, &[]).caught(&[]);
    }
}

#[test]
fn row_10_mix_unsealed_lines_in() {
    let lab = Lab::closed(2, 2);
    let auditor = Auditor::of(lab.root());
    for path in lab.segments() {
        let good = lines(&path);
        let strangers = [
            "{\"event_type\":\"auth.login\",\"actor\":\"mallory\"}\n".to_owned(),
            "\n".to_owned(),
            "{\"seal\":{}}\n".to_owned(),
            text(&good[0]),
        ];
        for stranger in strangers {
            for at in 1..=good.len() {
                let mut bad = good.clone();
                bad.insert(at, stranger.clone().into_bytes());
                put(&path, &bad);
                let report = auditor.check(lab.root(), Macs::Unchecked);
                assert_eq!(report.verdict, Verdict::Tampered, "{stranger:?} at line {at}");
                let place = report.findings[0].place.as_ref().expect("a place");
                assert_eq!((&place.file, place.line), (&path, at as u64 + 1), "{stranger:?}");
            }
        }
        put(&path, &good);
    }
}
