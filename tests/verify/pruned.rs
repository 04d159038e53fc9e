//! Logs of which retention deleted segments, at the beginning and in the middle.

use std::fs;
use std::ops::Range;

use crate::common::log::{Log, edit, expect, reason, run};
use crate::common::pruning;
use crate::with_anchors;
use auditlogd::ledger::seal::Reason;
use auditlogd::ledger::verify::{Given, Options, Verdict, verify};
use auditlogd::record::Record;

/// A log whose first segment was sealed, and pruned `age` seconds later by a rule that keeps 1,000.
fn pruned(age: i64) -> (Log, Record) {
    let mut log = Log::new();
    log.events(10);
    log.rotate();
    log.events(3);
    log.seal(Reason::Time);
    log.wait(age);
    let (record, gone) = pruning::of(&log.paths().log_dir, 0..1, 1000);
    fs::remove_file(&gone[0]).expect("removes");
    (log, record)
}

/// A log of this many closed segments of five lines each, a hundred seconds apart, and one that is being written.
fn segments(count: usize) -> Log {
    let mut log = Log::new();
    log.events(2);
    for _ in 0..count {
        log.rotate();
        log.wait(100);
        log.events(4);
    }
    log.wait(1000);
    log
}

/// Writes the records that let these segments go, seals them, and deletes the segments.
fn prune(log: &mut Log, holes: &[(usize, usize)]) -> Vec<Record> {
    let dir = log.paths().log_dir;
    let (records, gone): (Vec<_>, Vec<_>) =
        holes.iter().map(|(from, to)| pruning::of(&dir, *from..*to, 1000)).unzip();
    records.iter().for_each(|record| log.record(record));
    log.seal(Reason::Time);
    gone.iter().flatten().for_each(|path| fs::remove_file(path).expect("removes"));
    records
}

#[test]
fn a_log_that_retention_pruned_is_whole_if_its_record_explains_it() {
    let (mut log, record) = pruned(1000);
    expect(&log.verify(), Verdict::Tampered, "no sealed record says that retention deleted");
    log.record(&record);
    log.seal(Reason::Time);
    let report = run(&log.audited());
    assert_eq!(report.verdict, Verdict::OkUnanchored, "{:#?}", report.findings);
    assert_eq!((report.figures.first_seq, report.holes.len()), (13, 1));
    let hole = &report.holes[0];
    assert_eq!((hole.first_seq, hole.through_seq, &hole.record.policy[..]), (0, 12, "keep 1000 s"));

    let unpinned = Options { genesis: None, ..log.options() };
    expect(&run(&unpinned), Verdict::Unverifiable, "no genesis key was given");

    // Leaf 0, which names the key of checkpoints, is gone.
    let anchored = with_anchors(&log, &log.checkpoint());
    expect(&run(&anchored), Verdict::Unverifiable, "give the key with --vkey");
    let vkey = fs::read_to_string(log.paths().checkpoint_vkey()).expect("a key");
    let checkpoint_key = Some(vkey.trim().parse().expect("a key"));
    let report = run(&Options { checkpoint_key, ..anchored });
    assert_eq!(report.verdict, Verdict::OkAnchored, "{:#?}", report.findings);

    fs::remove_file(log.paths().seals()).expect("removes");
    expect(
        &log.verify(),
        Verdict::Unverifiable,
        "the log begins at seq 13, and no seals.jsonl leads to there",
    );
}

#[test]
fn a_log_that_begins_inside_of_an_epoch_lacks_lines() {
    let mut log = Log::new();
    log.events(10);
    fs::remove_file(log.paths().active()).expect("removes");
    let now = log.now();
    log.ledger().open_segment(now).expect("opens");
    log.seal(Reason::Time);
    expect(
        &log.verify(),
        Verdict::Tampered,
        "the log begins at seq 12: it begins inside of epoch 1, which begins at seq 2",
    );
}

#[test]
fn a_prune_of_leaves_that_the_rule_keeps_is_tampering() {
    let (mut log, record) = pruned(999);
    log.record(&record);
    log.seal(Reason::Time);
    expect(&log.verify(), Verdict::Tampered, "keeps them for 1000 seconds");
}

#[test]
fn a_prune_must_name_the_root_of_what_it_let_go() {
    let (mut log, record) = pruned(1000);
    log.record(&pruning::forged(&record, |what| what.root = "0".repeat(64)));
    expect(&log.verify(), Verdict::Tampered, "names another root");
}

#[test]
fn a_log_may_have_several_holes_each_with_its_record() {
    for holes in
        [vec![(1, 2)], vec![(0, 1), (2, 3)], vec![(1, 3), (4, 5)], vec![(0, 2), (3, 4), (5, 6)]]
    {
        let mut log = segments(6);
        prune(&mut log, &holes);
        log.events(3);
        for options in [log.options(), log.audited()] {
            let report = run(&options);
            assert_eq!(report.verdict, Verdict::OkUnanchored, "{holes:?}: {:#?}", report.findings);
            assert_eq!(report.holes.len(), holes.len(), "{holes:?}: {:?}", report.holes);
        }
    }
}

#[test]
fn a_hole_without_a_record_of_all_of_it_is_tampering() {
    let mut log = segments(4);
    let (record, gone) = pruning::of(&log.paths().log_dir, 1..2, 1000);
    let (part, _) = pruning::of(&log.paths().log_dir, 2..3, 1000);
    let size = pruning::of(&log.paths().log_dir, 2..3, 1000);
    gone.iter().chain(&size.1).for_each(|path| fs::remove_file(path).expect("removes"));
    let missing = "lines 5 to 14 are missing before this segment, and no sealed record says";
    expect(&log.verify(), Verdict::Tampered, missing);
    let place = reason(&log.verify()).place.clone().expect("a place");
    assert_eq!((place.seq, place.line), (15, 1));
    // Two that each cover a part are not one.
    log.record(&record);
    log.record(&part);
    log.seal(Reason::Time);
    expect(&log.verify(), Verdict::Tampered, missing);
    let whole = pruning::merged(&record, &part);
    log.record(&whole);
    expect(&log.verify(), Verdict::Tampered, "has no seal after it: anybody can have added it");
    assert_eq!(run(&log.audited()).verdict, Verdict::OkUnanchored, "its mac shows who wrote it");
    log.seal(Reason::Time);
    let report = log.verify();
    assert_eq!(report.verdict, Verdict::OkUnanchored, "{:#?}", report.findings);
}

#[test]
fn a_hole_begins_and_ends_with_a_seal() {
    let mut log = segments(3);
    let closed = pruning::of(&log.paths().log_dir, 0..1, 1000).1.remove(0);
    prune(&mut log, &[(1, 2)]);
    let whole = fs::read_to_string(&closed).expect("reads");
    edit(&closed, |text| text.lines().take(4).map(|line| line.to_owned() + "\n").collect());
    expect(&log.verify(), Verdict::Tampered, "what is before them does not end with a seal");
    fs::write(closed, whole).expect("writes");
    assert!(log.verify().verdict.is_ok());
}

#[test]
fn a_hole_in_the_middle_needs_its_seals() {
    let mut log = segments(3);
    prune(&mut log, &[(1, 2)]);
    let seals = log.paths().seals();
    let all = fs::read_to_string(&seals).expect("reads");
    fs::remove_file(&seals).expect("removes");
    expect(
        &log.verify(),
        Verdict::Unverifiable,
        "are missing before this segment, and no seals.jsonl leads to there",
    );
    let cut: String = all.lines().take(2).map(|line| line.to_owned() + "\n").collect();
    fs::write(&seals, cut).expect("writes");
    assert_eq!(log.verify().verdict, Verdict::Unverifiable);
    fs::write(&seals, all.replacen("\"reason\":\"rotate\"", "\"reason\":\"time\"", 2))
        .expect("writes");
    assert_eq!(log.verify().verdict, Verdict::Tampered);
    // Where nothing at all says that retention made the hole, it did not.
    let bare = segments(3);
    let gone = pruning::of(&bare.paths().log_dir, 1..2, 1000).1;
    fs::remove_file(&gone[0]).expect("removes");
    fs::remove_file(bare.paths().seals()).expect("removes");
    expect(&bare.verify(), Verdict::Tampered, "no record says that retention deleted them, and no");
}

/// Each run says of every hole again that it is there, since its record is in a segment that goes too.
#[test]
fn a_record_that_was_pruned_itself_was_stated_again_before() {
    let mut log = segments(4);
    let first = prune(&mut log, &[(1, 2)]).remove(0);
    log.rotate();
    log.events(4);
    log.wait(2000);
    let (last, gone) = pruning::of(&log.paths().log_dir, 3..4, 1000);
    fs::remove_file(&gone[0]).expect("removes");
    log.record(&last);
    log.seal(Reason::Time);
    expect(&log.verify(), Verdict::Tampered, "lines 5 to 9 are missing");
    log.record(&first);
    log.seal(Reason::Time);
    let report = log.verify();
    assert_eq!(report.verdict, Verdict::OkUnanchored, "{:#?}", report.findings);
    assert_eq!(report.holes.len(), 2);
}

#[test]
fn anchors_in_a_hole_cannot_be_checked_any_more_and_those_at_its_ends_can() {
    let mut log = Log::new();
    let mut checkpoints = vec![log.checkpoint()];
    for _ in 0..3 {
        log.events(4);
        log.seal(Reason::Time);
        checkpoints.push(log.checkpoint());
        log.events(4);
        log.rotate();
        checkpoints.push(log.checkpoint());
    }
    let lines = fs::read_to_string(pruning::of(&log.paths().log_dir, 1..2, 0).1[0].clone());
    let mac = |n: usize| {
        let line: serde_json::Value =
            serde_json::from_str(lines.as_ref().expect("reads").lines().nth(n).expect("a line"))
                .expect("json");
        (line["seq"].clone(), line["mac"].as_str().expect("a mac").to_owned())
    };
    let (seq, mac) = mac(3);
    let log_id = log.verify().figures.log_id;
    let receipt = format!(
        r#"{{"auditlog_receipt":1,"log_id":"{log_id}","seq":{seq},"mac":"{mac}","received":"2026-11-21T00:00:00.000000000Z"}}"#
    );
    log.wait(5000);
    prune(&mut log, &[(1, 2)]);
    let given = |text: &str| -> Vec<Given> { crate::given("kept", text) };
    for (n, checkpoint) in checkpoints.iter().enumerate() {
        let report = run(&Options { anchors: given(checkpoint), ..log.options() });
        let inside = n == 3;
        assert_eq!(report.verdict == Verdict::OkAnchored, !inside, "{n}: {:?}", report.anchored);
        let said = report.anchored.unchecked.join("\n");
        assert_eq!(said.contains("retention deleted lines 12 to 21"), inside, "{n}: {said}");
    }
    let report = run(&Options { anchors: given(&(receipt + "\n")), ..log.options() });
    assert_eq!(report.verdict, Verdict::OkUnanchored, "{:#?}", report.findings);
    assert!(report.anchored.unchecked[0].contains("retention deleted lines 12 to 21"));
}

#[test]
fn a_daemon_starts_on_a_log_with_holes_and_puts_back_only_the_seals_that_are_there() {
    let mut log = segments(4);
    prune(&mut log, &[(1, 2)]);
    log.events(1);
    log.kill();
    log.start();
    let report = run(&log.audited());
    assert_eq!(
        report.verdict,
        Verdict::Incomplete,
        "the daemon was killed: {:#?}",
        report.findings
    );
    assert_eq!((report.holes.len(), report.findings.len()), (1, 1));
    let lacks = |log: &mut Log, kept: usize| {
        log.stop();
        edit(&log.paths().seals(), |text| text.split_inclusive('\n').take(kept).collect());
        log.start();
        run(&log.audited())
    };
    // The seal of the hole is the third.
    let report = lacks(&mut log, 4);
    assert_eq!((report.verdict, report.holes.len()), (Verdict::Incomplete, 1));
    let report = lacks(&mut log, 2);
    assert_eq!(report.verdict, Verdict::Tampered, "{:#?}", report.findings);
}

/// Retention deletes what is listed and not yet opened.
#[test]
fn a_verification_begins_again_when_segments_vanish_while_it_reads() {
    let mut log = segments(70);
    let options = log.options();
    let mut left = 1;
    let report = verify(&options, &mut |_, _| {
        if left > 0 {
            left -= 1;
            prune(&mut log, &[(50, 55)]);
        }
    });
    assert_eq!(report.verdict, Verdict::OkUnanchored, "{:#?}", report.findings);
    assert_eq!(report.holes.len(), 1);
    // It does not go on for ever.
    let (mut last, mut gone) = (u64::MAX, 0);
    let report = verify(&options, &mut |done, _| {
        if std::mem::replace(&mut last, done) > done {
            gone += 1;
            prune(&mut log, &[(60 - 2 * gone, 61 - 2 * gone)]);
        }
    });
    expect(&report, Verdict::Unverifiable, "segments were deleted each of the 10 times");
    assert_eq!(gone, 10);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(12))]

    /// Any segments are deleted, and any are let go by records: all is well if each hole is within one record.
    #[test]
    fn a_log_with_holes_holds_just_if_a_record_covers_each(
        gone in proptest::collection::vec(proptest::bool::ANY, 6),
        said in proptest::collection::vec((0usize..6, 1usize..4), 0..4),
        audited: bool,
    ) {
        let mut log = segments(6);
        let dir = log.paths().log_dir;
        let said: Vec<_> = said.iter().map(|(from, len)| *from..(from + len).min(6)).collect();
        let files = pruning::of(&dir, 0..6, 1000).1;
        for range in &said {
            log.record(&pruning::of(&dir, range.clone(), 1000).0);
        }
        log.seal(Reason::Time);
        let mut holes: Vec<Range<usize>> = Vec::new();
        for n in (0..6).filter(|n| gone[*n]) {
            fs::remove_file(&files[n]).expect("removes");
            match holes.last_mut() {
                Some(hole) if hole.end == n => hole.end = n + 1,
                _ => holes.push(n..n + 1),
            }
        }
        let covered = |hole: &Range<usize>| {
            said.iter().any(|said| said.start <= hole.start && said.end >= hole.end)
        };
        let report = run(&if audited { log.audited() } else { log.options() });
        let wanted = match holes.iter().all(covered) {
            true => Verdict::OkUnanchored,
            false => Verdict::Tampered,
        };
        proptest::prop_assert_eq!(report.verdict, wanted, "{:#?}", report.findings);
        let open = holes.iter().filter(|hole| !covered(hole)).count();
        proptest::prop_assert_eq!(report.findings.len(), open);
    }
}
