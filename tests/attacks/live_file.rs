//! Row 17: somebody lays hands on the active file while the daemon runs.

use std::fs::{self, File};

use crate::common::auditor::{Auditor, Macs, Said};
use crate::common::lab::{new_root, now, paths};
use crate::common::running::Running;
use crate::common::traffic::{assert_segments_follow_seals, assert_stored, segments};
use crate::common::{Daemon, eventually};

/// Lets another hand do something to the active file between two events; returns the reason that the daemon
/// recorded for the new segment, and what verify says.
fn meddle(hand: impl FnOnce(&Daemon)) -> (String, Said, Daemon) {
    let daemon = Daemon::start();
    let auditor = Auditor::of(daemon.root());
    let mut client = daemon.greeted();
    client.store("{\"event_id\":\"before\"}", 1);
    hand(&daemon);
    // Noticed before the next event is stored: it is in the new segment.
    client.store("{\"event_id\":\"after\"}", 2);
    client.store("{\"event_id\":\"later\"}", 3);
    let ids: Vec<_> = daemon.events().iter().map(|line| line["id"].clone()).collect();
    assert_eq!(ids, ["after", "later"]);
    let reopened = daemon.records("reopened").pop().expect("recorded");
    let reason = reopened["event"]["data"]["reason"].as_str().expect("text").to_owned();
    // The database is made beside the first events.
    daemon.settle();
    let said = auditor.verify(daemon.root(), Macs::Checked, &[]);
    (reason, said, daemon)
}

fn all_stored(daemon: &Daemon) {
    daemon.settle();
    assert_stored(daemon.root(), &["before", "after", "later"].map(String::from));
}

fn truncate(daemon: &Daemon) {
    File::options().write(true).truncate(true).open(daemon.segment()).expect("truncates");
}

#[test]
fn row_17_rename_the_live_file() {
    let (reason, said, daemon) = meddle(|daemon| {
        let to = daemon.segment().with_file_name("audit.jsonl-1");
        fs::rename(daemon.segment(), to).expect("renames");
    });
    assert_eq!(reason, "the active file was renamed");
    assert_segments_follow_seals(&segments(daemon.root()));
    all_stored(&daemon);
    said.clean();
}

#[test]
fn row_17_unlink_the_live_file() {
    let (reason, said, daemon) =
        meddle(|daemon| fs::remove_file(daemon.segment()).expect("deletes"));
    assert_eq!(reason, "the active file was deleted");
    assert!(daemon.segment().with_file_name("audit-rescued-0.jsonl").exists());
    all_stored(&daemon);
    said.incomplete(&[]);
    assert!(said.text.contains("the active file was deleted"), "{}", said.text);
}

#[test]
fn row_17_unlink_the_live_file_right_after_a_seal() {
    let (_, said, _daemon) = meddle(|daemon| {
        daemon.signal(nix::sys::signal::Signal::SIGHUP);
        eventually("the epoch is closed", || {
            daemon.lines().last().filter(|line| line["seal"].is_object()).map(drop)
        });
        fs::remove_file(daemon.segment()).expect("deletes");
    });
    said.incomplete(&[]);
    assert!(said.text.contains("the active file was deleted"), "{}", said.text);
}

#[test]
fn row_17_put_another_file_in_the_live_files_place() {
    let (reason, said, daemon) = meddle(|daemon| {
        let other = daemon.segment().with_file_name("other");
        fs::copy(daemon.segment(), &other).expect("copies");
        fs::rename(other, daemon.segment()).expect("renames");
    });
    assert_eq!(reason, "the active file was deleted");
    assert!(daemon.segment().with_file_name("audit-damaged-0.jsonl").exists());
    assert_ne!(said.code, Some(0), "{}", said.text);
}

#[test]
fn row_17_truncate_the_live_file() {
    let (reason, said, daemon) = meddle(truncate);
    assert!(reason.starts_with("the active file had 0 bytes instead of "), "{reason}");
    // The daemon has its newest lines in memory, and all of these were.
    assert!(daemon.segment().with_file_name("audit-rescued-0.jsonl").exists());
    all_stored(&daemon);
    said.incomplete(&[]);
    assert!(said.text.contains("the active file had 0 bytes instead of "), "{}", said.text);
}

/// Only the lines since the start are in memory: what was there before it is gone.
#[test]
fn row_17_truncate_the_live_file_of_an_earlier_run() {
    let root = Daemon::start().stop().daemon.kill();
    let daemon = Daemon::start_in(root, "");
    let auditor = Auditor::of(daemon.root());
    truncate(&daemon);
    daemon.greeted().store("{}", 1);
    let data = &daemon.records("reopened").pop().expect("recorded")["event"]["data"];
    let damage = data["damage"].as_str().expect("text");
    assert!(damage.contains("of its lines, seq 0 to "), "{damage}");
    assert!(damage.contains("are in no file; those behind them are in "), "{damage}");
    auditor.verify(daemon.root(), Macs::Checked, &[]).caught(&[]);
}

#[test]
fn row_17_cut_the_live_file_in_the_middle() {
    let (reason, said, daemon) = meddle(|daemon| {
        let file = File::options().write(true).open(daemon.segment()).expect("opens");
        let len = file.metadata().expect("known").len();
        file.set_len(len - 100).expect("cuts");
    });
    assert!(reason.starts_with("the active file had "), "{reason}");
    assert!(daemon.segment().with_file_name("audit-damaged-0.jsonl").exists());
    all_stored(&daemon);
    said.incomplete(&[]);
}

#[test]
fn row_17_append_to_the_live_file() {
    use std::io::Write;
    let (reason, said, daemon) = meddle(|daemon| {
        let mut file = File::options().append(true).open(daemon.segment()).expect("opens");
        file.write_all(b"{\"event_type\":\"auth.login\"}\n").expect("writes");
    });
    assert!(reason.starts_with("the active file had "), "{reason}");
    assert!(daemon.segment().with_file_name("audit-damaged-0.jsonl").exists());
    said.caught(&["audit-damaged-0.jsonl line "]);
}

#[test]
fn row_17_copytruncate_the_live_file() {
    let (reason, said, daemon) = meddle(|daemon| {
        let copy = daemon.segment().with_file_name("audit.jsonl.1");
        fs::copy(daemon.segment(), copy).expect("copies");
        truncate(daemon);
    });
    assert!(reason.starts_with("the active file had 0 bytes instead of "), "{reason}");
    all_stored(&daemon);
    said.incomplete(&[]);
    assert!(said.text.contains("the active file had 0 bytes instead of "), "{}", said.text);
}

/// Nothing is stored after it: the next thing that is written is the seal that is due, and it too must not go
/// into a file that is not the daemon's any more.
#[test]
fn row_17_lay_hands_on_the_live_file_before_a_seal_that_is_due() {
    for how in ["rename", "copytruncate", "unlink"] {
        let root = new_root();
        let running = Running::start(root.path(), 1, now(100));
        let auditor = Auditor::of(root.path());
        running.store("{\"n\":1}").expect("stored");
        let active = paths(root.path()).active();
        let aside = active.with_file_name("audit.jsonl.1");
        match how {
            "rename" => fs::rename(&active, aside).expect("renames"),
            "unlink" => fs::remove_file(&active).expect("deletes"),
            _ => {
                fs::copy(&active, aside).expect("copies");
                File::options().write(true).truncate(true).open(&active).expect("truncates");
            }
        }
        running.pass_until_sealed(10);
        running.stop().expect("stops well");
        let segments = segments(root.path());
        assert_eq!(segments.len(), 2, "{how}");
        assert_segments_follow_seals(&segments);
        let first = &segments[1].lines[0];
        assert_eq!(first["event"]["event_type"], "auditlogd.reopened", "{how}: {first}");
        let said = auditor.verify(root.path(), Macs::Checked, &[]);
        assert_eq!(said.code, Some(if how == "rename" { 0 } else { 5 }), "{how}: {}", said.text);
    }
}
