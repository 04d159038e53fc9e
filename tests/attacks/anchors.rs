//! Rows 5, 8 and 21 with something that was kept off the host: a checkpoint or a client's receipt.

use std::fs;
use std::path::{Path, PathBuf};

use auditlogd::ledger::seal::Reason;
use tempfile::TempDir;

use crate::common::Daemon;
use crate::common::auditor::{Auditor, Macs, Said};
use crate::common::lab::{Lab, paths};
use crate::cuts::{cut_after_seal, three_epochs};
use crate::files::{copy_dir, edit};

/// Keeps the log's checkpoint of now among the auditor's things.
fn keep_checkpoint(auditor: &Auditor, root: &Path, name: &str) -> PathBuf {
    let kept = auditor.file(name);
    fs::copy(paths(root).checkpoint(), &kept).expect("copies");
    kept
}

/// Keeps what `auditlog emit --receipts` would have written of these receipts.
fn keep_receipts(auditor: &Auditor, root: &Path, receipts: &[(u64, String)]) -> PathBuf {
    let found = auditlogd::ledger::segment::list(&paths(root).log_dir).expect("lists");
    let log_id = &found[0].header.log_id;
    let line = |(seq, mac): &(u64, String)| {
        let received = "2026-11-21T01:23:45.123456789Z";
        format!(
            "{{\"auditlog_receipt\":1,\"log_id\":\"{log_id}\",\"seq\":{seq},\"mac\":\"{mac}\",\"received\":\"{received}\"}}\n"
        )
    };
    let kept = auditor.file("receipts.jsonl");
    fs::write(&kept, receipts.iter().map(line).collect::<String>()).expect("writes");
    kept
}

fn verify(auditor: &Auditor, root: &Path, anchors: &[&PathBuf]) -> Said {
    let paths = anchors.iter().map(|path| path.to_str().expect("utf-8"));
    let args: Vec<_> = paths.flat_map(|path| ["--anchor", path]).collect();
    auditor.verify(root, Macs::Unchecked, &args)
}

#[test]
fn row_05_cut_whole_epochs_is_caught_with_a_checkpoint() {
    for seals in [1, 2] {
        let lab = three_epochs();
        let auditor = Auditor::of(lab.root());
        let kept = keep_checkpoint(&auditor, lab.root(), "checkpoint");
        let said = verify(&auditor, lab.root(), &[&kept]);
        said.clean();
        assert!(said.text.starts_with("OK, ANCHORED"), "{}", said.text);
        cut_after_seal(lab.root(), seals);
        verify(&auditor, lab.root(), &[]).clean();
        verify(&auditor, lab.root(), &[&kept]).caught(&["checkpoint"]);
    }
}

#[test]
fn row_05_cut_whole_epochs_is_caught_with_a_receipt() {
    let mut lab = Lab::new();
    let auditor = Auditor::of(lab.root());
    lab.store(["a"]);
    lab.seal(Reason::Time);
    let receipts = lab.store(["b", "c"]);
    lab.stop();
    let kept = keep_receipts(&auditor, lab.root(), &receipts);
    let said = verify(&auditor, lab.root(), &[&kept]);
    said.clean();
    assert!(said.text.starts_with("OK, UNANCHORED"), "a receipt is no checkpoint: {}", said.text);
    cut_after_seal(lab.root(), 1);
    verify(&auditor, lab.root(), &[]).clean();
    verify(&auditor, lab.root(), &[&kept]).caught(&["receipt", &receipts[0].0.to_string()]);
}

/// No seal covers them yet, so nobody but their senders knows that they were there.
#[test]
fn row_05_cut_some_lines_of_the_open_epoch_is_caught_with_a_receipt() {
    let mut lab = Lab::new();
    let auditor = Auditor::of(lab.root());
    lab.store(["a"]);
    lab.seal(Reason::Time);
    let receipts = lab.store(["b", "c"]);
    lab.kill();
    let kept = keep_receipts(&auditor, lab.root(), &receipts);
    verify(&auditor, lab.root(), &[&kept]).clean();
    edit(&lab.paths().active(), |lines| drop(lines.pop()));
    verify(&auditor, lab.root(), &[&kept]).caught(&["receipt", &receipts[1].0.to_string()]);

    // Another line in its place has another mac.
    lab.open().expect("a recovery");
    lab.store(["instead"]);
    lab.stop();
    verify(&auditor, lab.root(), &[]).incomplete(&["was killed or crashed"]);
    verify(&auditor, lab.root(), &[&kept]).caught(&["receipt", &receipts[1].0.to_string()]);
}

fn copy_root(from: &Path, to: &Path) {
    for dir in ["etc", "var"] {
        let _not_there = fs::remove_dir_all(to.join(dir));
        copy_dir(&from.join(dir), &to.join(dir));
    }
}

/// Stores an event and stops.
fn live(root: TempDir, event: &str) -> TempDir {
    let daemon = Daemon::start_in(root, "");
    daemon.greeted().store(event, 1);
    daemon.settle();
    let stopped = daemon.stop();
    assert_eq!(stopped.status.code(), Some(0), "{}", stopped.daemon.log());
    stopped.daemon.kill()
}

/// Everything on the host is as it once was: only what is not on the host can tell.
#[test]
fn row_08_restore_an_old_copy_of_log_keys_and_database() {
    let root = live(tempfile::tempdir().expect("temporary directory"), "{\"n\":1}");
    let auditor = Auditor::of(root.path());
    let old = tempfile::tempdir().expect("temporary directory");
    copy_root(root.path(), old.path());
    let early = keep_checkpoint(&auditor, root.path(), "early");
    let root = live(root, "{\"n\":2}");
    let late = keep_checkpoint(&auditor, root.path(), "late");
    let said = verify(&auditor, root.path(), &[&early, &late]);
    said.clean();
    assert!(said.text.starts_with("OK, ANCHORED"), "{}", said.text);

    copy_root(old.path(), root.path());
    let said = verify(&auditor, root.path(), &[&early]);
    said.clean();
    verify(&auditor, root.path(), &[&late]).caught(&["late"]);
    // The daemon goes on from the old keys and writes another history of the same length.
    let root = live(root, "{\"n\":3}");
    verify(&auditor, root.path(), &[]).clean();
    verify(&auditor, root.path(), &[&early]).clean();
    verify(&auditor, root.path(), &[&late]).caught(&["late"]);
}

#[test]
fn row_21_two_different_histories_for_the_same_size() {
    let root = live(tempfile::tempdir().expect("temporary directory"), "{\"n\":1}");
    let auditor = Auditor::of(root.path());
    let twin = tempfile::tempdir().expect("temporary directory");
    copy_root(root.path(), twin.path());
    let (root, twin) = (live(root, "{\"n\":2}"), live(twin, "{\"n\":7}"));
    let ours = keep_checkpoint(&auditor, root.path(), "ours");
    let theirs = keep_checkpoint(&auditor, twin.path(), "theirs");
    let size = |path: &PathBuf| {
        let text = fs::read_to_string(path).expect("reads");
        text.lines().nth(1).expect("a size").to_owned()
    };
    assert_eq!(size(&ours), size(&theirs));
    for (host, own, other, name) in
        [(&root, &ours, &theirs, "theirs"), (&twin, &theirs, &ours, "ours")]
    {
        let said = verify(&auditor, host.path(), &[own]);
        said.clean();
        assert!(said.text.starts_with("OK, ANCHORED"), "{}", said.text);
        verify(&auditor, host.path(), &[own, other]).caught(&[name]);
    }
}

/// Whoever can write a file into the auditor's hands cannot make a good log look bad.
#[test]
fn row_21_checkpoints_of_other_logs_and_forged_ones_are_no_evidence() {
    let lab = three_epochs();
    let other = three_epochs();
    let auditor = Auditor::of(lab.root());
    let kept = keep_checkpoint(&auditor, other.root(), "foreign");
    let said = verify(&auditor, lab.root(), &[&kept]);
    assert_eq!(said.code, Some(6), "{}", said.text);
    assert!(said.text.contains("foreign"), "{}", said.text);

    let own = fs::read_to_string(lab.paths().checkpoint()).expect("reads");
    let size = own.lines().nth(1).expect("a size").to_owned();
    let forged = auditor.file("forged");
    fs::write(&forged, own.replace(&format!("\n{size}\n"), "\n999\n")).expect("writes");
    let said = verify(&auditor, lab.root(), &[&forged]);
    assert_eq!(said.code, Some(6), "{}", said.text);
    assert!(said.text.contains("forged"), "{}", said.text);
}
