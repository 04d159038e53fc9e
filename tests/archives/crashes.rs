//! Every step of a run fails in every way: the next run hands over what is missing, and nothing half-done stays.

use std::cell::Cell;
use std::io::ErrorKind;
use std::sync::Arc;

use auditlogd::fs::faulty::{Fault, Faulty};

use super::helpers::*;

fn steps() -> u64 {
    let (lab, _) = log();
    let path = place(lab.root());
    let counting = Faulty::new(u64::MAX, Fault::NotDone, ErrorKind::Other);
    let archives = open_with(Arc::new(counting.clone()), lab.root());
    assert_eq!(run_of(&archives, lab.root(), &directory(&path)).segments, 2);
    counting.steps()
}

#[test]
fn a_crash_at_any_step_is_made_good_by_the_next_run() {
    let steps = steps();
    assert!(steps > 20, "the fault table covers {steps} steps");
    for step in 0..steps {
        for fault in [Fault::NotDone, Fault::Done, Fault::Half] {
            let case = format!("step {step}, {fault:?}");
            let (lab, auditor) = log();
            let path = place(lab.root());
            let faulty = Faulty::new(step, fault, ErrorKind::StorageFull);
            let archives = open_with(Arc::new(faulty), lab.root());
            let done = run_of(&archives, lab.root(), &directory(&path));
            assert_eq!(done.errors.len(), 1, "{case}: {done:?}");

            let done = run(lab.root(), &directory(&path));
            assert_eq!(done.errors, [""; 0], "{case}");
            let names: Vec<_> = files(&path).into_keys().collect();
            assert_eq!(names.len(), 3, "{case}: {names:?}");
            let archives = open(lab.root());
            for found in closed(lab.root()) {
                assert!(archives.has(&directory(&path).to, &found.header), "{case}");
            }
            // A program that is started each time would take long.
            if step % 7 == 0 && fault == Fault::Done {
                verify(&auditor, &path).clean();
            }
        }
    }
}

#[test]
fn told_to_stop_at_any_moment_it_leaves_nothing_half_done() {
    let mut moment = 0;
    loop {
        let (lab, _) = log();
        let path = place(lab.root());
        let asked = Cell::new(0);
        let stop = || {
            asked.set(asked.get() + 1);
            asked.get() > moment
        };
        let all = segments(lab.root());
        let archives = open(lab.root());
        let done = archives.hand_over(&[directory(&path)], &all, 2, &stop);
        // A stop is no fault of the archive.
        assert_eq!(done.errors, [""; 0]);
        assert!(files(&path).len() as u64 - done.segments <= 1, "{:?}", files(&path).keys());
        assert_eq!(std::fs::read_dir(path.join(".maintenance")).map_or(0, |dir| dir.count()), 0);
        if asked.get() <= moment {
            break assert_eq!(done.segments, 2);
        }
        moment += 1;
    }
    assert!(moment > 4, "it asked {moment} times");
}

#[test]
fn a_copy_that_does_not_read_back_the_same_is_thrown_away() {
    let (lab, auditor) = log();
    let path = place(lab.root());
    let staging = path.join(".maintenance");
    // All of the first copy is written when it is not empty any more.
    let written = || {
        let entries = std::fs::read_dir(&staging).into_iter().flatten();
        entries
            .map(|entry| entry.expect("reads").path())
            .find(|path| std::fs::metadata(path).is_ok_and(|meta| meta.len() > 0))
    };
    let spoilt = Cell::new(false);
    let spoils = || {
        if let (false, Some(path)) = (spoilt.get(), written()) {
            let mut bytes = std::fs::read(&path).expect("reads");
            *bytes.last_mut().expect("a byte") ^= 1;
            std::fs::write(&path, bytes).expect("writes");
            spoilt.set(true);
        }
        false
    };
    let all = segments(lab.root());
    let archives = open(lab.root());
    let done = archives.hand_over(&[directory(&path)], &all, 2, &spoils);
    assert!(done.errors[0].contains("what was read back of the copy is not the same"), "{done:?}");
    assert!(files(&path).is_empty());
    hands_over(lab.root(), &directory(&path), 2);
    verify(&auditor, &path).clean();
}
