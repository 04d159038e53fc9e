//! A process that compresses is killed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use auditlogd::config::Compression;
use auditlogd::fs::Real;
use auditlogd::maintain::staging::clear_leftovers;

use super::common::auditor::Auditor;
use super::common::lab::Lab;
use super::helpers::*;

/// Where the process to be killed finds the log.
const ROOT: &str = "TEST_COMPRESSION_ROOT";

#[test]
#[ignore = "the process that the other test kills"]
fn compresses() {
    if let Some(root) = std::env::var_os(ROOT) {
        press_all(Path::new(&root), Compression::Zstd);
    }
}

/// A log whose first segment takes a while.
fn log() -> (Lab, Auditor) {
    let mut lab = Lab::new();
    let auditor = Auditor::of(lab.root());
    for batch in 0..8 {
        lab.store(
            (0..500).map(|n| format!("{:x}", (batch * 500 + n) * 0x9e37_79b9_7f4a_7c15_u128)),
        );
    }
    lab.rotate();
    lab.store(["last"]);
    lab.stop();
    (lab, auditor)
}

#[test]
fn killed_at_any_moment_it_leaves_a_log_that_verifies() {
    let (lab, auditor) = log();
    let first = closed(lab.root()).remove(0).path;
    let original = fs::read(&first).expect("reads");
    let staged = lab.paths().log_dir.join(".maintenance/audit.jsonl-0.zst");
    let target = with(&first, ".zst");
    let moments: [&dyn Fn() -> bool; 4] = [
        &|| staged.exists(),
        &|| fs::metadata(&staged).is_ok_and(|meta| meta.len() > 0),
        &|| target.exists(),
        &|| !first.exists(),
    ];
    for moment in moments {
        let mut child = Command::new(std::env::current_exe().expect("a path"))
            .args(["kill::compresses", "--exact", "--ignored"])
            .env(ROOT, lab.root())
            .stdout(Stdio::null())
            .spawn()
            .expect("starts");
        while !moment() && child.try_wait().expect("waits").is_none() {
            std::thread::yield_now();
        }
        // It may have been faster.
        let _ended = child.kill();
        child.wait().expect("waits");
        assert_ok(lab.root(), &auditor, "killed");

        clear_leftovers(&Real::default(), &lab.paths().log_dir).expect("clears");
        press_all(lab.root(), Compression::Zstd);
        assert_ok(lab.root(), &auditor, "after the next run");
        assert_eq!(names(lab.root()), ["audit.jsonl", "audit.jsonl-0.zst"]);
        assert!(text(&target) == original);
        fs::remove_file(&target).expect("removes");
        fs::write(&first, &original).expect("writes");
    }
}
