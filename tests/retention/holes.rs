//! What the log says of its holes: few records, and at any moment one of each hole.

use std::io;
use std::path::Path;
use std::sync::Arc;

use auditlogd::engine;
use auditlogd::fs::Real;
use auditlogd::fs::faulty::{Fault, Faulty};
use auditlogd::ledger::Paths;
use auditlogd::ledger::proof::{self, verify_inclusion};
use auditlogd::ledger::tree::{CompactRange, leaf_hash};
use auditlogd::ledger::verify::{Options, Verdict, verify};
use auditlogd::ledger::{line, segment};
use auditlogd::record::{Pruned, Record};
use auditlogd::retention::Rules;

use crate::common::lab;
use crate::disk::Hooked;
use crate::world::{DAY, World, fates, leaves};

/// Expects that the log holds, without a look at its age.
fn holds(paths: &Paths) {
    let genesis = std::fs::read_to_string(paths.genesis_pub()).expect("a key");
    let genesis = data_encoding::HEXLOWER.decode(genesis.trim().as_bytes()).expect("hex");
    let genesis = Some(genesis.try_into().expect("32 bytes"));
    let report = verify(&Options { genesis, ..Options::new(paths.clone()) }, &mut |_, _| {});
    assert_eq!(report.verdict, Verdict::OkUnanchored, "{:#?}", report.findings);
}

#[test]
fn in_four_months_with_many_holes_few_records_are_written_and_each_hole_has_one_at_any_moment() {
    let mut world = World::new();
    world.rules = Rules::of_days(30);
    world.keep("trade", 1_826);
    let paths = lab::paths(world.root.path());
    world.disk = Arc::new(Hooked::after_remove(move || holds(&paths)));
    let (mut written, mut most, mut holes) = (0, 0, 0);
    for day in 0..120 {
        world.day(match day % 10 {
            5 => &["trade"],
            _ if day == 12 => &["suspect"],
            _ => &["a"],
        });
        if day == 20 {
            world.hold("case", |what| what.event_type = vec!["suspect".into()]);
        }
        let plan = world.plan();
        assert!(plan.records.len() <= 1 || day > 60, "day {day}: {:?}", plan.records);
        written += plan.records.len();
        most = most.max(plan.records.len());
        assert!(world.delete(&plan).expect("deletes").errors.is_empty());
        holes = holes.max(plan.holes.len());
        if day % 20 == 0 {
            assert_eq!(world.verify_ok("").holes.len(), plan.holes.len(), "day {day}");
        }
    }
    assert_eq!(holes, 11);
    // One for each of ninety days that go, and now and then one for a hole whose record goes.
    assert!(written < 115 && most <= 3, "{written} records, {most} of them in one run");
}

/// The newest seal of the whole hole is as old as the record says, though the rules of its parts differ.
#[test]
fn a_hole_of_several_rules_states_the_age_that_all_of_it_has() {
    let mut world = World::new();
    world.keep("short", 7);
    world.day(&["a"]);
    world.pass(84);
    world.day(&["short"]);
    world.pass(8);
    // The newest seal is eight days old.
    assert_eq!(world.run().segments, 2);
    let stated =
        |world: &World| world.records("pruned").pop().expect("a record")["keep_seconds"].clone();
    assert_eq!(stated(&world), 7 * DAY);
    world.holds_from_its_first_segment();
    // A hole that is there already, and that another grows into.
    let mut world = World::new();
    world.keep("short", 7);
    world.keep("long", 100);
    world.day(&["long"]);
    world.pass(95);
    world.day(&["short"]);
    world.day(&["a"]);
    world.pass(7);
    let plan = world.plan();
    assert_eq!(fates(&plan), ["go", "go", "not_expired", "open"]);
    assert_eq!(world.run().segments, 2);
    assert_eq!(stated(&world), 7 * DAY);
    world.pass(90);
    assert_eq!(world.run().segments, 1);
    assert_eq!(stated(&world), 7 * DAY);
    world.holds_from_its_first_segment();
}

/// Days of events that nobody holds; the last of them has just begun.
fn days(world: &mut World, count: usize) {
    (0..count).for_each(|_| world.day(&["b"]));
}

#[test]
fn a_record_of_more_than_its_hole_is_repeated_word_for_word_before_it_goes() {
    let mut world = World::of_days(4);
    world.pass(90);
    // It ends after the first file is gone.
    world.disk = Arc::new(Faulty::new(2, Fault::NotDone, io::ErrorKind::Other));
    let plan = world.plan();
    assert!(!world.delete(&plan).expect("the record is written").errors.is_empty());
    world.disk = Arc::new(Real::default());
    assert_eq!(world.numbers(), [1, 2, 3, 4]);
    let said = world.records("pruned").pop().expect("a record");
    world.hold("all", |what| what.event_type = vec!["a".into()]);
    days(&mut world, 2);
    world.pass(90);
    let plan = world.plan();
    assert_eq!(fates(&plan), ["held", "held", "held", "go", "go", "open"]);
    let repeated = |plan: &[Pruned]| plan.iter().any(|r| serde_json::json!(r) == said);
    assert!(repeated(&plan.records), "{:?}", plan.records);
    assert_eq!((plan.records.len(), world.run().segments), (2, 2));
    assert_eq!(world.verify_ok("repeated").holes.len(), 2);
    // Until the next time it is not said again.
    days(&mut world, 1);
    world.pass(80);
    assert_eq!(world.plan().records, []);
    world.release("all").expect("released");
    world.pass(10);
    world.run();
    world.holds_from_its_first_segment();
}

/// A larger record explains the hole too, but proofs cannot start in the middle of it.
#[test]
fn what_a_crash_left_beside_a_hole_can_still_be_proven() {
    let mut world = World::new();
    world.keep("short", 7);
    // The daemon's own, so that the segment goes with its events.
    world.keep("auditlogd.*", 7);
    for event_type in ["a", "left", "short", "a"] {
        world.day(&[event_type]);
    }
    world.pass(7);
    assert_eq!(world.run().segments, 1);
    days(&mut world, 1);
    world.pass(90);
    // Everything goes, but it ends after the first file.
    world.disk = Arc::new(Faulty::new(2, Fault::NotDone, io::ErrorKind::Other));
    let plan = world.plan();
    assert_eq!(fates(&plan), ["go", "go", "go", "go", "open"]);
    world.delete(&plan).expect("the record is written");
    world.disk = Arc::new(Real::default());
    assert_eq!(world.numbers(), [1, 3, 4, 5]);
    let left = leaves(&world.plan(), 0..1).start + 1;
    let proven = |world: &World| {
        let (dir, id) = (world.log_dir(), world.log_id());
        let last = segment::list(&dir).expect("lists").pop().expect("a segment").header;
        let made = proof::inclusion(&dir, &id, left, last.first_seq).expect("a proof");
        let root = last.tree().expect("a frontier").root();
        assert!(verify_inclusion(&leaf_hash(&made.line), left, last.first_seq, &made.path, &root));
    };
    proven(&world);
    world.hold("it", |what| what.event_type = vec!["left".into()]);
    world.run();
    assert_eq!(world.numbers(), [1, 5]);
    proven(&world);
    world.verify_ok("held");
}

#[test]
fn a_file_that_cannot_be_deleted_stays_and_what_is_around_it_goes_on() {
    let mut world = World::of_days(6);
    world.pass(90);
    let stuck = world.segment(2);
    world.disk = Arc::new(Hooked::before_rename(move |from: &Path| match from == stuck {
        true => Err(io::ErrorKind::PermissionDenied.into()),
        false => Ok(()),
    }));
    let plan = world.plan();
    let deleted = world.delete(&plan).expect("the record is written");
    assert_eq!((deleted.segments, deleted.errors.len()), (5, 1));
    assert_eq!(world.numbers(), [2, 6]);
    world.verify_ok("around it");
    // It is tried again each time, and the hole that its record leads over grows.
    days(&mut world, 2);
    world.pass(90);
    let plan = world.plan();
    assert_eq!(fates(&plan), ["go", "go", "go", "open"]);
    world.delete(&plan).expect("the record is written");
    assert_eq!(world.numbers(), [2, 8]);
    world.verify_ok("and again");
    // It is held, and behind it something goes.
    world.hold("it", |what| what.event_type = vec!["a".into()]);
    days(&mut world, 1);
    world.pass(90);
    let plan = world.plan();
    assert_eq!(fates(&plan), ["held", "go", "open"]);
    world.delete(&plan).expect("the record is written");
    assert_eq!(world.verify_ok("held").holes.len(), 2);
    world.release("it").expect("released");
    world.disk = Arc::new(Real::default());
    days(&mut world, 1);
    world.pass(90);
    world.run();
    world.holds_from_its_first_segment();
}

/// A record that would lead elsewhere is not gone on from: the next one would be as wrong.
#[test]
fn the_neighbours_of_a_hole_stay_whose_record_does_not_fit() {
    let mut world = World::of_days(4);
    world.pass(86);
    let mut record = world.plan().records.remove(0);
    record.subtrees[0] = "0".repeat(64);
    std::fs::remove_file(world.segment(0)).expect("removes");
    let written = world.running.writer().prune(vec![Record::Pruned(Box::new(record))], 0);
    assert_eq!(written, engine::Pruned::Done);
    world.pass(90);
    let plan = world.plan();
    assert_eq!(fates(&plan), ["beside_missing", "go", "go", "open"]);
    assert_eq!(plan.missing.len(), 1);
    assert_eq!(world.verify().verdict, Verdict::Tampered);
}

#[test]
fn the_longest_record_fits_into_a_line() {
    let (begin, end) = (1, (1 << 62) - 1);
    let most = (0..200).find_map(|n| CompactRange::from_roots(begin..end, &vec![[7; 32]; n]));
    let leaves = most.expect("a range");
    let policy = "x".repeat(4_000);
    let record = Record::Pruned(Box::new(Pruned::new(&leaves, &[7; 32], policy, u64::MAX)));
    assert_eq!(leaves.nodes().len(), 122);
    assert!(record.to_json().len() < line::MAX / 4, "{}", record.to_json().len());
}
