//! Row 22: segments are deleted, and a record says that retention did it.

use std::fs;
use std::io::Write;
use std::ops::Range;

use auditlogd::ledger::seal::Reason;
use auditlogd::record::{Pruned, Record};

use crate::common::auditor::{Auditor, Macs, Said};
use crate::common::lab::Lab;
use crate::common::pruning;

const DAY: u64 = 86_400;

/// A log of which the first segment was deleted `age` seconds after its last seal, and a record that says that
/// retention keeps everything for a week. The record may say something else.
fn pruned(age: u64, forge: impl FnOnce(&mut Pruned)) -> (Lab, Auditor) {
    let mut lab = Lab::new();
    let auditor = Auditor::of(lab.root());
    lab.store(["a", "b"]);
    lab.rotate();
    let (record, gone) = pruning::of(&lab.paths().log_dir, 0..1, 7 * DAY);
    lab.store(["c"]);
    lab.seal(Reason::Time);
    lab.pass(age);
    lab.record(&pruning::forged(&record, forge));
    fs::remove_file(&gone[0]).expect("deletes");
    lab.store(["d"]);
    lab.stop();
    (lab, auditor)
}

#[test]
fn row_22_a_record_for_data_younger_than_the_policy_allows() {
    for age in [0, DAY, 7 * DAY - 60] {
        let (lab, auditor) = pruned(age, |_| {});
        for macs in [Macs::Checked, Macs::Unchecked] {
            let said = auditor.verify(lab.root(), macs, &[]);
            said.caught(&["audit.jsonl line "]);
        }
    }
}

#[test]
fn row_22_data_as_old_as_the_policy_says_is_no_finding() {
    for age in [7 * DAY, 70 * DAY] {
        let (lab, auditor) = pruned(age, |_| {});
        for macs in [Macs::Checked, Macs::Unchecked] {
            auditor.verify(lab.root(), macs, &[]).clean();
        }
    }
}

#[test]
fn row_22_a_record_that_names_another_root_or_fewer_leaves() {
    let (lab, auditor) = pruned(70 * DAY, |what| what.root = "0".repeat(64));
    auditor.verify(lab.root(), Macs::Unchecked, &[]).caught(&[]);
    let (lab, auditor) = pruned(70 * DAY, |what| what.through_seq -= 1);
    auditor.verify(lab.root(), Macs::Unchecked, &[]).caught(&[]);
    let (lab, auditor) = pruned(70 * DAY, |what| what.through_seq += 1_000);
    auditor.verify(lab.root(), Macs::Unchecked, &[]).caught(&[]);
}

#[test]
fn row_22_a_first_segment_that_is_gone_without_a_record() {
    let (lab, auditor) = pruned(70 * DAY, |_| {});
    let mut bare = Lab::new();
    let of_bare = Auditor::of(bare.root());
    bare.store(["a"]);
    bare.rotate();
    bare.store(["b"]);
    bare.stop();
    fs::remove_file(&bare.segments()[0]).expect("deletes");
    of_bare.verify(bare.root(), Macs::Unchecked, &[]).caught(&["no sealed record says"]);
    // A record explains one deletion, not the next.
    fs::remove_file(lab.paths().active()).expect("deletes");
    auditor.verify(lab.root(), Macs::Unchecked, &[]).caught(&[]);
}

/// A log of six segments, ten days old but for what is in the last one.
fn six_segments() -> (Lab, Auditor) {
    let mut lab = Lab::new();
    let auditor = Auditor::of(lab.root());
    for segment in 0..5 {
        lab.store([format!("{segment}.0"), format!("{segment}.1")]);
        lab.rotate();
    }
    lab.pass(10 * DAY);
    lab.store(["5.0"]);
    (lab, auditor)
}

fn of(lab: &Lab, gone: Range<usize>) -> Record {
    pruning::of(&lab.paths().log_dir, gone, 7 * DAY).0
}

fn delete(lab: &Lab, gone: Range<usize>) {
    for path in &lab.segments()[gone] {
        fs::remove_file(path).expect("deletes");
    }
}

/// Deletes these segments of the six after these records; what is said of it, with and without the auditor key.
fn said(records: &[(usize, usize)], gone: Range<usize>) -> Vec<Said> {
    let (mut lab, auditor) = six_segments();
    let records: Vec<_> = records.iter().map(|(from, to)| of(&lab, *from..*to)).collect();
    records.iter().for_each(|record| lab.record(record));
    lab.stop();
    delete(&lab, gone);
    [Macs::Checked, Macs::Unchecked].map(|macs| auditor.verify(lab.root(), macs, &[])).into()
}

#[test]
fn row_22_a_hole_in_the_middle_with_its_record_is_no_finding() {
    for (records, gone) in [
        (vec![(2, 3)], 2..3),
        (vec![(1, 4)], 1..4),
        (vec![(0, 1), (3, 5)], 3..5),
        (vec![(1, 5)], 2..4),
    ] {
        said(&records, gone).iter().for_each(Said::clean);
    }
}

#[test]
fn row_22_a_hole_in_the_middle_that_no_one_record_covers() {
    for (records, gone) in [
        (vec![], 2..3),
        (vec![(2, 3)], 2..4),
        (vec![(2, 3)], 1..3),
        (vec![(1, 2), (2, 3)], 1..3),
        (vec![(0, 1)], 4..5),
    ] {
        for said in said(&records, gone) {
            said.caught(&["are missing before this segment, and no sealed record says"]);
        }
    }
}

#[test]
fn row_22_a_hole_in_the_middle_of_what_is_too_young_or_of_another_root() {
    let forge = |forge: fn(&mut Pruned)| {
        let (mut lab, auditor) = six_segments();
        lab.record(&pruning::forged(&of(&lab, 2..3), forge));
        lab.stop();
        delete(&lab, 2..3);
        auditor.verify(lab.root(), Macs::Unchecked, &[])
    };
    forge(|_| {}).clean();
    forge(|what| what.keep_seconds = 11 * DAY).caught(&["keeps them for 950400 seconds"]);
    forge(|what| what.root = "0".repeat(64)).caught(&["names another root"]);
    forge(|what| what.subtrees[0] = "0".repeat(64)).caught(&["or other subtrees"]);
    forge(|what| drop(what.subtrees.pop())).caught(&["one hash for each of their subtrees"]);
}

/// Whoever has no key can write what looks like a record, and wait for nobody to seal it.
#[test]
fn row_22_a_record_that_somebody_appended() {
    let (mut lab, auditor) = six_segments();
    lab.seal(Reason::Time);
    let (seq, record) = (lab.ledger().next_seq(), of(&lab, 2..3).to_json());
    lab.kill();
    let line = format!(
        "{{\"seq\":{seq},\"ts\":\"2026-12-01T02:00:00.000000000Z\",\"id\":\"x\",\"peer\":{},\"event\":{record},\"mac\":\"{}\"}}\n",
        crate::common::lab::PEER,
        "0".repeat(64)
    );
    let active = fs::File::options().append(true).open(lab.paths().active());
    active.expect("opens").write_all(line.as_bytes()).expect("appends");
    delete(&lab, 2..3);
    let wanted = "has no seal after it: anybody can have added it";
    auditor.verify(lab.root(), Macs::Unchecked, &[]).caught(&[wanted]);
    auditor.verify(lab.root(), Macs::Checked, &[]).caught(&["mac is not the one its key gives"]);
    // And without the seals nobody can tell any more what was there.
    fs::remove_file(lab.paths().seals()).expect("deletes");
    let said = auditor.verify(lab.root(), Macs::Unchecked, &[]);
    assert_eq!(said.code, Some(6), "{}", said.text);
}

/// Before a newer record is pruned with its segment, what it accounted for is said again.
#[test]
fn row_22_a_record_that_was_pruned_itself() {
    let (mut lab, auditor) = six_segments();
    let first = of(&lab, 1..2);
    lab.record(&first);
    lab.rotate();
    delete(&lab, 1..2);
    lab.pass(20 * DAY);
    lab.store(["6.0"]);
    let second = of(&lab, 4..5);
    lab.record(&second);
    lab.seal(Reason::Time);
    delete(&lab, 4..5);
    auditor.verify(lab.root(), Macs::Checked, &[]).caught(&["lines 6 to 9 are missing"]);
    lab.record(&first);
    lab.stop();
    auditor.verify(lab.root(), Macs::Checked, &[]).clean();
}

/// What a crash cut the writing of, or a rotation closed, is no place for a hole to begin or end.
#[test]
fn row_22_a_hole_that_begins_or_ends_inside_of_an_epoch() {
    let (mut lab, auditor) = six_segments();
    let record = of(&lab, 2..3);
    lab.record(&record);
    lab.stop();
    let before = lab.segments()[1].clone();
    delete(&lab, 2..3);
    crate::files::edit(&before, |lines| drop(lines.pop()));
    for macs in [Macs::Checked, Macs::Unchecked] {
        let said = auditor.verify(lab.root(), macs, &[]);
        said.caught(&["what is before them does not end with a seal"]);
    }
}
