//! Every step of a compression fails in every way, and the process is as good as dead: the log is whole, and
//! the next run ends what was begun and leaves nothing over.

use std::io::ErrorKind;
use std::path::Path;

use auditlogd::config::Compression;
use auditlogd::fs::Real;
use auditlogd::fs::faulty::{Fault, Faulty};
use auditlogd::maintain::staging::clear_leftovers;

use super::common::lab::paths;
use super::helpers::*;

const FAULTS: [Fault; 3] = [Fault::NotDone, Fault::Done, Fault::Half];

/// What a run does.
fn next_run(root: &Path, to: Compression) {
    clear_leftovers(&Real::default(), &paths(root).log_dir).expect("clears");
    press_all(root, to);
}

/// How many steps one compression takes.
fn steps() -> u64 {
    let counting = Faulty::new(u64::MAX, Fault::NotDone, ErrorKind::Other);
    let (lab, _) = log();
    let found = closed(lab.root()).remove(0);
    press(&counting, lab.root(), &found, Compression::Zstd).expect("no fault");
    counting.steps()
}

#[test]
fn a_crash_at_any_step_leaves_a_log_that_verifies_and_nothing_over_after_the_next_run() {
    let steps = steps();
    assert!(steps >= 9, "the fault table covers {steps} steps");
    for step in 0..steps {
        for fault in FAULTS {
            for (form, then) in [(0, 0), (1, 0)] {
                crash_at(step, fault, FORMS[form], FORMS[then]);
            }
        }
    }
}

fn crash_at(step: u64, fault: Fault, form: Compression, then: Compression) {
    let case = format!("step {step}, {fault:?}, {form:?}, then {then:?}");
    let (lab, auditor) = log();
    let root = lab.root();
    let found = closed(root).remove(0);
    let original = text(&found.path);
    let faulty = Faulty::new(step, fault, ErrorKind::Other);
    press(&faulty, root, &found, form).expect_err(&case);

    assert_ok(root, &auditor, &case);
    let one = [&found.path, &with(&found.path, ending(form))].map(|path| path.exists());
    assert!(one.contains(&true), "{case}");

    next_run(root, then);
    assert_ok(root, &auditor, &case);
    let names = names(root);
    assert_eq!(names.len(), 3, "{case}: {names:?}");
    // Where the first had its name already, it is not compressed anew.
    let first = names.iter().find(|name| name.starts_with("audit.jsonl-0")).expect("it is there");
    assert!(first.ends_with(ending(form)) || first.ends_with(ending(then)), "{case}: {names:?}");
    assert_eq!(text(&paths(root).log_dir.join(first)), original, "{case}");
}

#[test]
fn a_full_disk_is_said_and_the_segment_stays() {
    let mut said = 0;
    for step in 0..steps() {
        for fault in FAULTS {
            let (lab, auditor) = log();
            let found = closed(lab.root()).remove(0);
            let full = Faulty::new(step, fault, ErrorKind::StorageFull);
            let error = press(&full, lab.root(), &found, Compression::Zstd).expect_err("full");
            assert!(error.to_string().contains("could not be"), "{error}");
            said += usize::from(error.to_string().contains("could not be written"));
            assert_ok(lab.root(), &auditor, "full");
        }
    }
    assert!(said > 0);
}

#[test]
fn switching_compression_off_still_ends_what_was_begun() {
    let (lab, auditor) = log();
    let root = lab.root();
    let found = closed(root).remove(0);
    // The step before the last two: the original is removed, and that is made durable.
    let faulty = Faulty::new(steps() - 2, Fault::NotDone, ErrorKind::Other);
    press(&faulty, root, &found, Compression::Zstd).expect_err("a crash");
    assert_eq!(names(root).len(), 4, "both forms");
    next_run(root, Compression::None);
    assert_eq!(names(root), ["audit.jsonl", "audit.jsonl-0.zst", "audit.jsonl-1"]);
    assert_ok(root, &auditor, "switched off");
}
