//! Verification of logs written through the library: what is found first, anchors, gaps, prunes, history,
//! and going on from an earlier run.

mod common;

use std::fs;

use auditlogd::ledger::anchor;
use auditlogd::ledger::keys::SignKey;
use auditlogd::ledger::note::{KeyKind, VerifierKey};
use auditlogd::ledger::seal::Reason;
use auditlogd::ledger::verify::{Given, Kind, Options, Position, Verdict};
use auditlogd::record::Record;
use common::log::{Log, edit, expect, reason, run};

const SECOND: i64 = 1_000_000_000;

fn given(from: &str, text: &str) -> Vec<Given> {
    let anchors = anchor::read(text).expect("anchors").list.into_iter();
    anchors.map(|anchor| Given { from: from.into(), anchor }).collect()
}

fn with_anchors(log: &Log, text: &str) -> Options {
    Options { anchors: given("kept", text), ..log.options() }
}

/// A receipt as the client would have it for a line of the log.
fn receipt(log: &Log, seq: u64) -> String {
    let text = fs::read_to_string(log.paths().active()).expect("reads");
    let line = text.lines().nth(seq as usize + 1).expect("a line");
    let mac = &line[line.len() - 66..line.len() - 2];
    let log_id = log.verify().figures.log_id;
    format!(
        "{{\"auditlog_receipt\":1,\"log_id\":\"{log_id}\",\"seq\":{seq},\"mac\":\"{mac}\",\"received\":\"2026-11-21T01:23:45.123456789Z\"}}\n"
    )
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
fn a_checkpoint_kept_elsewhere_anchors_what_it_covers() {
    let mut log = Log::new();
    log.events(10);
    log.seal(Reason::Time);
    let kept = log.checkpoint();
    log.wait(60);
    log.events(5);
    log.seal(Reason::Time);
    let report = run(&with_anchors(&log, &kept));
    assert_eq!(report.verdict, Verdict::OkAnchored, "{:#?}", report.findings);
    let covered = report.anchored.covered.as_ref().expect("covered");
    assert_eq!((covered.size, covered.ts_ns), (13, report.figures.first_ts_ns));
    assert_eq!((report.figures.next_seq, report.anchored.checkpoints), (19, 1));
}

#[test]
fn a_log_that_was_set_back_is_found_out_by_a_checkpoint_and_by_a_receipt() {
    let mut log = Log::new();
    log.events(10);
    log.seal(Reason::Time);
    let old = copy(&log);
    log.events(5);
    log.seal(Reason::Time);
    let (checkpoint, receipt) = (log.checkpoint(), receipt(&log, 14));
    assert_eq!(run(&with_anchors(&log, &receipt)).verdict, Verdict::OkUnanchored);
    assert_eq!(run(&with_anchors(&log, &receipt)).anchored.receipts, 1);
    restore(&log, &old);
    assert_eq!(log.verify().verdict, Verdict::OkUnanchored, "nothing on the host shows it");
    expect(
        &run(&with_anchors(&log, &checkpoint)),
        Verdict::Tampered,
        "had 19 lines, and it has 13",
    );
    expect(&run(&with_anchors(&log, &receipt)), Verdict::Tampered, "the log ends before it");

    // The daemon goes on after the rollback: another history of the same size.
    log.start();
    log.events(4);
    log.seal(Reason::Time);
    let other = log.checkpoint();
    expect(&run(&with_anchors(&log, &checkpoint)), Verdict::Tampered, "they were replaced");
    expect(&run(&with_anchors(&log, &receipt)), Verdict::Tampered, "another line stands there");
    log.events(1);
    let both = format!("{other}{checkpoint}");
    expect(&run(&with_anchors(&log, &both)), Verdict::Tampered, "the log has two histories");
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
fn an_anchor_of_another_log_or_key_is_no_evidence_against_this_one() {
    let (mut log, mut other) = (Log::new(), Log::new());
    log.seal(Reason::Time);
    other.seal(Reason::Time);
    let report = run(&with_anchors(&log, &other.checkpoint()));
    expect(&report, Verdict::Unverifiable, "kept: the checkpoint is of another log");
    // In the name of this log, by a key that is not its own.
    let name = |text: &str| text.lines().next().expect("a line").to_owned();
    let forged = other.checkpoint().replace(&name(&other.checkpoint()), &name(&log.checkpoint()));
    let report = run(&with_anchors(&log, &forged));
    expect(&report, Verdict::Unverifiable, "not signed by this log's key");
}

/// A checkpoint with the cosignature of a witness (c2sp.org/tlog-cosignature).
fn cosigned(note: &str, witness: &VerifierKey, secret: &SignKey) -> String {
    let (text, _) = note.split_once("\n\n").expect("a note");
    let message = format!("cosignature/v1\ntime 1795224300\n{text}\n");
    let time = 1_795_224_300u64.to_be_bytes();
    let bytes = [&witness.id().0[..], &time, &secret.sign(message.as_bytes())].concat();
    format!("{note}\u{2014} {} {}\n", witness.name(), data_encoding::BASE64.encode(&bytes))
}

#[test]
fn a_checkpoint_that_a_witness_has_cosigned_is_an_anchor() {
    let mut log = Log::new();
    log.events(3);
    log.seal(Reason::Time);
    let secret = SignKey::from_seed(&[7; 32]).expect("a key");
    let witness = VerifierKey::new("w.example/1", KeyKind::CosignatureV1, &secret.public());
    let witness = witness.expect("a key");
    let options = Options { witnesses: vec![witness.clone()], ..log.options() };
    let report = run(&options);
    assert_eq!(report.verdict, Verdict::OkUnanchored);
    assert_eq!(
        report.anchored.unchecked,
        ["no checkpoint beside the log is cosigned by w.example/1"]
    );
    let note = cosigned(&log.checkpoint(), &witness, &secret);
    log.events(1);
    log.seal(Reason::Time);
    fs::write(log.paths().cosigned(), &note).expect("writes");
    let report = run(&options);
    assert_eq!(report.verdict, Verdict::OkAnchored, "{:#?}", report.findings);
    let covered = report.anchored.covered.expect("covered");
    assert_eq!(covered.size, 6);
    assert_eq!(covered.from, "the witness w.example/1 at 2026-11-21T01:25:00.000000000Z");
    let forged = note.replace("w.example/1 ", "w.example/1 A");
    fs::write(log.paths().cosigned(), forged).expect("writes");
    assert_eq!(run(&options).verdict, Verdict::OkUnanchored);
}

#[test]
fn a_gap_is_told_with_what_explains_it() {
    let mut log = Log::new();
    log.events(1);
    log.wait(3600);
    log.events(1);
    log.stop();
    log.wait(7200);
    log.start();
    log.events(1);
    log.wait(1800);
    log.reboot();
    let max_gap_ns = Some(1200 * SECOND);
    let report = run(&Options { max_gap_ns, ..log.options() });
    assert_eq!(report.verdict, Verdict::Incomplete);
    let said: Vec<_> = report.findings.iter().map(|finding| &finding.message[..]).collect();
    let ends = ["nothing says why", "stopped, and started again", "the host was down"];
    for (said, end) in said.iter().zip(ends) {
        assert!(
            said.starts_with("nothing was written from 2026-11-21T") && said.ends_with(end),
            "{said}"
        );
    }
    assert_eq!(log.verify().findings.len(), 1, "without the option only the crash is told");
    let long = Options { max_gap_ns: Some(7201 * SECOND), ..log.options() };
    assert_eq!(run(&long).findings.len(), 1);
}

#[test]
fn silence_until_now_is_a_gap_of_the_hosts_own_log_only() {
    let mut log = Log::new();
    log.events(1);
    log.seal(Reason::Idle);
    log.wait(1000);
    let options = Options { max_gap_ns: Some(900 * SECOND), ..log.options() };
    assert_eq!(run(&options).verdict, Verdict::OkUnanchored);
    let live = Options { live: true, ..options };
    expect(&run(&live), Verdict::Incomplete, "nothing has been written since 2026-11-21T01:23:45");
}

#[test]
fn a_clock_that_was_set_forward_is_no_gap() {
    let mut log = Log::new();
    log.wait(3600);
    log.record(&Record::ClockStep {
        expected: "2026-11-21T01:23:45.123456789Z".into(),
        found: "2026-11-21T02:23:45.123456789Z".into(),
        step_ns: 3600 * SECOND,
    });
    let report = run(&Options { max_gap_ns: Some(60 * SECOND), ..log.options() });
    assert_eq!(report.verdict, Verdict::OkUnanchored, "{:#?}", report.findings);
}

/// A log whose first segment was sealed, and pruned `age` seconds later by a rule that keeps 1,000.
fn pruned(age: i64) -> (Log, Record) {
    let mut log = Log::new();
    log.events(10);
    let closed = log.rotate();
    let checkpoint = log.checkpoint();
    let root = checkpoint.lines().nth(2).expect("a root");
    let root = data_encoding::BASE64.decode(root.as_bytes()).expect("base64");
    log.events(3);
    log.seal(Reason::Time);
    log.wait(age);
    let record = Record::Pruned {
        through_seq: 12,
        root: data_encoding::HEXLOWER.encode(&root),
        policy: "keep 1000 s".into(),
        keep_seconds: 1000,
    };
    fs::remove_file(closed).expect("removes");
    (log, record)
}

#[test]
fn a_log_that_retention_pruned_is_whole_if_its_record_explains_it() {
    let (mut log, record) = pruned(1000);
    expect(&log.verify(), Verdict::Tampered, "no sealed record says that retention deleted");
    log.record(&record);
    log.seal(Reason::Time);
    let report = run(&log.audited());
    assert_eq!(report.verdict, Verdict::OkUnanchored, "{:#?}", report.findings);
    assert_eq!((report.figures.first_seq, report.prunes.len()), (13, 1));
    assert_eq!((&report.prunes[0].policy[..], report.prunes[0].through_seq), ("keep 1000 s", 12));

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
    expect(&log.verify(), Verdict::Unverifiable, "no seals.jsonl leads from the first seal");
}

#[test]
fn a_log_that_begins_inside_of_an_epoch_lacks_lines() {
    let mut log = Log::new();
    log.events(10);
    fs::remove_file(log.paths().active()).expect("removes");
    let now = log.now();
    log.ledger().open_segment(now).expect("opens");
    log.seal(Reason::Time);
    expect(&log.verify(), Verdict::Tampered, "inside of epoch 1: lines 2 to 11 are missing");
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
    let Record::Pruned { through_seq, policy, keep_seconds, .. } = record else { unreachable!() };
    log.record(&Record::Pruned { through_seq, root: "0".repeat(64), policy, keep_seconds });
    expect(&log.verify(), Verdict::Tampered, "names another root");
}

#[test]
fn the_history_tells_what_happened_and_lists_the_seals() {
    let mut log = Log::new();
    log.events(1);
    log.record(&Record::Stopped { reason: "SIGTERM".into() });
    log.stop();
    log.start();
    log.record(&Record::ConfigChanged {
        applied: vec!["fields.actor".into()],
        restart: vec![],
        field_map: "00".repeat(32),
    });
    log.record(&Record::RejectedSummary { lines: 7, bytes: 70, uid: 1, over_ms: 5 });
    assert_eq!(log.verify().history, None);
    let history = run(&Options { history: true, ..log.options() }).history.expect("history");
    let kinds: Vec<_> = history.happenings.iter().map(|happening| happening.kind).collect();
    assert_eq!(kinds, [Kind::Created, Kind::Stopped, Kind::ConfigChanged]);
    let last = history.happenings.first.last().expect("one");
    assert_eq!((last.seq, &last.sentence[..]), (6, "the configuration changed: fields.actor"));
    let seals: Vec<_> =
        history.seals.iter().map(|seal| (seal.epoch, seal.size, seal.reason)).collect();
    assert_eq!(seals, [(0, 1, Reason::Created), (1, 4, Reason::Stop), (2, 5, Reason::Start)]);
    assert_eq!(history.rejected, 7);
}

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
        let root = log.checkpoint().lines().nth(2).expect("a root").to_owned();
        let size: u64 = log.checkpoint().lines().nth(1).expect("a size").parse().expect("a size");
        let root = data_encoding::BASE64.decode(root.as_bytes()).expect("base64");
        log.record(&Record::Pruned {
            through_seq: size - 1,
            root: data_encoding::HEXLOWER.encode(&root),
            policy: "keep nothing".into(),
            keep_seconds: 0,
        });
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
