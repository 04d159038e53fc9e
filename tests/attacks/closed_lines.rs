//! Rows 1, 2 and 3: lines of closed epochs are changed, moved, or come from elsewhere.

use std::fs;
use std::path::{Path, PathBuf};

use auditlogd::ledger::verify::{Report, Verdict};

use crate::common::auditor::{Auditor, Macs};
use crate::common::lab::Lab;
use crate::files::{edit, lines, put, replace};

/// Where each line of a file begins, and whether it is a seal.
struct Layout {
    path: PathBuf,
    bytes: Vec<u8>,
    starts: Vec<usize>,
    seals: Vec<bool>,
}

impl Layout {
    fn of(path: &Path) -> Self {
        let lines = lines(path);
        let starts = lines.iter().scan(0, |at, line| {
            let start = *at;
            *at += line.len();
            Some(start)
        });
        Self {
            path: path.into(),
            starts: starts.collect(),
            bytes: lines.concat(),
            seals: lines.iter().map(|line| is_seal(line)).collect(),
        }
    }

    /// The index of the line that holds the byte at `offset`.
    fn line_at(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset) - 1
    }

    /// Verifies with each of these bytes at each of these offsets.
    fn flip(
        &self,
        lab: &Lab,
        auditor: &Auditor,
        macs: Macs,
        offsets: std::ops::Range<usize>,
        judge: &dyn Fn(usize, &Report),
    ) {
        for offset in offsets {
            let old = self.bytes[offset];
            // One bit at every offset, and in turn another one, a line's end, a space.
            let others = [old ^ 0x80, b'\n', b' '];
            for new in [old ^ 1, others[offset % 3]].into_iter().filter(|new| *new != old) {
                let mut bytes = self.bytes.clone();
                bytes[offset] = new;
                fs::write(&self.path, &bytes).expect("writes");
                let report = auditor.check(lab.root(), macs);
                assert_eq!(
                    report.verdict,
                    Verdict::Tampered,
                    "{macs:?}: byte {offset} of {:?} turned from {old:?} to {new:?}",
                    self.path
                );
                judge(offset, &report);
            }
        }
        fs::write(&self.path, &self.bytes).expect("writes");
    }
}

fn is_seal(line: &[u8]) -> bool {
    String::from_utf8_lossy(line).contains(r#","seal":{"epoch":"#)
}

/// The first line that was found wrong, from 0, where a finding names one.
fn found_at(report: &Report) -> Option<usize> {
    let place = report.findings.iter().find_map(|finding| finding.place.as_ref())?;
    Some(place.line as usize - 1)
}

/// With the auditor key the finding is at the changed line. Without it, a change that leaves the line's form
/// shows in the root of the seal that closes its epoch; one of a seal's own mac shows in seals.jsonl.
#[test]
fn row_01_flip_one_byte_of_any_closed_line() {
    let lab = Lab::closed(2, 1);
    let auditor = Auditor::of(lab.root());
    let segments = lab.segments();
    for (n, path) in segments.iter().enumerate() {
        let layout = Layout::of(path);
        let lines = layout.starts[1]..layout.bytes.len();
        // Without its LF the last line of the newest segment is one that is still being written: the cut
        // shows in seals.jsonl.
        let unfinished = |offset| n + 1 == segments.len() && offset + 1 == layout.bytes.len();
        layout.flip(&lab, &auditor, Macs::Checked, lines.clone(), &|offset, report| {
            if !unfinished(offset) {
                assert_eq!(found_at(report), Some(layout.line_at(offset)), "byte {offset}");
            }
        });
        layout.flip(&lab, &auditor, Macs::Unchecked, lines, &|offset, report| {
            let line = layout.line_at(offset);
            let seal = line + layout.seals[line..].iter().position(|seal| *seal).expect("closed");
            if !unfinished(offset) {
                let found = found_at(report).expect("a place");
                assert!((line..=seal).contains(&found), "byte {offset}: found at line {found}");
            }
        });
    }
    auditor.verify(lab.root(), Macs::Checked, &[]).clean();
}

#[test]
fn row_01_flip_one_byte_of_any_segment_header() {
    let lab = Lab::closed(2, 1);
    let auditor = Auditor::of(lab.root());
    for path in lab.segments() {
        let layout = Layout::of(&path);
        layout.flip(&lab, &auditor, Macs::Unchecked, 0..layout.starts[1], &|_, _| {});
    }
}

#[test]
fn row_01_the_tool_names_file_line_and_seq_of_a_changed_byte() {
    let lab = Lab::closed(4, 2);
    let auditor = Auditor::of(lab.root());
    let first = &lab.segments()[0];
    replace(first, r#"{"name":"0.1"}"#, r#"{"name":"0.7"}"#);
    let name = first.to_str().expect("utf-8");
    auditor.verify(lab.root(), Macs::Checked, &[]).caught(&[name, " line 6, ", "seq 4, "]);
    auditor.verify(lab.root(), Macs::Unchecked, &[]).caught(&[name, "one of 2 to 5 was changed"]);
}

#[test]
fn row_02_delete_swap_or_duplicate_a_line() {
    let lab = Lab::closed(4, 2);
    let auditor = Auditor::of(lab.root());
    for path in lab.segments() {
        let good = lines(&path);
        // The header is not a line; without one the file is no segment.
        for at in 1..good.len() {
            let mut deleted = good.clone();
            deleted.remove(at);
            let mut doubled = good.clone();
            doubled.insert(at, good[at].clone());
            let mut swapped = good.clone();
            let other = if at + 1 < good.len() { at + 1 } else { 1 };
            swapped.swap(at, other);
            for (how, bad) in [("deleted", deleted), ("doubled", doubled), ("swapped", swapped)] {
                put(&path, &bad);
                let report = auditor.check(lab.root(), Macs::Unchecked);
                assert_eq!(report.verdict, Verdict::Tampered, "line {at} of {path:?} {how}");
            }
        }
        let headless = &good[1..];
        put(&path, headless);
        let report = auditor.check(lab.root(), Macs::Unchecked);
        assert_eq!(report.verdict, Verdict::Tampered, "{path:?} has lost its header");
        put(&path, &good);
    }
    edit(&lab.segments()[0], |lines| drop(lines.remove(3)));
    let said = auditor.verify(lab.root(), Macs::Unchecked, &[]);
    said.caught(&[" line 4, ", "seq 2, ", "seq is 3, but 2 comes next"]);
}

/// A deleted line with all numbers after it set right again is what a careful attacker leaves.
#[test]
fn row_02_delete_a_line_and_number_the_rest_anew() {
    let lab = Lab::closed(2, 4);
    let auditor = Auditor::of(lab.root());
    edit(&lab.segments()[0], |lines| {
        lines.remove(3);
        for (seq, line) in lines[1..].iter_mut().enumerate() {
            let text = String::from_utf8_lossy(line).into_owned();
            let rest = text.split_once(",\"ts\"").expect("a line").1;
            *line = format!("{{\"seq\":{seq},\"ts\"{rest}").into_bytes();
        }
    });
    auditor.verify(lab.root(), Macs::Checked, &[]).caught(&[" line 4, ", "mac"]);
    auditor.verify(lab.root(), Macs::Unchecked, &[]).caught(&["one of 2 to 6 was changed"]);
}

#[test]
fn row_03_splice_a_line_from_another_log_or_host() {
    let (lab, other) = (Lab::closed(4, 2), Lab::closed(4, 2));
    let auditor = Auditor::of(lab.root());
    for (path, from) in lab.segments().iter().zip(other.segments()) {
        let (good, foreign) = (lines(path), lines(&from));
        assert_eq!(good.len(), foreign.len());
        for at in 1..good.len() {
            let mut spliced = good.clone();
            spliced[at] = foreign[at].clone();
            put(path, &spliced);
            let report = auditor.check(lab.root(), Macs::Unchecked);
            assert_eq!(report.verdict, Verdict::Tampered, "line {at} of {path:?}");
            let seal = at + good[at..].iter().position(|line| is_seal(line)).expect("closed");
            assert!(found_at(&report).is_some_and(|found| (at..=seal).contains(&found)));
        }
        put(path, &good);
    }
}

#[test]
fn row_03_splice_a_whole_segment_from_another_log_or_host() {
    let (lab, other) = (Lab::closed(4, 2), Lab::closed(4, 2));
    let auditor = Auditor::of(lab.root());
    for (path, from) in lab.segments().iter().zip(other.segments()) {
        let good = lines(path);
        let mut foreign = lines(&from);
        put(path, &foreign);
        let name = path.to_str().expect("utf-8");
        auditor.verify(lab.root(), Macs::Unchecked, &[]).caught(&[name]);
        // With our header over it, its lines still are not ours.
        foreign[0] = good[0].clone();
        put(path, &foreign);
        auditor.verify(lab.root(), Macs::Unchecked, &[]).caught(&[name]);
        put(path, &good);
    }
    // Beside our own ones.
    let added = lab.paths().log_dir.join("audit.jsonl-added");
    fs::copy(&other.segments()[1], &added).expect("copies");
    let said = auditor.verify(lab.root(), Macs::Unchecked, &[]);
    said.caught(&["audit.jsonl-added", "the segment is of log"]);
}
