//! Everything that reads a log reads the compressed segments, with the originals gone.

use std::fs;
use std::path::{Path, PathBuf};

use auditlogd::config::Compression;
use auditlogd::ledger::reader::Reader;

use super::common::auditor::{Auditor, Macs};
use super::common::{Daemon, eventually, tool, verify};
use super::helpers::*;

/// Renames the active segment as logrotate does, and waits for the new one.
fn rotate(daemon: &Daemon, name: &str) -> PathBuf {
    let to = daemon.segment().with_file_name(format!("audit.jsonl-{name}"));
    fs::rename(daemon.segment(), &to).expect("renames");
    daemon.reload();
    eventually("the log is reopened", || daemon.segment().exists().then_some(()));
    to
}

/// A daemon with two closed segments of three events each, both compressed, and one event in the active one.
fn daemon(form: Compression) -> Daemon {
    let daemon = Daemon::start();
    let mut client = daemon.greeted();
    let mut line = 0;
    for segment in ["1", "2"] {
        for _ in 0..3 {
            line += 1;
            client.store(&format!("{{\"event_type\":\"test.{line}\"}}"), line);
        }
        rotate(&daemon, segment);
    }
    client.store("{\"event_type\":\"test.7\"}", line + 1);
    daemon.settle();
    press_all(daemon.root(), form);
    assert_compressed(daemon.root(), form, 2);
    daemon
}

fn assert_compressed(root: &Path, form: Compression, count: usize) {
    let names = names(root);
    let compressed = names.iter().filter(|name| name.ends_with(ending(form))).count();
    assert_eq!((compressed, names.len()), (count, count + 1), "{names:?}");
}

fn says(root: &Path, args: &[&str], what: &str) {
    let output = tool(root, args);
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.contains(what), "{args:?}: {said}");
}

fn count_events(root: &Path) -> usize {
    let output = tool(root, &["query", "--type", "test.*", "--format", "jsonl"]);
    String::from_utf8_lossy(&output.stdout).lines().count()
}

#[test]
fn verify_prove_and_attest_read_compressed_segments_beside_the_daemon() {
    for form in FORMS {
        let daemon = daemon(form);
        let root = daemon.root();
        Auditor::of(root).verify(root, Macs::Checked, &[]).clean();
        says(root, &["verify", "--quick"], "OK");
        // Leaf 3 is in the first of them.
        let (proof, page) = (root.join("proof"), root.join("page.html"));
        let file = |path: &Path| path.to_str().expect("utf-8").to_owned();
        says(root, &["prove", "3", "-o", &file(&proof)], "");
        let vkey = file(&root.join("var/lib/auditlogd/checkpoint.vkey"));
        says(root, &["verify-proof", &file(&proof), "--vkey", &vkey], "");
        says(root, &["attest", "-o", &file(&page)], "");
        assert!(fs::read_to_string(&page).expect("a page").contains("OK"));
    }
}

#[test]
fn a_quick_verification_goes_on_in_a_segment_that_was_compressed_since() {
    let daemon = Daemon::start();
    let mut client = daemon.greeted();
    client.store("{\"event_type\":\"test.1\"}", 1);
    daemon.settle();
    says(daemon.root(), &["verify", "--quick"], "OK");
    client.store("{\"event_type\":\"test.2\"}", 2);
    rotate(&daemon, "1");
    press_all(daemon.root(), Compression::Zstd);
    daemon.settle();
    let output = tool(daemon.root(), &["verify", "--quick", "--format", "json"]);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["exit_code"], 0, "{told}");
    assert!(told["since"].is_object(), "it went on where the last one ended: {told}");
}

#[test]
fn the_database_is_built_again_from_compressed_segments() {
    for form in FORMS {
        let daemon = daemon(form);
        assert_eq!(count_events(daemon.root()), 7);
        says(daemon.root(), &["reindex"], "");
        daemon.settle();
        assert_eq!(count_events(daemon.root()), 7);
        // Also where there is none at the start.
        let root = daemon.stop().daemon.kill();
        for file in ["audit.db", "audit.db-wal", "audit.db-shm"] {
            let _not_there = fs::remove_file(root.path().join("var/lib/auditlogd").join(file));
        }
        let daemon = Daemon::start_in(root, "");
        daemon.settle();
        assert_eq!(count_events(daemon.root()), 7);
        let (code, said) = verify(daemon.root());
        assert_eq!(code, Some(0), "{said}");
    }
}

#[test]
fn a_start_goes_on_after_the_newest_segment_was_compressed() {
    for form in FORMS {
        // Rotated while nobody ran, so that the last seal is in a compressed file.
        let root = daemon(form).stop().daemon.kill();
        let active = root.path().join("var/log/auditlogd/audit.jsonl");
        fs::rename(&active, active.with_file_name("audit.jsonl-3")).expect("renames");
        press_all(root.path(), form);
        let daemon = Daemon::start_in(root, "");
        daemon.greeted().store("{\"event_type\":\"test.8\"}", 1);
        daemon.settle();
        assert_compressed(daemon.root(), form, 3);
        assert_eq!(count_events(daemon.root()), 8);
        assert_eq!(daemon.records("recovered").len(), 0);
        let (code, said) = verify(daemon.root());
        assert_eq!(code, Some(0), "{said}");
    }
}

#[test]
fn a_start_after_a_kill_goes_on_behind_compressed_segments_and_puts_their_seals_back() {
    let root = daemon(Compression::Zstd).kill();
    fs::write(root.path().join("var/lib/auditlogd/seals.jsonl"), "").expect("cuts");
    let daemon = Daemon::start_in(root, "");
    let recovered = daemon.records("recovered").remove(0);
    let damage = recovered["event"]["data"]["damage"].as_str().expect("damage").to_owned();
    assert!(damage.contains("were put back from the segments"), "{damage}");
    let (code, said) = verify(daemon.root());
    assert_eq!(code, Some(5), "{said}");
}

#[test]
fn whoever_reads_a_segment_while_it_is_compressed_reads_on() {
    let (lab, _) = log();
    let dir = lab.paths().log_dir;
    let log_id = closed(lab.root()).remove(0).header.log_id;
    let mut reader = Reader::new(&dir, &log_id);
    let mut plain = Vec::new();
    let mut from = 0;
    while let Some(lines) = reader.read(from, u64::MAX, 1).ok().filter(|l| !l.bytes.is_empty()) {
        from = lines.next;
        plain.push(lines.bytes);
    }
    assert!(plain.len() > 40);
    for at in [0, 1, 5, 19, 30, plain.len() - 1] {
        let (lab, _) = log();
        let log_id = closed(lab.root()).remove(0).header.log_id;
        let mut reader = Reader::new(&lab.paths().log_dir, &log_id);
        let mut next = 0;
        for n in 0..plain.len() {
            if n == at {
                press_all(lab.root(), Compression::Zstd);
            }
            let lines = reader.read(next, u64::MAX, 1).expect("reads");
            assert_eq!(lines.next, next + 1, "compressed before line {at}");
            next = lines.next;
        }
        assert!(reader.read(next, u64::MAX, 1).expect("reads").bytes.is_empty());
    }
}
