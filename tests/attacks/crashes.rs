//! Row 16: the disk fails or the process dies between any two durable steps. What tests/ledger_crash.rs plays
//! for the ledger alone is played here for the whole engine, for starts that crash themselves, and for
//! retention.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use auditlogd::fs::faulty::{Fault, Faulty};
use auditlogd::fs::{Fs, Real};
use auditlogd::ledger::open::open;
use auditlogd::ledger::seal::Reason;
use auditlogd::ledger::verify::Verdict;
use auditlogd::ledger::{Ledger, LedgerError};

use crate::common::auditor::{Auditor, Macs};
use crate::common::cases;
use crate::common::lab::{commit, event, new_root, now, paths, setup};
use crate::common::pruning;
use crate::common::running::Running;

const FAULTS: [(Fault, ErrorKind); 4] = [
    // EIO, before and after the bytes are on disk; ENOSPC, before and in the middle.
    (Fault::NotDone, ErrorKind::Other),
    (Fault::Done, ErrorKind::Other),
    (Fault::NotDone, ErrorKind::StorageFull),
    (Fault::Half, ErrorKind::StorageFull),
];

/// A life, played on a disk; the events that it was told are stored.
type Life = dyn Fn(&Path, Arc<dyn Fs>, &mut Vec<String>) + Sync;

/// Plays a life and lets it fail at each of its steps; `each` sees what is left of it, and which step it was.
fn at_each_step(life: &Life, each: impl Fn(&Path, &[String], u64, &str) + Sync) {
    let counting = Faulty::new(u64::MAX, Fault::NotDone, ErrorKind::Other);
    let root = new_root();
    life(root.path(), Arc::new(counting.clone()), &mut Vec::new());
    let steps = counting.steps();
    assert!(steps > 20, "the life has {steps} steps");
    cases::each(0..steps, |step| {
        // Every way to fail meets every kind of step: neighbours are of many kinds.
        let (fault, kind) = FAULTS[step as usize % FAULTS.len()];
        let root = new_root();
        let mut acked = Vec::new();
        life(root.path(), Arc::new(Faulty::new(step, fault, kind)), &mut acked);
        each(root.path(), &acked, step, &format!("step {step}, {fault:?}, {kind:?}"));
    });
}

/// Fails unless the log goes on, holds each of `acked` once, and raises no alarm.
fn goes_on(root: &Path, acked: &[String], case: &str) {
    let running = Running::start(root, 1, now(500));
    running.store(&event("after")).expect("stored");
    running.stop().expect("stops well");
    let mut all = String::new();
    for entry in fs::read_dir(paths(root).log_dir).expect("reads") {
        let path = entry.expect("reads").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(name.starts_with("audit.jsonl"), "{case}: a crash is no damage, but left {name}");
        all += &fs::read_to_string(path).expect("reads");
    }
    for event in acked {
        assert_eq!(all.matches(event.as_str()).count(), 1, "{case}: {event} was acknowledged");
    }
    let report = Auditor::of(root).check(root, Macs::Checked);
    assert!(report.verdict <= Verdict::Incomplete, "{case}: {:#?}", report.findings);
    assert_ne!(report.verdict, Verdict::Unverifiable, "{case}: {:#?}", report.findings);
}

/// Commits, an epoch's end, a rotation and a stop of the whole engine.
fn engine_life(root: &Path, fs: Arc<dyn Fs>, acked: &mut Vec<String>) {
    let Ok(running) = Running::start_on(fs, root, 1, now(100)) else { return };
    let mut store = |name: &str| {
        let event = event(name);
        if running.store(&event).is_ok() {
            acked.push(event);
        }
    };
    store("a");
    store("b");
    let active = paths(root).active();
    fs::rename(&active, active.with_file_name("audit.jsonl-1")).expect("renames");
    running.reopen();
    store("c");
    running.reopen();
    store("d");
    let _told_by_the_answers = running.stop();
}

#[test]
fn row_16_crash_at_any_step_of_commit_seal_rotate_and_stop() {
    at_each_step(&engine_life, |root, acked, _, case| goes_on(root, acked, case));
}

/// Signs, stores, seals and rotates with the ledger alone, which is quicker.
fn ledger_life(root: &Path, fs: Arc<dyn Fs>, acked: &mut Vec<String>) {
    let _ended_early = live(root, fs, acked);
}

fn live(root: &Path, fs: Arc<dyn Fs>, acked: &mut Vec<String>) -> Result<(), LedgerError> {
    let mut ledger = open(setup(root, fs), now(100))?.ledger;
    let mut store = |ledger: &mut Ledger, seconds: u64, name: &str| {
        let events = [event(name)];
        commit(ledger, now(seconds), &events)?;
        acked.extend(events);
        Ok::<_, LedgerError>(())
    };
    store(&mut ledger, 101, "a")?;
    ledger.close_epoch(Reason::Time, now(102))?;
    store(&mut ledger, 102, "b")?;
    let active = paths(root).active();
    std::fs::rename(&active, active.with_file_name("audit.jsonl-1")).expect("renames");
    ledger.close_epoch(Reason::Rotate, now(103))?;
    ledger.open_segment(now(103))?;
    store(&mut ledger, 104, "c")
}

/// The start after a crash fails too, at each of its own steps.
#[test]
fn row_16_crash_of_the_start_after_a_crash() {
    at_each_step(&ledger_life, |root, acked, crashed, case| {
        for step in 0.. {
            let (fault, kind) = FAULTS[(crashed + step) as usize % FAULTS.len()];
            let faulty = Arc::new(Faulty::new(step, fault, kind));
            if open(setup(root, faulty), now(200 + step)).is_ok() {
                break;
            }
        }
        goes_on(root, acked, case);
    });
}

/// Retention writes its record, makes it durable, and only then deletes.
fn prune(root: &Path, fs: Arc<dyn Fs>, acked: &mut Vec<String>) -> Result<(), LedgerError> {
    let mut ledger = open(setup(root, fs), now(100))?.ledger;
    commit(&mut ledger, now(101), &[event("old")])?;
    let active = paths(root).active();
    let old = active.with_file_name("audit.jsonl-1");
    std::fs::rename(&active, &old).expect("renames");
    ledger.close_epoch(Reason::Rotate, now(103))?;
    ledger.open_segment(now(103))?;
    let (record, _) = pruning::of(&paths(root).log_dir, 0..1, 60);
    commit(&mut ledger, now(200), &[event("new")])?;
    acked.push(event("new"));
    commit(&mut ledger, now(200), &[record.to_json()])?;
    std::fs::remove_file(old).expect("deletes");
    commit(&mut ledger, now(201), &[event("newer")])?;
    acked.push(event("newer"));
    ledger.close_epoch(Reason::Stop, now(202))?;
    Ok(())
}

#[test]
fn row_16_crash_at_any_step_of_a_prune() {
    let life = |root: &Path, fs: Arc<dyn Fs>, acked: &mut Vec<String>| {
        let _ended_early = prune(root, fs, acked);
    };
    at_each_step(&life, |root, acked, _, case| goes_on(root, acked, case));
    let root = new_root();
    prune(root.path(), Arc::new(Real::default()), &mut Vec::new()).expect("no fault");
    assert!(!paths(root.path()).log_dir.join("audit.jsonl-1").exists());
    Auditor::of(root.path()).verify(root.path(), Macs::Checked, &[]).clean();
}
