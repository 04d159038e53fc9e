//! Verification of logs written through the library: what is found first, anchors, gaps, prunes, history,
//! and going on from an earlier run.

mod anchors;
#[path = "../common/mod.rs"]
mod common;
mod history;
mod pruned;
mod quick;

use std::fs;

use auditlogd::ledger::anchor;
use auditlogd::ledger::seal::Reason;
use auditlogd::ledger::verify::{Given, Options, Verdict};
use common::log::{Log, edit, expect, reason, run};

const SECOND: i64 = 1_000_000_000;

fn given(from: &str, text: &str) -> Vec<Given> {
    let anchors = anchor::read(text).expect("anchors").list.into_iter();
    anchors.map(|anchor| Given { from: from.into(), anchor }).collect()
}

fn with_anchors(log: &Log, text: &str) -> Options {
    Options { anchors: given("kept", text), ..log.options() }
}

fn copy(log: &Log) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let paths = log.paths();
    let dirs = [paths.log_dir, paths.state_dir].into_iter();
    let files = dirs.flat_map(|dir| fs::read_dir(dir).expect("reads"));
    files
        .map(|entry| entry.expect("entry").path())
        .map(|path| (path.clone(), fs::read(path).expect("reads")))
        .collect()
}

fn restore(log: &Log, copy: &[(std::path::PathBuf, Vec<u8>)]) {
    let paths = log.paths();
    for dir in [paths.log_dir, paths.state_dir] {
        for entry in fs::read_dir(dir).expect("reads") {
            fs::remove_file(entry.expect("entry").path()).expect("removes");
        }
    }
    for (path, bytes) in copy {
        fs::write(path, bytes).expect("writes");
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("sets");
    }
}

#[test]
fn the_first_of_several_changes_is_the_one_that_is_told_whatever_the_threads_do() {
    let mut log = Log::new();
    for _ in 0..4 {
        log.events(3000);
        log.seal(Reason::Size);
    }
    edit(&log.paths().active(), |text| {
        // One line in each of several blocks: a form, a mac, a sequence number.
        text.replace("\"n\":2500}", "\"n\":2500]")
            .replace("\"n\":4500}", "\"n\":4501}")
            .replace("{\"seq\":8500,", "{\"seq\":8501,")
    });
    for _ in 0..20 {
        let report = run(&log.audited());
        expect(
            &report,
            Verdict::Tampered,
            "does not have the form of a ledger line near its event",
        );
        let place = reason(&report).place.clone().expect("a place");
        assert_eq!((place.seq, place.line, report.figures.next_seq), (2500, 2502, 2500));
        assert_eq!(report.findings.len(), 1);
        let text = fs::read(log.paths().active()).expect("reads");
        assert!(text[place.offset as usize..].starts_with(b"{\"seq\":2500,"));
    }
    edit(&log.paths().active(), |text| text.replace("\"n\":2500]", "\"n\":2500}"));
    let report = run(&log.audited());
    expect(&report, Verdict::Tampered, "mac is not the one");
    assert_eq!(reason(&report).place.as_ref().map(|place| place.seq), Some(4500));
    // Without the auditor key the seal after it shows that one of its lines was changed.
    let report = run(&log.options());
    expect(&report, Verdict::Tampered, "one of 3003 to 6003 was changed");
}

#[test]
fn macs_hold_over_starts_stops_and_crashes_in_every_block() {
    let mut log = Log::new();
    for _ in 0..3 {
        log.events(1500);
        log.stop();
        log.wait(5);
        log.start();
        log.events(20);
        log.reboot();
    }
    let report = run(&log.audited());
    assert_eq!(report.verdict, Verdict::Incomplete, "{:#?}", report.findings);
    assert_eq!(report.figures.macs, report.figures.events + report.figures.seals);
    assert_eq!(report.figures.macs, report.figures.next_seq);
}

#[test]
fn an_auditor_key_of_another_log_is_no_evidence_against_this_one() {
    let mut log = Log::new();
    log.events(3);
    log.seal(Reason::Time);
    let other = Log::new().audited().auditor_key;
    let options = || Options { auditor_key: other.clone(), ..log.options() };
    expect(&run(&options()), Verdict::Unverifiable, "is not the one of this log");
    // Without the pinned key somebody may have made the whole log.
    let unpinned = Options { genesis: None, ..options() };
    expect(&run(&unpinned), Verdict::Tampered, "the line's mac is not the one its key gives");
    let path = log.paths().active();
    let good = fs::read_to_string(&path).expect("reads");
    // Nor does what is left of a log without seal 0 show that the key is wrong.
    edit(&path, |text| text.split_inclusive('\n').take(2).collect());
    assert_eq!(run(&options()).verdict, Verdict::Tampered);
    // A changed leaf 0 is found there, with the right key as with another.
    edit(&path, |_| good.replacen("\"priority\":\"", "\"priority\":\" ", 1));
    for options in [options(), log.audited()] {
        let report = run(&options);
        assert_eq!(report.verdict, Verdict::Tampered, "{:#?}", report.findings);
        assert_eq!(reason(&report).place.as_ref().map(|place| place.line), Some(2));
    }
}

#[test]
fn a_seals_reason_must_fit_the_one_before() {
    let mut log = Log::new();
    log.events(1);
    log.seal(Reason::Stop);
    log.events(1);
    log.seal(Reason::Time);
    expect(&log.verify(), Verdict::Tampered, "a reason that cannot come after the one before it");
    let mut log = Log::new();
    log.seal(Reason::Created);
    expect(&log.verify(), Verdict::Tampered, "a reason that cannot come after the one before it");
}

#[test]
fn a_log_cut_before_its_first_seal_is_unverifiable_with_every_key() {
    let log = Log::new();
    for file in [log.paths().seals(), log.paths().checkpoint()] {
        fs::remove_file(file).expect("removes");
    }
    for lines in [1, 2] {
        edit(&log.paths().active(), |text| {
            text.lines().take(3 - lines).map(|line| line.to_owned() + "\n").collect()
        });
        expect(&run(&log.audited()), Verdict::Unverifiable, "no seal covers any line");
    }
}
