//! Row 12: clocks that step, hosts that sleep or reboot. None of it is anybody's doing.

use crate::common::auditor::{Auditor, Macs};
use crate::common::lab::{Lab, new_root, now};
use crate::common::running::Running;

const HOUR: i64 = 3600;

/// The records of clock steps in a log, with the seconds that they say.
fn steps(root: &std::path::Path) -> Vec<i64> {
    let mut steps = Vec::new();
    for segment in crate::common::traffic::segments(root) {
        for line in segment.lines {
            if line["event"]["event_type"] == "auditlogd.clock_step" {
                let ns = line["event"]["data"]["step_ns"].as_i64().expect("a number");
                steps.push(ns / 1_000_000_000);
            }
        }
    }
    steps
}

/// What the engine may be doing right after the clock stepped.
#[derive(Clone, Copy, Debug)]
enum Next {
    Event,
    SealThatIsDue,
    IdleSeal,
    Reload,
    Rotation,
    Stop,
}

fn step_before(next: Next, step: i64) {
    let root = new_root();
    let running = Running::start(root.path(), 1, now(100));
    let auditor = Auditor::of(root.path());
    running.store("{\"n\":1}").expect("stored");
    if matches!(next, Next::IdleSeal) {
        assert!(running.reopen());
    }
    running.pass(1 + step, 1);
    let active = crate::common::lab::paths(root.path()).active();
    match next {
        Next::Event => drop(running.store("{\"n\":2}").expect("stored")),
        Next::SealThatIsDue | Next::IdleSeal => running.pass_until_sealed(10),
        Next::Reload => assert!(running.reopen()),
        Next::Rotation => {
            std::fs::rename(&active, active.with_extension("jsonl-1")).expect("renames");
            assert!(running.reopen());
        }
        Next::Stop => {}
    }
    running.stop().expect("stops well");
    let case = format!("{next:?} after a step of {step} s");
    assert_eq!(steps(root.path()), [step], "{case}");
    for macs in [Macs::Checked, Macs::Unchecked] {
        let said = auditor.verify(root.path(), macs, &[]);
        assert_eq!(said.code, Some(0), "{case}: {}", said.text);
    }
}

#[test]
fn row_12_step_the_clock_by_an_hour_during_an_epoch() {
    for step in [-HOUR, HOUR, -26 * HOUR] {
        for next in [
            Next::Event,
            Next::SealThatIsDue,
            Next::IdleSeal,
            Next::Reload,
            Next::Rotation,
            Next::Stop,
        ] {
            step_before(next, step);
        }
    }
}

#[test]
fn row_12_suspend_the_host_during_an_epoch() {
    let root = new_root();
    let running = Running::start(root.path(), 1, now(100));
    let auditor = Auditor::of(root.path());
    running.store("{\"n\":1}").expect("stored");
    // Both clocks go on while the host sleeps.
    running.pass(8 * HOUR, 8 * HOUR as u64);
    running.store("{\"n\":2}").expect("stored");
    running.stop().expect("stops well");
    assert_eq!(steps(root.path()), [0; 0]);
    auditor.verify(root.path(), Macs::Checked, &[]).clean();
}

/// The boot clock begins anew, and before the network is up the wall clock may be anywhere.
#[test]
fn row_12_reboot_the_host_with_the_clock_an_hour_off() {
    for step in [-HOUR, 0, HOUR] {
        let root = new_root();
        let running = Running::start(root.path(), 1, now(100_000));
        let auditor = Auditor::of(root.path());
        running.store("{\"n\":1}").expect("stored");
        let mut then = running.now();
        running.stop().expect("stops well");
        then.wall_ns += step * 1_000_000_000;
        then.boot_ns = 5;
        let running = Running::start(root.path(), 2, then);
        running.store("{\"n\":2}").expect("stored");
        running.stop().expect("stops well");
        auditor.verify(root.path(), Macs::Checked, &[]).clean();
    }
}

/// A host that lost its power in the middle of an epoch: nothing of it looks like tampering.
#[test]
fn row_12_lose_the_power_during_an_epoch_with_the_clock_an_hour_off() {
    for step in [-HOUR, HOUR] {
        let mut lab = Lab::new();
        let auditor = Auditor::of(lab.root());
        lab.store(["a", "b"]);
        lab.reboot();
        lab.clock.wall_ns += step * 1_000_000_000;
        lab.open().expect("a recovery");
        lab.store(["c"]);
        lab.stop();
        let said = auditor.verify(lab.root(), Macs::Checked, &[]);
        said.incomplete(&["the host went down in epoch 1: 3 lines of it are there"]);
    }
}
