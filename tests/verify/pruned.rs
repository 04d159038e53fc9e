//! Logs whose beginning is gone.

use std::fs;

use crate::common::log::{Log, expect, run};
use crate::with_anchors;
use auditlogd::ledger::seal::Reason;
use auditlogd::ledger::verify::{Options, Verdict};
use auditlogd::record::Record;

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
