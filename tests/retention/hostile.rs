//! What an operator, or somebody worse, does to the files between two runs.

use std::fs::{self, File, FileTimes};
use std::path::Path;

use auditlogd::ledger::verify::Verdict;

use crate::world::{World, fates, leaves};

/// Replaces text by one of the same length, and makes it look as if nobody had.
fn edit_unseen(path: &Path, from: &str, to: &str) {
    let meta = fs::metadata(path).expect("is there");
    let text = fs::read_to_string(path).expect("reads");
    assert!(text.contains(from) && from.len() == to.len());
    fs::write(path, text.replacen(from, to, 1)).expect("writes");
    let times = FileTimes::new().set_modified(meta.modified().expect("a time"));
    File::options().write(true).open(path).expect("opens").set_times(times).expect("sets");
}

#[test]
fn a_segment_that_was_changed_unseen_after_it_was_looked_at_stays() {
    let mut world = World::of_days(3);
    assert_eq!(fates(&world.plan())[..3], ["not_expired"; 3]);
    world.pass(90);
    let change = (r#""event":{"event_type":"a"}"#, r#""event":{"event_type":"b"}"#);
    edit_unseen(&world.segment(1), change.0, change.1);
    assert_eq!(fates(&world.plan()), ["go", "unreadable", "go", "open"]);
}

#[test]
fn a_segment_from_a_backup_may_come_back_into_its_hole() {
    let mut world = World::of_days(4);
    world.keep("b", 400);
    world.day(&["b"]);
    let (path, kept) = (world.segment(2), world.root.path().join("backup"));
    fs::copy(&path, &kept).expect("copies");
    world.pass(90);
    let hole = leaves(&world.plan(), 0..4);
    world.run();
    world.holds_with(std::slice::from_ref(&hole));
    fs::copy(&kept, &path).expect("copies");
    world.verify_ok("it is back");
    assert_eq!(fates(&world.plan()), ["go", "not_expired", "open"]);
    world.run();
    world.holds_with(&[hole]);
}

#[test]
fn a_file_that_has_the_name_that_a_segment_gets_before_it_goes_stays_and_is_told() {
    let mut world = World::of_days(2);
    world.pass(90);
    let taken = world.log_dir().join("audit-expired-0.jsonl");
    fs::write(&taken, "mine").expect("writes");
    let plan = world.plan();
    let deleted = world.delete(&plan).expect("deletes the other");
    assert_eq!(deleted.segments, 1);
    let [error] = &deleted.errors[..] else { panic!("{:?}", deleted.errors) };
    assert!(error.contains("audit-expired-0.jsonl") && error.contains("in its way"), "{error}");
    assert_eq!(fs::read(&taken).expect("reads"), b"mine");
    fs::remove_file(taken).expect("removes");
    let deleted = world.run();
    world.holds_with(&deleted.gone);
}

#[test]
fn a_hole_stays_explained_while_the_segment_before_it_cannot_be_read() {
    let mut world = World::new();
    world.keep("b", 3_650);
    (0..4).for_each(|day| world.day(if day % 2 == 0 { &["a"] } else { &["b"] }));
    world.pass(90);
    let holes = world.run().gone;
    assert_eq!((world.numbers(), holes.len()), (vec![1, 3, 4], 2));
    // The records of both holes are in segment 4.
    world.day(&["a"]);
    world.pass(90);
    let path = world.segment(1);
    let other = path.with_file_name("edited by somebody");
    let text = fs::read_to_string(&path).expect("reads");
    fs::write(&other, text.replace("\"b\"", "\"c\"")).expect("writes");
    let plan = world.plan();
    assert_eq!(fates(&plan)[0], "unreadable");
    world.run();
    assert_eq!(world.verify().verdict, Verdict::Tampered);
    fs::remove_file(other).expect("removes");
    world.verify_ok("it is gone again");
    world.run();
    world.holds_with(&[holes[0].clone(), holes[1].clone(), leaves(&plan, 2..3)]);
}

#[test]
fn a_hole_does_not_grow_while_the_segment_before_it_cannot_be_read() {
    let mut world = World::new();
    world.keep("b", 3_650);
    ["b", "a", "c", "b"].into_iter().for_each(|kind| world.day(&[kind]));
    world.keep("c", 200);
    world.pass(90);
    world.run();
    assert_eq!(world.numbers(), [0, 2, 3, 4]);
    let path = world.segment(0);
    let other = path.with_file_name("edited by somebody");
    let text = fs::read_to_string(&path).expect("reads");
    fs::write(&other, text.replace("\"b\"", "\"c\"")).expect("writes");
    world.pass(200);
    // Its hole and the one before it would be one, which no record covers as a whole.
    assert_eq!(fates(&world.plan())[..2], ["unreadable"; 2]);
    world.run();
    fs::remove_file(other).expect("removes");
    world.verify_ok("it is whole again");
    world.run();
    assert_eq!(world.numbers(), [0, 3, 4]);
    world.verify_ok("the hole has grown");
}
