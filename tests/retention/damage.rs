//! What is not as it should be, and therefore stays: evidence is not deleted.

use std::fs;
use std::path::Path;

use auditlogd::ledger::segment::{self, Found};
use auditlogd::ledger::verify::Verdict;

use crate::common::lab::Lab;
use crate::world::{World, fates, leaves};

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).expect("reads");
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).expect("writes");
}

#[test]
fn a_segment_that_was_changed_stays_and_the_others_go() {
    for (from, to) in [
        (r#""event":{"event_type":"a"}"#, r#""event":{"event_type":"b"}"#),
        (r#"{"seq":9,"#, r#"{"seq":99,"#),
        (r#","peer":{"#, r#","peer":{{"#),
    ] {
        let mut world = World::of_days(4);
        world.pass(90);
        let seq = leaves(&world.plan(), 2..3).start + 1;
        edit(&world.segment(2), &from.replace('9', &seq.to_string()), to);
        let plan = world.plan();
        assert_eq!(fates(&plan), ["go", "go", "unreadable", "go", "open"], "{from}");
        assert!(plan.kept_back()[0].ends_with("run `auditlog verify`"), "{:?}", plan.kept_back());
        world.run();
        assert_eq!(world.numbers(), [2, 4]);
        assert_eq!(world.verify().verdict, Verdict::Tampered);
    }
}

#[test]
fn a_segment_that_was_cut_short_stays() {
    let mut world = World::of_days(3);
    world.pass(90);
    let path = world.segment(1);
    let text = fs::read_to_string(&path).expect("reads");
    // In the middle of a line, and a whole line.
    fs::write(&path, &text[..text.len() - 5]).expect("writes");
    assert_eq!(fates(&world.plan())[..3], ["go", "unreadable", "go"]);
    let lines = text.trim_end().rsplit_once('\n').expect("lines").0;
    fs::write(&path, format!("{lines}\n")).expect("writes");
    let plan = world.plan();
    assert_eq!(fates(&plan)[..2], ["go", "beside_missing"]);
    assert_eq!(plan.missing.len(), 1);
}

#[test]
fn nothing_goes_beside_leaves_that_somebody_else_deleted_and_no_record_covers_for_that() {
    let mut world = World::of_days(6);
    world.pass(90);
    let taken = leaves(&world.plan(), 2..3);
    fs::remove_file(world.segment(2)).expect("deletes");
    let plan = world.plan();
    assert_eq!(fates(&plan), ["go", "beside_missing", "beside_missing", "go", "go", "open"]);
    assert_eq!(plan.missing, std::slice::from_ref(&taken));
    let said = &plan.kept_back()[0];
    assert!(said.contains("are missing, and no record says that they were deleted"), "{said}");
    let deleted = world.run();
    assert_eq!(world.numbers(), [1, 3, 6]);
    assert!(deleted.gone.iter().all(|gone| gone.end <= taken.start || gone.start >= taken.end));
    assert_eq!(world.verify().verdict, Verdict::Tampered);
    world.pass(1);
    world.day(&["a"]);
    world.pass(90);
    world.run();
    assert!(world.numbers().starts_with(&[1, 3]), "{:?}", world.numbers());
}

#[test]
fn two_files_of_one_segment_go_together_if_they_hold_the_same() {
    let mut world = World::of_days(2);
    world.pass(90);
    let path = world.segment(0);
    let copy = path.with_extension("jsonl.zst");
    let text = fs::read(&path).expect("reads");
    fs::write(&copy, zstd::encode_all(&text[..], 3).expect("compresses")).expect("writes");
    let plan = world.plan();
    assert_eq!((fates(&plan)[0], plan.segments[0].0.files.len()), ("go", 2));
    // The daemon compressed the other meanwhile, and logrotate renamed it.
    let other = world.segment(1);
    let text = fs::read(&other).expect("reads");
    fs::write(other.with_file_name("b.zst"), zstd::encode_all(&text[..], 3).expect("compresses"))
        .expect("writes");
    fs::remove_file(other).expect("deletes");
    fs::rename(&path, path.with_file_name("renamed")).expect("renames");
    let deleted = world.delete(&plan).expect("deletes");
    assert_eq!((deleted.segments, deleted.errors), (2, Vec::<String>::new()));
    assert_eq!(world.numbers(), [2]);
    assert_eq!(fs::read_dir(world.log_dir()).expect("lists").count(), 1, "no file is left over");
    world.holds_with(&deleted.gone);
}

#[test]
fn of_two_files_of_a_segment_one_may_hold_less_but_nothing_else() {
    let mut world = World::of_days(2);
    world.pass(90);
    let path = world.segment(0);
    let text = fs::read_to_string(&path).expect("reads");
    // As a file that was cut short beside the one that was saved; in the middle of a line, and of the list.
    let copy = path.with_file_name("copy");
    fs::write(&copy, &text[..text.len() - 100]).expect("writes");
    assert_eq!(fates(&world.plan()), ["go", "go", "open"]);
    let lines = text.trim_end().rsplit_once('\n').expect("lines").0;
    fs::write(&copy, format!("{lines}\n{{}}\n")).expect("writes");
    let plan = world.plan();
    assert_eq!(fates(&plan), ["unreadable", "go", "open"]);
    let said = &plan.kept_back()[0];
    assert!(said.contains("several files have its header"), "{said}");
    fs::write(&copy, &text[..text.len() - 100]).expect("writes");
    world.run();
    assert_eq!(fs::read_dir(world.log_dir()).expect("lists").count(), 1, "no file is left over");
}

#[test]
fn what_stands_at_a_planned_path_is_not_deleted_if_it_is_another_segment() {
    let mut world = World::of_days(3);
    world.pass(87);
    let plan = world.plan();
    assert_eq!(fates(&plan), ["go", "not_expired", "not_expired", "open"]);
    // As logrotate shifts its numbers.
    let (first, second) = (world.segment(0), world.segment(1));
    fs::rename(&first, first.with_file_name("x")).expect("renames");
    fs::rename(&second, &first).expect("renames");
    assert_eq!(world.delete(&plan).expect("deletes").segments, 1);
    assert_eq!(world.numbers(), [1, 2, 3]);
}

#[test]
fn segments_without_a_seal_between_them_go_together() {
    // The daemon dies and its file is compressed before it starts again: the seal is in the next one.
    let mut lab = Lab::new();
    lab.store(["a"]);
    lab.kill();
    let active = lab.paths().active();
    let lines = fs::read(&active).expect("reads");
    let compressed = zstd::encode_all(&lines[..], 1).expect("compresses");
    fs::write(active.with_extension("zst"), compressed).expect("writes");
    fs::remove_file(&active).expect("deletes");
    let now = lab.clock;
    let mut world = World::in_root(lab.into_root(), now);
    world.pass(1);
    world.day(&["a"]);
    let numbers = |found: Vec<Found>| -> Vec<u64> {
        found.into_iter().map(|found| found.header.segment).collect()
    };
    assert_eq!(numbers(segment::list(&world.log_dir()).expect("lists")), [0, 1, 2]);
    world.pass(88);
    // Day 0 has expired, but not day 1, which begins with the seal of day 0.
    assert_eq!(fates(&world.plan()), ["joined", "not_expired", "open"]);
    world.pass(2);
    assert_eq!(fates(&world.plan()), ["go", "go", "open"]);
    let deleted = world.run();
    world.holds_with(&deleted.gone);
}
