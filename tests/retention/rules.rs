//! What the rules let go, and when.

use std::fs;
use std::sync::Arc;

use auditlogd::event::FieldMap;
use auditlogd::maintain::plan::{Fate, Why};
use auditlogd::maintain::prune::PruneError;
use auditlogd::maintain::scan::{Lens, ScanError};
use auditlogd::maintain::survey::{Memory, survey};
use auditlogd::retention::Rules;

use crate::world::{DAY, World, fates, leaves};

#[test]
fn segments_go_oldest_first_once_everything_in_them_has_expired() {
    let mut world = World::of_days(3);
    world.pass(86);
    // The first day was 89 days ago.
    let plan = world.plan();
    assert_eq!(fates(&plan), ["not_expired", "not_expired", "not_expired", "open"]);
    assert_eq!(world.run().segments, 0);
    world.pass(2);
    let plan = world.plan();
    assert_eq!(fates(&plan), ["go", "go", "not_expired", "open"]);
    let gone = leaves(&plan, 0..2);
    let deleted = world.run();
    assert_eq!((deleted.segments, &deleted.gone), (2, &vec![gone.clone()]));
    assert!(deleted.bytes > 0);
    assert_eq!(world.numbers(), [2, 3]);
    let records = world.records("pruned");
    assert_eq!(records.len(), 1);
    assert_eq!(
        (&records[0]["first_seq"], &records[0]["policy"]),
        (&0.into(), &"kept for 90 days".into())
    );
    assert_eq!(records[0]["keep_seconds"], 90 * DAY);
    world.holds_with(&[gone]);
}

#[test]
fn a_run_that_has_nothing_to_delete_writes_nothing_and_tells_what_is_gone_already() {
    let mut world = World::of_days(2);
    world.pass(88);
    let deleted = world.run();
    assert_eq!(deleted.segments, 1);
    let again = world.run();
    assert_eq!((again.segments, again.gone), (0, deleted.gone));
    assert_eq!(world.records("pruned").len(), 1);
}

#[test]
fn a_rule_for_five_years_keeps_its_segment_and_the_holes_around_it_grow_and_meet() {
    let mut world = World::new();
    world.keep("trade", 1_826);
    for day in 0..5 {
        world.day(if day == 2 { &["a", "trade"] } else { &["a"] });
    }
    world.pass(88);
    let plan = world.plan();
    assert_eq!(fates(&plan), ["go", "go", "not_expired", "go", "not_expired", "open"]);
    let holes = [leaves(&plan, 0..2), leaves(&plan, 3..4)];
    let whole = leaves(&plan, 0..5);
    assert_eq!(world.run().gone, holes);
    assert_eq!(world.numbers(), [2, 4, 5]);
    world.holds_with(&holes);
    // Only this hole has grown, and only it is stated again.
    world.pass(10);
    assert_eq!(world.run().gone, [holes[0].clone(), holes[1].start..whole.end]);
    assert_eq!(world.records("pruned").len(), 3);
    world.holds_with(&[holes[0].clone(), holes[1].start..whole.end]);
    world.pass(1_826);
    world.day(&["a"]);
    assert_eq!(world.run().gone.len(), 1);
    let last = world.records("pruned").pop().expect("a record");
    // In the hole are events of both rules.
    assert_eq!(last["keep_seconds"], 90 * DAY);
    assert_eq!(last["policy"], "kept for 90 to 1826 days, each event by its rule");
    world.holds_from_its_first_segment();
}

#[test]
fn the_first_rule_that_matches_decides() {
    let mut world = World::new();
    world.keep("trade.test", 7);
    world.keep("trade.*", 1_826);
    world.day(&["trade.test"]);
    world.day(&["trade.order"]);
    world.pass(7);
    // The first segment has records of the start too, which no rule is about.
    assert_eq!(fates(&world.plan()), ["not_expired", "not_expired", "open"]);
    world.pass(90);
    assert_eq!(fates(&world.plan()), ["go", "not_expired", "open"]);
}

#[test]
fn a_shorter_keep_counts_from_the_next_run_on() {
    let mut world = World::of_days(3);
    world.pass(5);
    assert_eq!(world.run().segments, 0);
    world.rules = Rules::of_days(7);
    assert_eq!(world.run().segments, 2);
    world.holds_from_its_first_segment();
}

#[test]
fn what_an_archive_has_not_taken_stays() {
    let mut world = World::of_days(3);
    world.pass(90);
    world.not_taken = vec![1];
    let plan = world.plan();
    assert_eq!(fates(&plan), ["go", "not_archived", "go", "open"]);
    assert_eq!(plan.kept_back(), ["segment 1 is kept: not taken yet by directory /mnt/a"]);
    let holes = world.run().gone;
    world.holds_with(&holes);
}

#[test]
fn a_clock_that_jumps_ahead_deletes_nothing_that_is_not_believed_to_be_old() {
    let mut world = World::of_days(2);
    world.believed_ns = Some(world.running.now().wall_ns);
    world.running.pass(3_650 * DAY, 1);
    let plan = world.plan();
    assert_eq!(fates(&plan), ["not_expired", "not_expired", "open"]);
    assert_eq!(world.delete(&plan).expect("nothing to do").segments, 0);
}

#[test]
fn a_clock_that_was_set_back_since_the_plan_deletes_nothing() {
    let mut world = World::of_days(2);
    world.pass(90);
    let plan = world.plan();
    world.running.pass(-60 * DAY, 1);
    let refused = world.delete(&plan).expect_err("too early");
    assert!(matches!(refused, PruneError::TooEarly), "{refused}");
    assert_eq!((world.numbers(), world.records("pruned").len()), (vec![0, 1, 2], 0));
    world.holds_with(&[]);
}

#[test]
fn a_hole_of_before_the_clock_was_set_back_states_no_age_any_more() {
    let mut world = World::of_days(5);
    world.pass(88);
    assert_eq!(world.run().segments, 4);
    world.running.pass(-10 * DAY, 1);
    world.rules = Rules::of_days(30);
    assert_eq!(world.run().segments, 1);
    let records = world.records("pruned");
    assert_eq!(records.last().expect("a record")["keep_seconds"], 0);
    world.holds_from_its_first_segment();
}

#[test]
fn no_record_is_older_than_what_it_says_was_deleted() {
    let mut world = World::new();
    world.rules = Rules::of_days(1);
    world.keep("b", 150);
    world.day(&["b"]);
    // The clock is ahead for some days.
    world.running.pass(100 * DAY, 1);
    world.day(&["a"]);
    world.pass(1);
    assert_eq!(world.run().segments, 1);
    world.running.pass(-100 * DAY, 1);
    // Now what is before the hole goes: one record would say of both that they are gone.
    world.rules = Rules::of_days(1);
    let plan = world.plan();
    assert_eq!(fates(&plan), ["go", "open"]);
    let refused = world.delete(&plan).expect_err("too early");
    assert!(matches!(refused, PruneError::TooEarly), "{refused}");
    world.verify_ok("as it was");
    world.pass(100);
    world.run();
    world.holds_from_its_first_segment();
}

#[test]
fn a_segment_is_read_again_only_if_its_file_the_rules_or_the_holds_are_others() {
    let mut world = World::of_days(2);
    world.pass(90);
    assert_eq!(fates(&world.plan()), ["go", "go", "open"]);
    // What is remembered is made wrong: nothing but reading would show that.
    let mut wrong = serde_json::to_value(&world.memory).expect("json");
    for known in wrong["segments"].as_object_mut().expect("an object").values_mut() {
        known["scan"]["kept"]["until_ns"] = i64::MAX.into();
    }
    let wrong = wrong.to_string();
    let forget = |world: &mut World| {
        world.memory = serde_json::from_str(&wrong).expect("reads back");
    };
    forget(&mut world);
    assert_eq!(fates(&world.plan()), ["not_expired", "not_expired", "open"]);
    world.rules = Rules::of_days(89);
    assert_eq!(fates(&world.plan()), ["go", "go", "open"]);
    world.rules = Rules::of_days(90);
    forget(&mut world);
    assert_eq!(fates(&world.plan()), ["not_expired", "not_expired", "open"]);
    let file = fs::File::options().append(true).open(world.segment(0)).expect("opens");
    let later = file.metadata().expect("times").modified().expect("a time");
    file.set_modified(later + std::time::Duration::from_secs(1)).expect("sets");
    assert_eq!(fates(&world.plan()), ["go", "not_expired", "open"]);
}

#[test]
fn what_one_of_the_field_maps_keeps_is_kept() {
    let mut world = World::new();
    world.running.store(r#"{"event_type":"a","what":"trade"}"#).expect("stored");
    world.day(&["a"]);
    world.keep("trade", 1_826);
    world.pass(90);
    let pointers = [("event_type".to_owned(), vec!["/what".to_owned()])];
    let other = Arc::new(FieldMap::new(&pointers, &[], &[]).expect("a map"));
    let builtin = Arc::new(FieldMap::builtin());
    let not_expired = |fields: Vec<Arc<FieldMap>>| {
        let lens = Lens { rules: world.rules.clone(), early: None, fields, holds: Vec::new() };
        let log_id = world.log_id();
        let now_ns = world.running.now().wall_ns;
        let mut memory = Memory::default();
        let segments =
            survey(&world.log_dir(), &log_id, None, &lens, now_ns, &mut memory, &|| false);
        let scan = segments.expect("reads")[0].scan.clone().expect("reads");
        scan.kept.until_ns > now_ns
    };
    assert!(!not_expired(vec![builtin.clone()]));
    assert!(not_expired(vec![builtin, other]));
}

#[test]
fn a_run_that_is_told_to_stop_keeps_what_it_has_not_read() {
    let mut world = World::of_days(2);
    world.pass(90);
    let lens = Lens {
        rules: world.rules.clone(),
        early: None,
        fields: vec![Arc::new(FieldMap::builtin())],
        holds: Vec::new(),
    };
    let log_id = world.log_id();
    let now_ns = world.running.now().wall_ns;
    let segments =
        survey(&world.log_dir(), &log_id, None, &lens, now_ns, &mut world.memory, &|| true);
    let scan = &segments.expect("lists")[0].scan;
    assert_eq!(scan, &Err(ScanError::GaveUp));
    assert_eq!(world.memory, Memory::default());
    let stays = Fate::Keep(Why::Unreadable(ScanError::GaveUp.to_string()));
    assert_ne!(world.plan().segments[0].1, stays, "the next run reads it");
}
