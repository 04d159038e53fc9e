//! Row 18: what a start finds is not what the last run left. It goes on from the keys or refuses; it
//! never begins a new history in silence.

use std::fs;
use std::path::Path;

use auditlogd::record::Record;
use tempfile::TempDir;

use crate::common::auditor::{Auditor, Macs};
use crate::common::lab::{Lab, paths};
use crate::common::{Daemon, refused};

/// The directory of a daemon that was stopped after a rotation, with one event in each segment.
fn stopped() -> (TempDir, Auditor) {
    let daemon = Daemon::start();
    daemon.greeted().store("{\"event_id\":\"one\"}", 1);
    let aside = daemon.segment().with_file_name("audit.jsonl-1");
    fs::rename(daemon.segment(), aside).expect("renames");
    daemon.reload();
    daemon.greeted().store("{\"event_id\":\"two\"}", 1);
    daemon.settle();
    let auditor = Auditor::of(daemon.root());
    let stopped = daemon.stop();
    assert_eq!(stopped.status.code(), Some(0));
    auditor.verify(stopped.daemon.root(), Macs::Checked, &[]).clean();
    (stopped.daemon.kill(), auditor)
}

fn log_id(root: &Path) -> String {
    let found = auditlogd::ledger::segment::list(&paths(root).log_dir).expect("lists");
    found.last().expect("a segment").header.log_id.clone()
}

/// Starts the daemon on it: the log goes on as the same log, and the damage is told and recorded.
fn goes_on(root: TempDir, auditor: &Auditor, log_id: &str) {
    let daemon = Daemon::start_in(root, "");
    daemon.greeted().store("{\"event_id\":\"after\"}", 1);
    assert_eq!(self::log_id(daemon.root()), log_id, "the same log");
    let recovered = daemon.records("recovered").pop().expect("a record");
    assert!(recovered["event"]["data"]["damage"].is_string(), "{recovered}");
    assert_eq!(recovered["event"]["priority"], "alert");
    let said = auditor.verify(daemon.root(), Macs::Unchecked, &[]);
    said.caught(&["missing before this segment"]);
}

#[test]
fn row_18_newest_segment_of_0_or_1_bytes() {
    for len in [0, 1] {
        let (root, auditor) = stopped();
        let id = log_id(root.path());
        let file = fs::File::options().write(true).open(paths(root.path()).active());
        file.expect("opens").set_len(len).expect("cuts");
        goes_on(root, &auditor, &id);
    }
}

#[test]
fn row_18_newest_segment_missing() {
    let (root, auditor) = stopped();
    let id = log_id(root.path());
    fs::remove_file(paths(root.path()).active()).expect("deletes");
    goes_on(root, &auditor, &id);
}

#[test]
fn row_18_all_segments_missing() {
    let (root, auditor) = stopped();
    let id = log_id(root.path());
    fs::remove_dir_all(paths(root.path()).log_dir).expect("deletes");
    fs::create_dir(paths(root.path()).log_dir).expect("creates");
    let daemon = Daemon::start_in(root, "");
    daemon.greeted().store("{}", 1);
    assert_eq!(log_id(daemon.root()), id, "the same log");
    assert_eq!(daemon.records("log_created").len(), 0);
    auditor.verify(daemon.root(), Macs::Unchecked, &[]).caught(&["the log begins at seq "]);
}

/// Fails unless the daemon refuses to start and leaves everything as it is.
fn refuses(root: &Path, reasons: &[&str]) {
    let names = |dir| {
        let entries = fs::read_dir(dir).expect("reads");
        let bytes = entries.map(|entry| entry.expect("reads").path());
        let bytes = bytes.filter(|path| path.file_name().is_some_and(|name| name != "lock"));
        let mut all: Vec<_> = bytes.map(|path| (fs::read(&path).expect("reads"), path)).collect();
        all.sort();
        all
    };
    let paths = paths(root);
    let before = (names(&paths.log_dir), names(&paths.state_dir));
    let (status, said) = refused(root, "");
    assert_eq!(status.code(), Some(1), "{said}");
    for reason in reasons {
        assert!(said.contains(reason), "{reason:?} is missing in {said}");
    }
    assert!(before == (names(&paths.log_dir), names(&paths.state_dir)), "something was changed");
}

#[test]
fn row_18_state_file_missing_or_empty() {
    for empty in [false, true] {
        let (root, _) = stopped();
        let state = paths(root.path()).state();
        match empty {
            true => fs::write(&state, "").expect("empties"),
            false => fs::remove_file(&state).expect("deletes"),
        }
        refuses(root.path(), &["its key state", "ledger.state", "is missing"]);
    }
}

/// Who deletes log and keys alike must not have a new log begun under the old one's name.
#[test]
fn row_18_state_file_and_all_segments_missing() {
    let (root, _) = stopped();
    let paths = paths(root.path());
    fs::remove_file(paths.state()).expect("deletes");
    fs::remove_dir_all(&paths.log_dir).expect("deletes");
    fs::create_dir(&paths.log_dir).expect("creates");
    refuses(root.path(), &["ledger.state", "is missing"]);
}

/// The same, made to look like a log whose creation was interrupted: its first line only, and no keys yet.
#[test]
fn row_18_a_log_cut_down_to_an_interrupted_creation() {
    let (root, _) = stopped();
    let paths = paths(root.path());
    let first = paths.log_dir.join("audit.jsonl-1");
    crate::files::edit(&first, |lines| lines.truncate(2));
    fs::rename(first, paths.active()).expect("renames");
    fs::write(paths.state(), [0; 8192]).expect("writes");
    refuses(root.path(), &["ledger.state", "is missing"]);
}

#[test]
fn row_18_state_file_damaged() {
    let (root, _) = stopped();
    let state = paths(root.path()).state();
    let mut bytes = fs::read(&state).expect("reads");
    bytes[100] ^= 1;
    bytes[4096 + 100] ^= 1;
    fs::write(&state, bytes).expect("writes");
    refuses(root.path(), &["the key state", "is damaged"]);
}

#[test]
fn row_18_state_file_older_than_the_log() {
    let daemon = Daemon::start();
    daemon.greeted().store("{\"event_id\":\"one\"}", 1);
    let old = fs::read(paths(daemon.root()).state()).expect("reads");
    daemon.reload();
    let root = daemon.stop().daemon.kill();
    fs::write(paths(root.path()).state(), old).expect("writes");
    refuses(root.path(), &["is older than the log", "restored from a copy"]);
}

/// The log is restored from a copy, the keys are not.
#[test]
fn row_18_state_file_newer_than_the_log() {
    let daemon = Daemon::start();
    daemon.greeted().store("{\"event_id\":\"one\"}", 1);
    daemon.reload();
    let auditor = Auditor::of(daemon.root());
    let (id, old) = (log_id(daemon.root()), fs::read(daemon.segment()).expect("reads"));
    daemon.greeted().store("{\"event_id\":\"two\"}", 1);
    let root = daemon.stop().daemon.kill();
    fs::write(paths(root.path()).active(), old).expect("writes");
    goes_on(root, &auditor, &id);
}

/// Whoever can write to the log directory, but has no keys, cannot keep the daemon from starting: what he appended
/// is cut, kept and recorded.
#[test]
fn row_18_what_was_appended_without_keys_while_no_daemon_ran() {
    let forged_seal = |root: &Path| {
        let path = paths(root).active();
        let text = fs::read_to_string(&path).expect("reads");
        let seal = text.lines().last().expect("a seal");
        let own = seal.split(['{', ':', ',']).find_map(|part| part.parse::<u64>().ok());
        let own = own.expect("its seq");
        assert!(seal.contains("\"seal\":{"), "{seal}");
        let forged = seal
            .replace(&format!("{{\"seq\":{own},"), &format!("{{\"seq\":{},", own + 1))
            .replace(&format!("\"size\":{own},"), &format!("\"size\":{},", own + 1));
        fs::write(&path, format!("{text}{forged}\n")).expect("writes");
    };
    let hole = |root: &Path| {
        let file = fs::File::options().write(true).open(paths(root).active()).expect("opens");
        file.set_len(2 << 30).expect("a hole");
    };
    for harm in [&forged_seal as &dyn Fn(&Path), &hole] {
        let (root, auditor) = stopped();
        harm(root.path());
        let daemon = Daemon::start_in(root, "");
        daemon.greeted().store("{\"event_id\":\"after\"}", 1);
        let recovered = daemon.records("recovered").pop().expect("a record");
        let damage = recovered["event"]["data"]["damage"].as_str().expect("damage");
        assert!(damage.contains("that are not the lines that follow"), "{damage}");
        for macs in [Macs::Checked, Macs::Unchecked] {
            auditor.verify(daemon.root(), macs, &[]).incomplete(&["killed or crashed"]);
        }
        let peak = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).expect("status");
        let peak = peak.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        let kib: u64 = peak.trim().trim_end_matches(" kB").parse().expect("KiB");
        assert!(kib < 300 << 10, "the daemon took {kib} KiB");
    }
}

/// Starts and stops once after the copy of the seals was changed; what the record says of the damage.
fn damage_found(lab: &mut Lab) -> String {
    let recovered = lab.open();
    lab.stop();
    match recovered {
        Some(Record::Recovered { damage: Some(damage), .. }) => damage,
        other => panic!("no damage was recorded, but {other:?}"),
    }
}

#[test]
fn row_18_copy_of_the_seals_deleted_or_cut() {
    for kept in [0, 1, 2] {
        let mut lab = Lab::closed(4, 2);
        let (auditor, seals) = (Auditor::of(lab.root()), lab.paths().seals());
        let before = fs::read_to_string(&seals).expect("reads");
        let ends: Vec<_> = before.match_indices('\n').map(|(at, _)| at + 1).collect();
        match kept {
            0 => fs::remove_file(&seals).expect("deletes"),
            // In the middle of the line after.
            _ => fs::write(&seals, &before[..ends[kept - 1] + 100]).expect("cuts"),
        }
        let damage = damage_found(&mut lab);
        let wanted = format!("seals from that of epoch {kept} on were missing");
        assert!(damage.starts_with(&wanted) && damage.contains("were put back"), "{damage}");
        assert!(fs::read_to_string(&seals).expect("reads").starts_with(&before));
        auditor.verify(lab.root(), Macs::Checked, &[]).incomplete(&["were put back"]);
        assert!(lab.open().is_none(), "it is told once");
    }
}

/// With a segment that is gone, too, the seals cannot be put back, and nothing else is put in their place.
#[test]
fn row_18_copy_of_the_seals_and_a_segment_deleted() {
    let mut lab = Lab::closed(4, 2);
    let (auditor, seals) = (Auditor::of(lab.root()), lab.paths().seals());
    let before = fs::read_to_string(&seals).expect("reads");
    fs::remove_file(&lab.segments()[0]).expect("deletes");
    fs::remove_file(&seals).expect("deletes");
    let damage = damage_found(&mut lab);
    assert!(damage.contains("could not be put back"), "{damage}");
    let after = fs::read_to_string(&seals).expect("reads");
    assert_eq!(after.lines().next(), before.lines().last());
    auditor.verify(lab.root(), Macs::Unchecked, &[]).caught(&["does not hold the seal of epoch 0"]);
}
