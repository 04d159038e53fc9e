//! What was kept off the host, against the log.

use std::fs;

use crate::common::log::{Log, expect, run};
use crate::{copy, restore, with_anchors};
use auditlogd::ledger::keys::SignKey;
use auditlogd::ledger::note::{KeyKind, VerifierKey};
use auditlogd::ledger::seal::Reason;
use auditlogd::ledger::verify::{Options, Verdict};

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
fn a_pinned_checkpoint_key_must_be_the_one_that_leaf_0_names() {
    let (mut log, other) = (Log::new(), Log::new());
    log.seal(Reason::Time);
    let vkey = |log: &Log| fs::read_to_string(log.paths().checkpoint_vkey()).expect("a key");
    let pinned = |log: &Log| Some(vkey(log).trim().parse().expect("a key"));
    let anchored = with_anchors(&log, &log.checkpoint());
    let report = run(&Options { checkpoint_key: pinned(&log), ..anchored.clone() });
    assert_eq!(report.verdict, Verdict::OkAnchored, "{:#?}", report.findings);
    let report = run(&Options { checkpoint_key: pinned(&other), ..anchored });
    expect(&report, Verdict::Unverifiable, "names another key of checkpoints");
}
