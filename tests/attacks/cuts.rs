//! Rows 5, 6 and 7: the end of a log is cut off, or a whole segment is gone.

use std::fs;
use std::path::Path;

use auditlogd::ledger::seal::Reason;

use crate::common::Daemon;
use crate::common::auditor::{Auditor, Macs};
use crate::common::lab::{Lab, paths};
use crate::files::{edit, lines, put};

/// Cuts the log's newest segment after its `seals`th seal (that of leaf 0 not counted), its checkpoint, and `seals.jsonl` to what is left: all that can
/// be cut by somebody who knows the format.
pub fn cut_after_seal(root: &Path, seals: usize) {
    let paths = paths(root);
    let all = lines(&paths.active());
    let ends = all.iter().enumerate().filter(|(_, line)| is_seal(line)).map(|(at, _)| at + 1);
    let end = ends.take(seals + 1).last().unwrap_or(1);
    put(&paths.active(), &all[..end]);
    fs::remove_file(paths.checkpoint()).expect("deletes");
    edit(&paths.seals(), |known| {
        let left = auditlogd::ledger::segment::list(&paths.log_dir).expect("lists");
        let text: String = left.iter().map(|found| text_of(&found.path)).collect();
        known.retain(|seal| text.contains(String::from_utf8_lossy(seal).as_ref()));
    });
}

fn text_of(path: &Path) -> String {
    String::from_utf8_lossy(&lines(path).concat()).into_owned()
}

fn is_seal(line: &[u8]) -> bool {
    String::from_utf8_lossy(line).contains(r#","seal":{"epoch":"#)
}

/// A log of three epochs in one segment.
pub fn three_epochs() -> Lab {
    let mut lab = Lab::new();
    for epoch in 0..3 {
        lab.store([format!("{epoch}.0"), format!("{epoch}.1")]);
        match epoch {
            2 => lab.stop(),
            _ => lab.seal(Reason::Time),
        }
    }
    lab
}

/// Everything that is left is right, so nothing but the time from which on nobody vouches can be told.
#[test]
fn row_05_cut_the_tail_without_an_anchor_says_since_when_nothing_vouches() {
    for seals in [1, 2] {
        let lab = three_epochs();
        let auditor = Auditor::of(lab.root());
        cut_after_seal(lab.root(), seals);
        let said = auditor.verify(lab.root(), Macs::Checked, &[]);
        said.clean();
        assert!(said.text.starts_with("OK, UNANCHORED since 2026-11-21T01:23:4"), "{}", said.text);
        assert!(said.text.contains("nothing off this host vouches"), "{}", said.text);
    }
}

#[test]
fn row_05_cut_the_tail_and_forget_the_copy_of_the_seals() {
    let lab = three_epochs();
    let auditor = Auditor::of(lab.root());
    edit(&lab.paths().active(), |lines| lines.truncate(lines.len() - 1));
    auditor.verify(lab.root(), Macs::Unchecked, &[]).caught(&["the log's end was cut", "epoch 3"]);
}

/// The keys of the epochs that were cut are gone: the daemon cannot be made to go on from before them.
fn resume_after(cut: impl FnOnce(&Path)) {
    let daemon = Daemon::start();
    let mut client = daemon.greeted();
    for n in 1..=3 {
        client.store(&format!("{{\"event_id\":\"e{n}\"}}"), n);
        daemon.reload();
    }
    let auditor = Auditor::of(daemon.root());
    let root = daemon.stop().daemon.kill();
    cut(root.path());
    // The database is deleted too, since it knows more than the log.
    fs::remove_file(root.path().join("var/lib/auditlogd/audit.db")).expect("deletes");
    let daemon = Daemon::start_in(root, "");
    daemon.greeted().store("{\"event_id\":\"after\"}", 1);
    for macs in [Macs::Checked, Macs::Unchecked] {
        let said = auditor.verify(daemon.root(), macs, &[]);
        said.caught(&["are missing before this segment"]);
    }
    let recovered = daemon.records("recovered").pop().expect("recorded");
    assert!(recovered["event"]["data"]["damage"].is_string(), "{recovered}");
}

#[test]
fn row_06_cut_some_lines_then_let_the_daemon_resume() {
    resume_after(|root| {
        edit(&paths(root).active(), |lines| lines.truncate(lines.len() - 2));
    });
}

#[test]
fn row_06_cut_whole_epochs_then_let_the_daemon_resume() {
    for seals in [1, 2] {
        resume_after(|root| cut_after_seal(root, seals));
    }
}

/// A log of four segments.
fn four_segments() -> (Lab, Auditor) {
    let mut lab = Lab::new();
    let auditor = Auditor::of(lab.root());
    for segment in 0..4 {
        lab.store([format!("{segment}.0"), format!("{segment}.1")]);
        match segment {
            3 => lab.stop(),
            _ => lab.rotate(),
        }
    }
    assert_eq!(lab.segments().len(), 4);
    auditor.verify(lab.root(), Macs::Checked, &[]).clean();
    (lab, auditor)
}

#[test]
fn row_07_remove_a_rotated_segment() {
    let wanted = [
        "the log begins at seq 6, and no sealed record says",
        "lines 6 to 9 are missing before this segment",
        "lines 10 to 13 are missing before this segment",
        "the log's end was cut",
    ];
    for (number, wanted) in wanted.into_iter().enumerate() {
        let (lab, auditor) = four_segments();
        fs::remove_file(&lab.segments()[number]).expect("deletes");
        for macs in [Macs::Checked, Macs::Unchecked] {
            auditor.verify(lab.root(), macs, &[]).caught(&[wanted]);
        }
    }
}

#[test]
fn row_07_remove_two_segments_or_all_but_one() {
    for kept in 0..4 {
        let (lab, auditor) = four_segments();
        for (number, path) in lab.segments().into_iter().enumerate() {
            if number != kept {
                fs::remove_file(path).expect("deletes");
            }
        }
        auditor.verify(lab.root(), Macs::Unchecked, &[]).caught(&[]);
    }
}

/// Without the copy of the seals nobody can tell a removed newest segment from one that never was; the
/// daemon can, since it has the keys of what comes after.
#[test]
fn row_07_remove_the_newest_segment_and_its_seals_then_let_the_daemon_resume() {
    let (mut lab, auditor) = four_segments();
    let newest = lab.segments().pop().expect("a segment");
    fs::remove_file(newest).expect("deletes");
    edit(&lab.paths().seals(), |seals| drop(seals.pop()));
    lab.open().expect("a recovery");
    lab.stop();
    auditor.verify(lab.root(), Macs::Unchecked, &[]).caught(&["are missing before this segment"]);
}
