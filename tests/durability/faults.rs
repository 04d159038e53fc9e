//! Every step of every life fails in every way, for a moment or for good; so do the steps of the starts that follow. Then
//! a start on a sound disk goes on with all that was promised.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use auditlogd::fs::faulty::Fault;
use auditlogd::ledger::verify::Verdict;
use nix::libc::{EDQUOT, EIO, ENOSPC, EROFS};

use crate::common::cases;
use crate::disk::{Disk, Fails};
use crate::judge::Judge;
use crate::lives::{self, Life};
use crate::stage::Stage;

const FAULTS: [Fault; 3] = [Fault::NotDone, Fault::Done, Fault::Half];
const ERRNOS: [i32; 4] = [EIO, ENOSPC, EROFS, EDQUOT];

/// Any will do: what is played here depends on no choice.
const SEED: u64 = 6;

/// How many steps a life has.
fn steps(name: &str, life: Life) -> u64 {
    let stage = Stage::new(SEED, None);
    life(&stage).unwrap_or_else(|e| panic!("{name}: {e}"));
    stage.disk.log().steps
}

/// Plays a life on a disk that fails.
fn play(name: &str, life: Life, fails: Fails) -> (Stage, Judge) {
    let case = format!("{name}: {fails:?}");
    let stage = Stage::new(SEED, Some(fails));
    // It may end with the fault, or after it if it knows what to do about it.
    let _ended_early = life(&stage);
    let done = stage.disk.now();
    let judge =
        Judge { auditor: stage.auditor(done), promises: stage.promised(done), seed: SEED, case };
    (stage, judge)
}

/// Fails unless what is left holds also before the next start, with it, and with one that fails, too.
fn holds(stage: &Stage, judge: &Judge) {
    if let Some(report) = judge.look(stage.root()) {
        assert_ne!(report.verdict, Verdict::Tampered, "{}: {:#?}", judge.case, report.findings);
    }
    judge.judge(stage.root());
}

/// Whether a life is that of an engine, whose writer may wait for the disk.
fn is_engine(name: &str) -> bool {
    name.starts_with("the engine")
}

#[test]
fn each_step_that_fails_for_good_costs_nothing_that_was_promised() {
    let cases = AtomicU64::new(0);
    for (name, life) in lives::ALL.into_iter().filter(|(name, _)| !is_engine(name)) {
        cases::each(0..steps(name, life), |step| {
            for fault in FAULTS {
                let errno = ERRNOS[(step as usize + fault as usize) % ERRNOS.len()];
                let (stage, judge) =
                    play(name, life, Fails { steps: step..u64::MAX, fault, errno });
                holds(&stage, &judge);
                cases.fetch_add(1, Relaxed);
            }
        });
    }
    println!("{} cases", cases.into_inner());
}

/// Nobody knows of a disk that fails now whether it will the next time.
#[test]
fn steps_of_an_engine_that_fail_for_a_moment_cost_nothing_that_was_promised() {
    let (name, life) = lives::ALL.into_iter().find(|(name, _)| is_engine(name)).expect("there is");
    let steps = steps(name, life);
    // Each way to fail meets every kind of step: neighbours are of many kinds.
    cases::each(0..steps / 4, |n| {
        let step = n * 4 + n % 4;
        let fault = FAULTS[n as usize % FAULTS.len()];
        let errno = ERRNOS[n as usize / 2 % ERRNOS.len()];
        let fails = Fails { steps: step..step + 1 + n % 3, fault, errno };
        let (stage, judge) = play(name, life, fails);
        holds(&stage, &judge);
    });
    println!("{} cases of {steps} steps", steps / 4);
}

/// The start after a failure fails too, at each of its own steps, one after the other.
#[test]
fn starts_that_fail_again_and_again_cost_nothing_that_was_promised() {
    let starts = AtomicU64::new(0);
    for (name, life) in lives::ALL.into_iter().filter(|(name, _)| !is_engine(name)) {
        cases::each(0..steps(name, life) / 5, |n| {
            let fails = Fails { steps: n * 5 + n % 5..u64::MAX, fault: Fault::Half, errno: EIO };
            let (stage, judge) = play(name, life, fails);
            for step in 0.. {
                let at = (n + step) as usize;
                let (fault, errno) = (FAULTS[at % FAULTS.len()], ERRNOS[at % ERRNOS.len()]);
                let fails = Fails { steps: step..u64::MAX, fault, errno };
                let disk = Disk::new(stage.root(), Some(fails));
                starts.fetch_add(1, Relaxed);
                if judge.start(stage.root(), Arc::new(disk)).is_ok() {
                    break;
                }
            }
            holds(&stage, &judge);
        });
    }
    println!("{} starts", starts.into_inner());
}
