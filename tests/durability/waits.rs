//! A disk that refuses for a moment. A writer that waits for it stores everything, once, and the log shows nothing of it:
//! no crash, no damage, nothing missing.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use auditlogd::engine::Room;
use auditlogd::fs::faulty::Fault;
use auditlogd::ledger::verify::Verdict;
use nix::libc::{EDQUOT, EIO, ENOSPC, EROFS};

use crate::common::auditor::{Auditor, Macs};
use crate::common::cases;
use crate::common::lab::{event, new_root, now, paths};
use crate::common::running::Running;
use crate::disk::{Disk, Fails};

const FAULTS: [Fault; 3] = [Fault::NotDone, Fault::Done, Fault::Half];
const ERRNOS: [i32; 4] = [EIO, ENOSPC, EROFS, EDQUOT];
const EVENTS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// Commits, seals, rotates by itself, lets itself be rotated, and stops. The steps that the start took, and all.
fn live(root: &Path, disk: &Disk) -> (u64, u64) {
    let start = (now(100), |_: &mut _| {}, Box::new(|_| None) as _);
    let running = Running::start_in(Room::default(), Arc::new(disk.clone()), root, 1, start);
    let running = running.expect("the start is spared");
    let begun = disk.log().steps;
    let store = |name: &str| {
        let stored = running.store(&event(name));
        stored.expect("the disk is waited for").expect("a receipt");
    };
    store("a");
    store("b");
    // What it did may have been reported as failed; then the next commit finds it.
    let _rotated_or_found_renamed = running.engine.writer().rotate("a test".into());
    store("c");
    let active = paths(root).active();
    disk.rename_by_hand(&active, &active.with_file_name("audit.jsonl-1"));
    assert!(running.engine.reopen());
    store("d");
    running.pass(61, 61);
    store("e");
    store("f");
    running.stop().expect("it stops in order");
    (begun, disk.log().steps)
}

#[test]
fn a_disk_that_refuses_for_a_moment_leaves_no_trace_in_the_log() {
    let root = new_root();
    let (begun, steps) = live(root.path(), &Disk::new(root.path(), None));
    assert!(steps - begun > 60, "{begun} to {steps}");
    cases::each(begun..steps, |step| {
        let fault = FAULTS[step as usize % FAULTS.len()];
        let errno = ERRNOS[step as usize / 3 % ERRNOS.len()];
        let fails = Fails { steps: step..step + 1 + step % 4, fault, errno };
        let case = format!("{fails:?}");
        let root = new_root();
        live(root.path(), &Disk::new(root.path(), Some(fails)));
        let mut all = String::new();
        for entry in fs::read_dir(paths(root.path()).log_dir).expect("lists") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                all += &fs::read_to_string(path).expect("text");
            }
        }
        for name in EVENTS {
            assert_eq!(all.matches(&event(name)).count(), 1, "{case}: {name}");
        }
        for trace in ["auditlogd.recovered", "damage", "auditlogd.gap"] {
            assert!(!all.contains(trace), "{case}: {trace}");
        }
        let report = Auditor::of(root.path()).check(root.path(), Macs::Checked);
        assert_eq!(report.verdict, Verdict::OkUnanchored, "{case}: {:#?}", report.findings);
    });
    println!("{} cases", steps - begun);
}
