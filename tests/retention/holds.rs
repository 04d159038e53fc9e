//! Holds: what they keep, from when on and until when, and crashes in between.

use std::fs;
use std::io::ErrorKind;
use std::sync::Arc;

use auditlogd::fs::faulty::{Fault, Faulty};
use auditlogd::maintain::holds::{Holds, HoldsError};
use auditlogd::maintain::prune::PruneError;
use auditlogd::retention::{Hold, Match, NewHold};
use serde_json::Value;

use crate::world::{DAY, World, fates, leaves};

fn new_hold(id: &str, what: Match) -> NewHold {
    let id = (!id.is_empty()).then(|| id.to_owned());
    NewHold { id, what, since_ns: None, until_ns: None, reason: "case 4711".into() }
}

fn of_type(event_type: &str) -> Match {
    Match { event_type: vec![event_type.into()], ..Match::default() }
}

impl World {
    /// Puts a hold in force.
    pub fn hold(&self, id: &str, change: impl FnOnce(&mut Match)) -> Hold {
        let mut new = new_hold(id, Match::default());
        change(&mut new.what);
        self.add(new).expect("holds")
    }

    fn add(&self, new: NewHold) -> Result<Hold, HoldsError> {
        self.holds.add(new, 0, self.running.now().wall_ns, &self.running.writer())
    }

    pub fn release(&self, id: &str) -> Result<Hold, HoldsError> {
        self.holds.remove(id, "closed", 0, &self.running.writer())
    }

    fn load(&self) -> Vec<String> {
        let holds = Holds::load(&self.state_dir()).expect("reads");
        holds.into_iter().map(|hold| hold.id).collect()
    }
}

/// Ids in records of a type.
fn ids(records: &[Value]) -> Vec<&str> {
    records.iter().map(|data| data["id"].as_str().expect("an id")).collect()
}

#[test]
fn a_hold_keeps_its_segment_until_it_is_released_and_a_hole_arises_around_it() {
    let mut world = World::new();
    for day in 0..4 {
        world.day(if day == 1 { &["a", "b.c"] } else { &["a"] });
    }
    world.hold("case-4711", |what| what.event_type = vec!["b.*".into()]);
    world.pass(90);
    let plan = world.plan();
    assert_eq!(fates(&plan), ["go", "held", "go", "go", "open"]);
    assert_eq!(plan.kept_back(), ["segment 1 is kept: held by case-4711"]);
    let (holes, whole) = ([leaves(&plan, 0..1), leaves(&plan, 2..4)], leaves(&plan, 0..4));
    assert_eq!(world.run().gone, holes);
    world.holds_with(&holes);
    world.release("case-4711").expect("releases");
    assert_eq!(world.run().gone, std::slice::from_ref(&whole));
    world.holds_with(&[whole]);
    let (added, removed) = (world.records("hold_added"), world.records("hold_removed"));
    assert_eq!((ids(&added), ids(&removed)), (vec!["case-4711"], vec!["case-4711"]));
    assert_eq!(added[0]["match"]["event_type"][0], "b.*");
    assert_eq!(
        (&removed[0]["removed_because"], &removed[0]["reason"]),
        (&"closed".into(), &"case 4711".into())
    );
}

#[test]
fn a_hold_for_some_time_keeps_what_was_written_then() {
    let mut world = World::of_days(5);
    let now_ns = world.running.now().wall_ns;
    let ago = |days: i64| Some(now_ns - days * DAY * 1_000_000_000);
    let new = new_hold("", of_type("a"));
    // Day n was 5 - n days ago.
    world.add(NewHold { since_ns: ago(3), until_ns: ago(1), ..new }).expect("holds");
    world.pass(90);
    assert_eq!(fates(&world.plan()), ["go", "go", "held", "held", "go", "open"]);
    let holes = world.run().gone;
    world.holds_with(&holes);
}

#[test]
fn a_hold_that_comes_between_plan_and_deletion_stops_it() {
    let mut world = World::of_days(2);
    world.pass(90);
    let plan = world.plan();
    assert_eq!(fates(&plan), ["go", "go", "open"]);
    let before = Holds::load(&world.state_dir()).expect("reads");
    world.hold("late", |what| *what = of_type("a"));
    let done = world.holds.while_they_are(&before, |_| panic!("others are in force"));
    assert!(done.expect("reads").is_none());
    assert_eq!(fates(&world.plan()), ["held", "held", "open"]);
    assert_eq!(world.run().segments, 0);
}

#[test]
fn holds_that_cannot_be_read_stop_all_deletion() {
    let mut world = World::of_days(2);
    world.pass(90);
    let plan = world.plan();
    let path = world.state_dir().join("holds.json");
    for damaged in ["", "{", r#"{"version":2,"next":1,"holds":[]}"#, r#"{"version":1,"next":1}"#] {
        fs::write(&path, damaged).expect("writes");
        let refused = world.delete(&plan).expect_err("refused");
        assert!(matches!(refused, PruneError::Holds(HoldsError::Damaged { .. })), "{refused}");
        let said = refused.to_string();
        assert!(said.contains("holds.json") && said.contains("nothing is deleted"), "{said}");
        world.add(new_hold("x", of_type("a"))).expect_err("not even added to");
    }
    fs::remove_file(&path).expect("removes");
    fs::create_dir(&path).expect("creates");
    let refused = world.delete(&plan).expect_err("refused");
    assert!(matches!(refused, PruneError::Holds(HoldsError::Read { .. })), "{refused}");
    assert_eq!((world.numbers(), world.records("pruned").len()), (vec![0, 1, 2], 0));
}

#[test]
fn names_are_given_once_and_checked() {
    let world = World::new();
    assert_eq!(world.add(new_hold("", of_type("a"))).expect("holds").id, "hold-1");
    assert_eq!(world.add(new_hold("hold-2", of_type("a"))).expect("holds").id, "hold-2");
    assert_eq!(world.add(new_hold("", of_type("a"))).expect("holds").id, "hold-3");
    world.release("hold-3").expect("releases");
    assert_eq!(
        world.add(new_hold("", of_type("a"))).expect("holds").id,
        "hold-4",
        "not used again"
    );
    for (new, says) in [
        (new_hold("hold-1", of_type("a")), "there is a hold hold-1 already"),
        (new_hold("a b", of_type("a")), "letters, digits"),
        (new_hold(&"x".repeat(65), of_type("a")), "1 to 64"),
        (new_hold("x", of_type("")), "empty value"),
        (NewHold { reason: " ".into(), ..new_hold("x", of_type("a")) }, "say why"),
        (NewHold { reason: "r".repeat(2000), ..new_hold("x", of_type("a")) }, "at most 1024"),
        (
            NewHold { since_ns: Some(5), until_ns: Some(5), ..new_hold("x", of_type("a")) },
            "ends before it begins",
        ),
    ] {
        let error = world.add(new).expect_err(says).to_string();
        assert!(error.contains(says), "{error}");
    }
    let error = world.release("none").expect_err("there is none").to_string();
    assert!(error.contains("there is no hold none"), "{error}");
    assert_eq!(world.load(), ["hold-1", "hold-2", "hold-4"]);
}

#[test]
fn the_longest_hold_fits_into_its_record() {
    let world = World::new();
    let value = |n: usize| format!("{n:02}{}", "\u{1}".repeat(80));
    let values = (0..32).map(value).collect();
    let new = new_hold("x", Match { actor: values, ..Match::default() });
    assert!(new.check().is_ok());
    world.add(new).expect("holds");
    assert_eq!(world.records("hold_added").len(), 1);
    let values = (0..32).map(|n| format!("{n:02}{}", "x".repeat(250))).collect::<Vec<_>>();
    let three =
        Match { actor: values.clone(), target: values.clone(), source: values, ..Match::default() };
    let error = world.add(new_hold("y", three)).expect_err("too long").to_string();
    assert!(error.contains("fit into its record"), "{error}");
}

#[test]
fn a_crash_at_any_step_of_adding_leaves_it_in_force_or_not_there_and_the_start_records_it() {
    for step in 0.. {
        for fault in [Fault::NotDone, Fault::Done, Fault::Half] {
            let mut world = World::new();
            let faulty = Faulty::new(step, fault, ErrorKind::Other);
            world.holds = Arc::new(Holds::new(Arc::new(faulty.clone()), &world.state_dir()));
            let added = world.add(new_hold("x", of_type("a")));
            if faulty.steps() <= step {
                added.expect("nothing failed");
                return;
            }
            let at = format!("step {step}, {fault:?}: {added:?}");
            let there = world.load();
            if added.is_ok() || !world.records("hold_added").is_empty() {
                assert_eq!(there, ["x"], "{at}");
            }
            // The next start.
            world.holds = Arc::new(Holds::new(world.disk.clone(), &world.state_dir()));
            world.holds.mend(&world.running.writer()).expect("mends");
            assert_eq!(world.load(), there, "{at}");
            assert_eq!(!world.records("hold_added").is_empty(), !there.is_empty(), "{at}");
            let before = world.records("hold_added").len();
            world.holds.mend(&world.running.writer()).expect("has nothing to do");
            assert_eq!(world.records("hold_added").len(), before, "{at}");
        }
    }
}

#[test]
fn a_crash_at_any_step_of_removing_leaves_it_in_force_until_it_is_recorded() {
    for step in 0.. {
        for fault in [Fault::NotDone, Fault::Done, Fault::Half] {
            let mut world = World::new();
            world.hold("x", |what| *what = of_type("a"));
            let faulty = Faulty::new(step, fault, ErrorKind::Other);
            world.holds = Arc::new(Holds::new(Arc::new(faulty.clone()), &world.state_dir()));
            let removed = world.release("x");
            if faulty.steps() <= step {
                removed.expect("nothing failed");
                assert!(world.load().is_empty());
                return;
            }
            let at = format!("step {step}, {fault:?}: {removed:?}");
            let recorded = !world.records("hold_removed").is_empty();
            if world.load().is_empty() {
                assert!(recorded, "{at}");
                continue;
            }
            // It is in force, and once the next start has mended it, that is the log's last word.
            world.holds = Arc::new(Holds::new(world.disk.clone(), &world.state_dir()));
            world.holds.mend(&world.running.writer()).expect("mends");
            if recorded {
                assert_eq!(world.records("hold_added").len(), 2, "{at}");
            }
            world.release("x").expect("releases");
        }
    }
}
