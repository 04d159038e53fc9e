//! What goes before its time when the disk is nearly full, and what never does.

use auditlogd::retention::Rules;

use crate::world::{DAY, World, fates};

/// A log of six days, the third of which has an event with a rule of its own.
fn world() -> World {
    let mut world = World::new();
    world.keep("trade", 30);
    for day in 0..6 {
        world.day(if day == 2 { &["a", "trade"] } else { &["a"] });
    }
    world.early = Some(Rules { keep_days: 7, ..world.rules.clone() });
    world
}

#[test]
fn oldest_first_and_no_more_than_is_needed() {
    let mut world = world();
    world.pass(20);
    world.shortfall = 1;
    let plan = world.plan();
    let rest = ["not_expired"; 5];
    assert_eq!(fates(&plan), [&["go early"], &rest[..], &["open"]].concat());
    let first = plan.segments[0].0.bytes;
    world.shortfall = first + 1;
    assert_eq!(fates(&world.plan())[..3], ["go early", "go early", "not_expired"]);
    let deleted = world.run();
    assert_eq!(deleted.segments, 2);
    let record = world.records("pruned").pop().expect("a record");
    assert_eq!(record["policy"], "space was low, and min_keep_days is 7: kept for 7 days");
    assert_eq!(record["keep_seconds"], 7 * DAY);
    world.holds_with(&deleted.gone);
}

#[test]
fn never_what_a_rule_is_about_nor_what_is_younger_than_min_keep_days() {
    let mut world = world();
    world.shortfall = u64::MAX;
    world.pass(4);
    // Day 0 is ten days ago, day 3 seven, day 5 five.
    let early = "go early";
    assert_eq!(
        fates(&world.plan()),
        [early, early, "not_expired", early, "not_expired", "not_expired", "open"]
    );
    world.not_taken = vec![1];
    assert_eq!(fates(&world.plan())[..2], [early, "not_expired"]);
    world.not_taken.clear();
    let holes = world.run().gone;
    world.holds_with(&holes);
}

#[test]
fn nothing_at_all_where_that_is_not_allowed_or_not_needed() {
    let mut world = world();
    world.pass(20);
    assert_eq!(fates(&world.plan())[..6], ["not_expired"; 6]);
    (world.shortfall, world.early) = (u64::MAX, None);
    assert_eq!(fates(&world.plan())[..6], ["not_expired"; 6]);
}

#[test]
fn what_has_expired_counts_first() {
    let mut world = world();
    world.pass(85);
    let bytes = world.plan().segments[0].0.bytes;
    world.shortfall = bytes;
    // Days 0 and 1 have expired, and that is enough.
    assert_eq!(fates(&world.plan())[..4], ["go", "go", "not_expired", "not_expired"]);
}
