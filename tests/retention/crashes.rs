//! Deletion that fails or is cut off, at every step: whatever is left, the log holds, and the next run goes on.

use std::io::ErrorKind;
use std::sync::Arc;

use auditlogd::fs::Real;
use auditlogd::fs::faulty::{Fault, Faulty};

use crate::world::World;

/// A log of which three segments have expired, the second of them in the middle.
fn world() -> World {
    let mut world = World::new();
    world.keep("trade", 1_826);
    for day in 0..5 {
        world.day(if day == 2 { &["trade"] } else { &["a"] });
    }
    world.pass(88);
    world
}

#[test]
fn a_crash_at_any_step_leaves_a_log_that_holds_and_the_next_run_finishes() {
    let never = Faulty::new(u64::MAX, Fault::NotDone, ErrorKind::Other);
    let mut counted = world();
    counted.disk = Arc::new(never.clone());
    let whole = counted.run();
    assert_eq!(whole.segments, 3);
    let steps = never.steps();
    // Each is renamed and removed, and the directory synced.
    assert_eq!(steps, 7);
    for step in 0..steps {
        for fault in [Fault::NotDone, Fault::Done] {
            let mut world = world();
            world.disk = Arc::new(Faulty::new(step, fault, ErrorKind::Other));
            let plan = world.plan();
            let deleted = world.delete(&plan).expect("the record is written");
            let at = format!("step {step}, {fault:?}");
            assert!(!deleted.errors.is_empty(), "{at}");
            let there = world.numbers();
            let left: Vec<_> =
                plan.going().filter(|(s, _)| there.contains(&s.header.segment)).collect();
            for (segment, _) in &left {
                let first = segment.header.first_seq;
                assert!(!deleted.gone.iter().any(|gone| gone.contains(&first)), "{at}");
            }
            world.verify_ok(&at);
            world.disk = Arc::new(Real::default());
            assert_eq!(world.run().segments, left.len() as u64, "{at}");
            assert_eq!(world.numbers(), [2, 4, 5], "{at}");
            world.holds_with(&whole.gone);
        }
    }
}

#[test]
fn a_hold_that_came_after_a_crash_keeps_what_was_recorded_as_gone() {
    let mut world = world();
    world.disk = Arc::new(Faulty::new(2, Fault::NotDone, ErrorKind::Other));
    let plan = world.plan();
    world.delete(&plan).expect("the record is written");
    assert_eq!(world.numbers(), [1, 2, 3, 4, 5]);
    world.disk = Arc::new(Real::default());
    world.hold("all", |what| what.event_type = vec!["a".into()]);
    assert_eq!(world.run().segments, 0);
    assert_eq!(world.numbers(), [1, 2, 3, 4, 5]);
    world.verify_ok("held");
}
