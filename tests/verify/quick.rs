//! Going on from an earlier verification.

use std::fs;

use crate::common::log::{Log, edit, expect, reason, run};
use crate::common::pruning;
use crate::{copy, restore};
use auditlogd::ledger::seal::Reason;
use auditlogd::ledger::verify::{Options, Position, Verdict};

fn position(options: &Options) -> Position {
    let text = run(options).position.expect("a position").to_json();
    Position::from_json(text.as_bytes()).expect("reads back")
}

#[test]
fn a_quick_run_reads_only_what_is_new_and_carries_what_was_found() {
    let mut log = Log::new();
    log.events(1000);
    log.reboot();
    log.events(10);
    log.rotate();
    log.events(5);
    log.seal(Reason::Time);
    let since = Some(position(&log.audited()));
    log.wait(10);
    log.events(3);
    log.reboot();
    log.events(2);
    log.rotate();
    let quick = Options { since, ..log.audited() };
    let (report, whole) = (run(&quick), run(&log.audited()));
    assert_eq!(report.verdict, Verdict::Incomplete);
    assert_eq!(report.findings, whole.findings, "the first crash is still told");
    assert_eq!(report.figures.next_seq, whole.figures.next_seq);
    assert_eq!(report.figures.events + report.figures.seals, 7);
    assert_eq!(report.position.map(|p| p.to_json()), whole.position.map(|p| p.to_json()));
    let since = report.since.expect("since");
    assert_eq!((since.seq, since.with_macs), (whole.figures.next_seq - 7, true));
}

#[test]
fn a_quick_run_finds_changes_after_the_position_and_not_before() {
    let mut log = Log::new();
    log.events(100);
    log.seal(Reason::Time);
    let since = Some(position(&log.options()));
    log.events(100);
    log.seal(Reason::Time);
    let quick = Options { since, ..log.options() };
    let good = fs::read_to_string(log.paths().active()).expect("reads");
    edit(&log.paths().active(), |text| text.replace("\"n\":50}", "\"n\":51}"));
    assert_eq!(run(&quick).verdict, Verdict::OkUnanchored);
    assert_eq!(log.verify().verdict, Verdict::Tampered);
    fs::write(log.paths().active(), good.replace("\"n\":150}", "\"n\":151}")).expect("writes");
    let report = run(&quick);
    expect(&report, Verdict::Tampered, "one of 103 to 203 was changed");
    assert_eq!(reason(&report).place, reason(&log.verify()).place);
    assert!(report.position.is_none());
}

#[test]
fn a_log_that_does_not_reach_its_position_was_cut() {
    let mut log = Log::new();
    log.events(10);
    log.seal(Reason::Time);
    let old = copy(&log);
    log.events(10);
    log.seal(Reason::Time);
    let since = Some(position(&log.options()));
    restore(&log, &old);
    let quick = Options { since, ..log.options() };
    expect(&run(&quick), Verdict::Tampered, "the log does not reach that far any more");
    log.start();
    log.events(20);
    log.seal(Reason::Time);
    expect(&run(&quick), Verdict::Tampered, "was cut, rolled back or replaced since");
}

/// Whoever had the keys once can write another continuation, and say in it that retention deleted what was
/// verified: the chain of the seals still tells.
#[test]
fn a_prune_of_what_was_verified_does_not_hide_another_history() {
    let quick = |honest: bool| {
        let mut log = Log::new();
        log.events(10);
        log.stop();
        let old = copy(&log);
        log.start();
        log.events(5);
        log.seal(Reason::Time);
        let since = Some(position(&log.options()));
        if !honest {
            log.stop();
            restore(&log, &old);
            log.start();
            log.events(5);
            log.seal(Reason::Time);
        }
        let closed = log.rotate();
        log.record(&pruning::of(&log.paths().log_dir, 0..1, 0).0);
        log.seal(Reason::Time);
        fs::remove_file(closed).expect("removes");
        run(&Options { since, ..log.options() })
    };
    let report = quick(true);
    assert_eq!(report.verdict, Verdict::OkUnanchored, "{:#?}", report.findings);
    expect(&quick(false), Verdict::Tampered, "was cut, rolled back or replaced since");
}

#[test]
fn a_compressed_segment_is_gone_on_with_where_the_position_is() {
    let mut log = Log::new();
    log.events(100);
    log.seal(Reason::Time);
    let since = Some(position(&log.options()));
    log.events(100);
    let closed = log.rotate();
    let bytes = zstd::encode_all(fs::File::open(&closed).expect("opens"), 3).expect("zstd");
    fs::write(closed.with_extension("zst"), bytes).expect("writes");
    fs::remove_file(closed).expect("removes");
    let report = run(&Options { since, ..log.options() });
    assert_eq!(report.verdict, Verdict::OkUnanchored, "{:#?}", report.findings);
    assert_eq!((report.figures.first_seq, report.figures.next_seq), (103, 204));
}

/// A log with a segment, its position in it, and behind it `more` segments.
fn position_and_segments(more: usize) -> (Log, Position) {
    let mut log = Log::new();
    log.events(5);
    log.rotate();
    log.events(5);
    log.seal(Reason::Time);
    let since = position(&log.options());
    log.events(5);
    for _ in 0..more {
        log.rotate();
        log.events(5);
    }
    (log, since)
}

/// The record for these segments, its seal, and then they are gone.
fn prune(log: &mut Log, gone: std::ops::Range<usize>) {
    let (record, files) = pruning::of(&log.paths().log_dir, gone, 0);
    log.record(&record);
    log.seal(Reason::Time);
    files.iter().for_each(|path| fs::remove_file(path).expect("removes"));
}

#[test]
fn a_quick_run_goes_on_over_holes_behind_its_position() {
    for key in [false, true] {
        let (mut log, since) = position_and_segments(3);
        let options = |log: &Log| if key { log.audited() } else { log.options() };
        prune(&mut log, 2..3);
        let report = run(&Options { since: Some(since), ..options(&log) });
        assert_eq!(report.verdict, Verdict::OkUnanchored, "{:#?}", report.findings);
        assert_eq!((report.holes.len(), report.since.is_some()), (1, true));
        // What a hole before the position was is settled.
        let since = Some(
            Position::from_json(report.position.expect("one").to_json().as_bytes()).expect("reads"),
        );
        log.events(1);
        let report = run(&Options { since, ..options(&log) });
        assert_eq!(report.verdict, Verdict::OkUnanchored, "{:#?}", report.findings);
        assert!(report.holes.is_empty() && report.since.is_some());
    }
}

#[test]
fn a_hole_that_waits_for_its_seal_is_asked_for_again() {
    let (mut log, _) = position_and_segments(2);
    let (record, files) = pruning::of(&log.paths().log_dir, 1..2, 0);
    log.seal(Reason::Time);
    log.record(&record);
    fs::remove_file(&files[0]).expect("removes");
    // The mac of the record is enough for who can check it, and not for a later run without the key.
    let since = Some(position(&log.audited()));
    let report = run(&Options { since: since.clone(), ..log.options() });
    expect(&report, Verdict::Tampered, "lines 8 to 19 are missing before this segment");
    log.seal(Reason::Time);
    let report = run(&Options { since, ..log.options() });
    assert_eq!(report.verdict, Verdict::OkUnanchored, "{:#?}", report.findings);
}

#[test]
fn a_position_whose_segment_retention_deleted_must_be_on_the_way() {
    let (mut log, since) = position_and_segments(2);
    let before = copy(&log);
    prune(&mut log, 1..2);
    let quick = Options { since: Some(since), ..log.options() };
    let report = run(&quick);
    assert_eq!(report.verdict, Verdict::OkUnanchored, "{:#?}", report.findings);
    assert!(report.since.is_none(), "all was read");
    // Set back to before the position, with all that is beside it, the log holds together; but not with that.
    restore(&log, &before);
    let paths = log.paths();
    for path in [
        paths.active(),
        paths.active().with_extension("jsonl-1"),
        paths.active().with_extension("jsonl-2"),
    ] {
        fs::remove_file(path).expect("removes");
    }
    for path in [paths.checkpoint(), paths.seals()] {
        fs::remove_file(path).expect("removes");
    }
    assert_eq!(log.verify().verdict, Verdict::OkUnanchored);
    expect(&run(&quick), Verdict::Tampered, "the log does not reach that far any more");
}
