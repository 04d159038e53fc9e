//! Row 22: old segments are deleted, and a record says that retention did it.

use std::fs;

use auditlogd::ledger::seal::Reason;
use auditlogd::record::Record;

use crate::common::auditor::{Auditor, Macs};
use crate::common::lab::Lab;

const DAY: u64 = 86_400;

/// A log of which the first segment was deleted `age` seconds after its last seal, and a record that says that
/// retention keeps everything for a week. The root that the record names may be another.
fn pruned(age: u64, forge: impl FnOnce(&mut u64, &mut String)) -> (Lab, Auditor) {
    let mut lab = Lab::new();
    let auditor = Auditor::of(lab.root());
    lab.store(["a", "b"]);
    lab.rotate();
    let segments = auditlogd::ledger::segment::list(&lab.paths().log_dir).expect("lists");
    let tree = segments[1].header.tree().expect("a frontier");
    lab.store(["c"]);
    lab.seal(Reason::Time);
    lab.pass(age);
    let mut through_seq = tree.size() - 1;
    let mut root = data_encoding::HEXLOWER.encode(&tree.root());
    forge(&mut through_seq, &mut root);
    let policy = "keep 7 days".into();
    lab.record(&Record::Pruned { first_seq: 0, through_seq, root, policy, keep_seconds: 7 * DAY });
    fs::remove_file(&segments[0].path).expect("deletes");
    lab.store(["d"]);
    lab.stop();
    (lab, auditor)
}

#[test]
fn row_22_a_record_for_data_younger_than_the_policy_allows() {
    for age in [0, DAY, 7 * DAY - 60] {
        let (lab, auditor) = pruned(age, |_, _| {});
        for macs in [Macs::Checked, Macs::Unchecked] {
            let said = auditor.verify(lab.root(), macs, &[]);
            said.caught(&["audit.jsonl line "]);
        }
    }
}

#[test]
fn row_22_data_as_old_as_the_policy_says_is_no_finding() {
    for age in [7 * DAY, 70 * DAY] {
        let (lab, auditor) = pruned(age, |_, _| {});
        for macs in [Macs::Checked, Macs::Unchecked] {
            auditor.verify(lab.root(), macs, &[]).clean();
        }
    }
}

#[test]
fn row_22_a_record_that_names_another_root_or_fewer_leaves() {
    let (lab, auditor) = pruned(70 * DAY, |_, root| *root = "0".repeat(64));
    auditor.verify(lab.root(), Macs::Unchecked, &[]).caught(&[]);
    let (lab, auditor) = pruned(70 * DAY, |through_seq, _| *through_seq -= 1);
    auditor.verify(lab.root(), Macs::Unchecked, &[]).caught(&[]);
    let (lab, auditor) = pruned(70 * DAY, |through_seq, _| *through_seq += 1_000);
    auditor.verify(lab.root(), Macs::Unchecked, &[]).caught(&[]);
}

#[test]
fn row_22_a_first_segment_that_is_gone_without_a_record() {
    let (lab, auditor) = pruned(70 * DAY, |_, _| {});
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
