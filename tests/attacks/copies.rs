//! Row 23, on another machine: a copy that `cp -r` takes of a log while its daemon writes. Its files are of
//! different moments, and that alone is no tampering; a log whose end was cut is not good all the same.

use std::fs;
use std::path::{Path, PathBuf};

use auditlogd::ledger::seal::Reason;
use tempfile::TempDir;

use crate::common::auditor::{Auditor, Macs, Said};
use crate::common::lab::Lab;
use crate::common::traffic::Traffic;
use crate::common::{Daemon, eventually};
use crate::files::{copy_dir, edit};

const STATE: [&str; 2] = ["seals.jsonl", "checkpoint"];

/// A copy for an auditor: everything in one directory.
struct Copy(TempDir);

impl Copy {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("temporary directory"))
    }

    fn segments(self, lab: &Lab) -> Self {
        copy_dir(&lab.paths().log_dir, self.0.path());
        self
    }

    fn state(self, lab: &Lab) -> Self {
        for name in STATE {
            fs::copy(lab.paths().state_dir.join(name), self.0.path().join(name)).expect("copies");
        }
        self
    }

    fn verify(&self, auditor: &Auditor, args: &[&str]) -> Said {
        let all = [&[self.0.path().to_str().expect("utf-8")], args].concat();
        // The root is only where the verifier keeps its own notes.
        auditor.verify(self.0.path(), Macs::Checked, &all)
    }
}

/// A log that is being written.
fn growing() -> (Lab, Auditor) {
    let mut lab = Lab::new();
    let auditor = Auditor::of(lab.root());
    lab.store(["a", "b"]);
    lab.rotate();
    lab.store(["c"]);
    lab.seal(Reason::Time);
    lab.store(["d"]);
    (lab, auditor)
}

fn grow(lab: &mut Lab, epochs: usize) {
    for n in 0..epochs {
        lab.store([format!("later {n}")]);
        lab.seal(Reason::Time);
    }
}

#[test]
fn row_23_a_copy_whose_segments_came_last_is_clean() {
    for epochs in [0, 1, 3] {
        let (mut lab, auditor) = growing();
        let copy = Copy::new().state(&lab);
        grow(&mut lab, epochs);
        copy.segments(&lab).verify(&auditor, &[]).clean();
    }
}

#[test]
fn row_23_a_copy_whose_segments_came_first_is_incomplete_and_says_how_to_copy() {
    for epochs in [1, 3] {
        let (mut lab, auditor) = growing();
        let copy = Copy::new().segments(&lab);
        grow(&mut lab, epochs);
        let said = copy.state(&lab).verify(&auditor, &[]);
        said.incomplete(&["the segments were copied first", "or the log's end was cut"]);
    }
}

/// seals.jsonl came between the segments and the checkpoint, or was left out.
#[test]
fn row_23_a_copy_whose_checkpoint_came_last_is_incomplete() {
    for with_seals in [true, false] {
        let (mut lab, auditor) = growing();
        let copy = Copy::new().segments(&lab).state(&lab);
        grow(&mut lab, 1);
        fs::copy(lab.paths().checkpoint(), copy.0.path().join("checkpoint")).expect("copies");
        if !with_seals {
            fs::remove_file(copy.0.path().join("seals.jsonl")).expect("deletes");
        }
        let said = copy.verify(&auditor, &[]);
        said.incomplete(&["a signed checkpoint says", "the segments were copied first"]);
    }
}

/// A copy in the middle of a line, and of a rotation: the file was renamed after it was copied.
#[test]
fn row_23_a_copy_that_ends_inside_of_a_line_before_a_rotation_is_incomplete() {
    let (mut lab, auditor) = growing();
    let copy = Copy::new().segments(&lab);
    edit(&copy.0.path().join("audit.jsonl"), |lines| {
        let last = lines.last_mut().expect("a line");
        last.truncate(last.len() / 2);
    });
    lab.rotate();
    grow(&mut lab, 1);
    let said = copy.state(&lab).verify(&auditor, &[]);
    said.incomplete(&["the segments were copied first"]);
}

/// What no order of copying explains is evidence in a copy as on the host.
#[test]
fn row_05_a_cut_that_no_copying_explains_is_caught_in_a_copy() {
    // A whole segment is gone, and what is left ends with its seal.
    let (mut lab, auditor) = growing();
    let newest = lab.paths().active();
    grow(&mut lab, 1);
    let copy = Copy::new().segments(&lab).state(&lab);
    fs::remove_file(copy.0.path().join(newest.file_name().expect("a name"))).expect("deletes");
    copy.verify(&auditor, &[]).caught(&["the log's end was cut"]);

    // The daemon was stopped, so that nothing was written while the copy was made.
    let (mut lab, auditor) = growing();
    lab.stop();
    let copy = Copy::new().segments(&lab).state(&lab);
    edit(&copy.0.path().join("audit.jsonl"), |lines| lines.truncate(lines.len() - 2));
    copy.verify(&auditor, &[]).caught(&["the log's end was cut"]);

    // Nobody copies for days.
    let (mut lab, auditor) = growing();
    let copy = Copy::new().segments(&lab);
    grow(&mut lab, 1);
    lab.pass(2 * 86_400);
    grow(&mut lab, 1);
    copy.state(&lab).verify(&auditor, &[]).caught(&["the log's end was cut"]);

    // The seals that are missing are not those of this log.
    let (mut lab, auditor) = growing();
    let copy = Copy::new().segments(&lab);
    grow(&mut lab, 2);
    let copy = copy.state(&lab);
    edit(&copy.0.path().join("seals.jsonl"), |lines| {
        let last = lines.last_mut().expect("a seal");
        let text = String::from_utf8_lossy(last).replace("\"boottime_ns\":", "\"boottime_ns\":1");
        *last = text.into_bytes();
    });
    copy.verify(&auditor, &[]).caught(&["the log's end was cut"]);

    // On the host itself the file is looked at before the segments.
    let (mut lab, auditor) = growing();
    grow(&mut lab, 1);
    edit(&lab.paths().active(), |lines| lines.truncate(lines.len() - 1));
    auditor.verify(lab.root(), Macs::Unchecked, &[]).caught(&["the log's end was cut"]);
}

/// An anchor of the auditor's own is not copied with the log: one that is newer is evidence, and the sentence
/// names the harmless reason too.
#[test]
fn row_05_an_anchor_that_is_newer_than_the_copy_is_caught() {
    let (mut lab, auditor) = growing();
    let copy = Copy::new().state(&lab).segments(&lab);
    grow(&mut lab, 1);
    let kept = auditor.file("kept");
    fs::copy(lab.paths().checkpoint(), &kept).expect("copies");
    let said = copy.verify(&auditor, &["--anchor", kept.to_str().expect("utf-8")]);
    said.caught(&["this copy is older than the checkpoint"]);
}

fn copy_once(daemon: &Daemon, to: &Path, state_first: bool) {
    let segments = daemon.segment().parent().map(PathBuf::from).expect("a directory");
    let state = daemon.root().join("var/lib/auditlogd");
    let copy_state = || {
        for name in STATE {
            fs::copy(state.join(name), to.join(name)).expect("copies");
        }
    };
    if state_first {
        copy_state();
    }
    copy_dir(&segments, to);
    if !state_first {
        copy_state();
    }
}

#[test]
fn row_23_copies_of_a_daemon_that_writes_are_never_called_tampered() {
    let daemon = Daemon::start_with("[ledger]\nepoch_lines = 100\n");
    let auditor = Auditor::of(daemon.root());
    let traffic = Traffic::start(&daemon, "copied", 2);
    for round in 0..12 {
        traffic.more(50);
        let copy = Copy::new();
        let state_first = round % 2 == 0;
        copy_once(&daemon, copy.0.path(), state_first);
        let said = copy.verify(&auditor, &[]);
        match state_first {
            true => said.clean(),
            false => assert!(matches!(said.code, Some(0 | 5)), "round {round}: {}", said.text),
        }
    }
    traffic.finish();
    eventually("the log is settled", || {
        let copy = Copy::new();
        copy_once(&daemon, copy.0.path(), true);
        (copy.verify(&auditor, &[]).code == Some(0)).then_some(())
    });
}
