//! Rows 4, 9, 11 and 15: the host is taken over, and lines are rewritten with the keys that were found.

use std::fs;

use auditlogd::ledger::seal::Reason;
use auditlogd::ledger::verify::Verdict;
use nix::sys::signal::Signal;

use crate::common::auditor::{Auditor, Macs};
use crate::common::lab::Lab;
use crate::common::{Daemon, eventually};
use crate::files::{copy_dir, edit, lines, put, replace};
use crate::takeover::{Loot, Tree, append, mac_again, next_secret, public, seq, with_mac};

/// A daemon with a closed epoch of events 1 and 2 and an open one of events 3 and 4, taken over.
fn taken() -> (Daemon, Auditor, Loot) {
    let daemon = Daemon::start_with("[ledger]\nepoch_seconds = 3600\n");
    let mut client = daemon.greeted();
    client.store("{\"n\":1}\n{\"n\":2}", 2);
    daemon.reload();
    client.store("{\"n\":3}\n{\"n\":4}", 4);
    let auditor = Auditor::of(daemon.root());
    let loot = Loot::take(&daemon.root().join("var/lib/auditlogd/ledger.state"));
    (daemon, auditor, loot)
}

#[test]
fn row_04_rewrite_lines_of_the_open_epoch_with_the_keys_on_disk() {
    let (daemon, auditor, loot) = taken();
    let segment = daemon.segment();
    assert_eq!(loot.open_lines(&segment).len(), 2);
    // The best mac that can be made: the disk has the secret of the next epoch only.
    let wrong_epoch = loot.line_key(&loot.next_secret, loot.epoch);
    for key in [wrong_epoch, loot.line_key(&loot.next_secret, loot.epoch + 1)] {
        edit(&segment, |lines| {
            for line in lines.iter_mut().filter(|line| line.starts_with(b"{\"seq\"")) {
                let text = String::from_utf8_lossy(line).replace("{\"n\":3}", "{\"n\":7}");
                if text.contains("{\"n\":7}") {
                    *line = [mac_again(text.trim_end().as_bytes(), &key), b"\n".to_vec()].concat();
                }
            }
        });
        let seq = format!("seq {}, ", loot.tree.size);
        let said = auditor.verify(daemon.root(), Macs::Checked, &[]);
        said.caught(&[&seq, "mac"]);
    }
}

/// Without the auditor key nothing shows that the lines after the last seal are others; so the sentence must
/// not claim them.
#[test]
fn row_04_without_the_auditor_key_the_verdict_ends_at_the_last_seal() {
    let (daemon, auditor, loot) = taken();
    replace(&daemon.segment(), "{\"n\":3}", "{\"n\":7}");
    // The database is not of the ledger.
    fs::remove_file(daemon.database()).expect("deletes");
    let said = auditor.verify(daemon.root(), Macs::Unchecked, &[]);
    said.clean();
    let sentence = said.text.lines().next().expect("a sentence");
    let last_seal = loot.tree.size - 1;
    assert!(sentence.contains(&format!("up to seq {last_seal};")), "{sentence}");
    assert!(said.text.contains("2 lines after the last seal"), "{}", said.text);
}

/// Keys of closed epochs are gone, so a daemon that signs the open one does not help to change the others.
#[test]
fn row_04_the_disk_holds_no_key_of_a_line_that_is_there() {
    let (daemon, _, loot) = taken();
    let state = daemon.root().join("var/lib/auditlogd/ledger.state");
    let auditor_key = fs::read_to_string(daemon.root().join("var/lib/auditlogd/auditor.key"));
    let bytes = data_encoding::HEXLOWER.decode(auditor_key.expect("a key").trim().as_bytes());
    let mut secret: [u8; 32] = bytes.expect("hex").try_into().expect("32 bytes");
    for epoch in 0..=loot.epoch {
        assert!(!Loot::is_on_disk(&state, &secret), "S({epoch}) is in the state file");
        let line_key = loot.line_key(&secret, epoch);
        assert!(!Loot::is_on_disk(&state, &line_key), "K({epoch},0) is in the state file");
        secret = next_secret(&secret, &loot.log_id, epoch);
    }
    assert_eq!(secret, loot.next_secret, "what was read is S(e+1)");
}

/// The log, its keys and its database are replaced by those of a log that says what the attacker likes.
#[test]
fn row_09_replace_the_keys_and_regenerate_the_whole_log() {
    let ours = Daemon::start();
    ours.greeted().store("{\"n\":1}", 1);
    let auditor = Auditor::of(ours.root());
    let ours = ours.stop().daemon;
    let theirs = Daemon::start();
    theirs.greeted().store("{\"n\":7}", 1);
    let theirs = theirs.stop().daemon;
    for dir in ["var/log/auditlogd", "var/lib/auditlogd"] {
        fs::remove_dir_all(ours.root().join(dir)).expect("deletes");
        copy_dir(&theirs.root().join(dir), &ours.root().join(dir));
    }
    let log = ours.segment();
    let said = auditor.verify(ours.root(), Macs::Unchecked, &[]);
    said.caught(&["genesis key", log.to_str().expect("utf-8"), "seq 0, "]);

    // The same with our log id and our genesis key in the first line.
    let mut lab = Lab::new();
    let auditor = Auditor::of(lab.root());
    lab.store(["a"]);
    lab.stop();
    let other = Lab::closed(1, 1);
    let genesis = |lab: &Lab| fs::read_to_string(lab.paths().genesis_pub()).expect("a key");
    let id = |lab: &Lab| {
        let found = auditlogd::ledger::segment::list(&lab.paths().log_dir).expect("lists");
        found[0].header.log_id.clone()
    };
    let text = fs::read_to_string(other.paths().active()).expect("reads");
    let text = text.replace(genesis(&other).trim(), genesis(&lab).trim());
    let text = text.replace(&id(&other), &id(&lab));
    fs::write(lab.paths().active(), text).expect("writes");
    fs::remove_file(lab.paths().seals()).expect("deletes");
    auditor.verify(lab.root(), Macs::Unchecked, &[]).caught(&["audit.jsonl line "]);
}

#[test]
fn row_11_seal_lines_of_closed_epochs_again_with_todays_key() {
    let (daemon, auditor, loot) = taken();
    let segment = daemon.segment();
    replace(&segment, "{\"n\":1}", "{\"n\":7}");
    let name = segment.to_str().expect("utf-8").to_owned();
    auditor.verify(daemon.root(), Macs::Unchecked, &[]).caught(&[&name, "was changed"]);

    // The old seal is made anew for the changed line, with the only signing key that there is.
    let all = lines(&segment);
    let at =
        all.iter().position(|line| seq_of(line) == Some(loot.tree.size - 1)).expect("the seal");
    let bare = |line: &Vec<u8>| line.strip_suffix(b"\n").expect("a line").to_vec();
    let mut tree = Tree::default();
    all[1..3].iter().for_each(|line| tree.push(&bare(line)));
    let forged = Loot { epoch: loot.epoch - 1, seal: bare(&all[2]), tree, ..loot.clone() };
    let before = segment.with_file_name("before");
    put(&before, &all[..at]);
    let next_pub = public(&loot.sign_key);
    forged.close(&before, "rotate", &next_pub, &loot.line_key(&loot.next_secret, loot.epoch));
    let resealed = [fs::read(&before).expect("reads"), all[at + 1..].concat()].concat();
    fs::remove_file(before).expect("deletes");
    fs::write(&segment, resealed).expect("writes");
    let seals = daemon.root().join("var/lib/auditlogd/seals.jsonl");
    put(&seals, &[all[2].clone(), lines(&segment)[at].clone()]);
    let seq = format!("seq {}, ", loot.tree.size - 1);
    let said = auditor.verify(daemon.root(), Macs::Unchecked, &[]);
    said.caught(&[&name, &seq, "is not signed with the key"]);
}

fn seq_of(line: &[u8]) -> Option<u64> {
    line.starts_with(b"{\"seq\":").then(|| seq(line))
}

/// Kills the daemon, lets the attacker at the log, and starts it again.
fn killed_and_restarted(attack: impl FnOnce(&std::path::Path, &Loot)) -> (Daemon, Auditor) {
    let (daemon, auditor, loot) = taken();
    let root = daemon.kill();
    attack(&root.path().join("var/log/auditlogd/audit.jsonl"), &loot);
    // It would not agree with the log; without one the daemon makes it anew.
    fs::remove_file(root.path().join("var/lib/auditlogd/audit.db")).expect("deletes");
    let daemon = Daemon::start_in(root, "");
    daemon.greeted().store("{\"n\":5}", 1);
    daemon.settle();
    (daemon, auditor)
}

#[test]
fn row_15_kill_edit_a_line_and_restart() {
    let (daemon, auditor) =
        killed_and_restarted(|segment, _| replace(segment, "{\"n\":3}", "{\"n\":7}"));
    let said = auditor.verify(daemon.root(), Macs::Unchecked, &[]);
    said.incomplete(&["the daemon was killed or crashed while the host ran on"]);
    let said = auditor.verify(daemon.root(), Macs::Checked, &[]);
    said.caught(&["mac"]);
}

#[test]
fn row_15_kill_cut_a_line_and_restart() {
    let (daemon, auditor) = killed_and_restarted(|segment, _| {
        edit(segment, |lines| drop(lines.pop()));
    });
    let said = auditor.verify(daemon.root(), Macs::Checked, &[]);
    said.incomplete(&[
        "the daemon was killed or crashed while the host ran on",
        "1 line of it is there",
    ]);
}

#[test]
fn row_15_kill_cut_all_lines_after_the_last_seal_and_restart() {
    let (daemon, auditor) = killed_and_restarted(|segment, loot| {
        let file = fs::File::options().write(true).open(segment).expect("opens");
        file.set_len(loot.seal_end).expect("cuts");
    });
    for macs in [Macs::Checked, Macs::Unchecked] {
        let said = auditor.verify(daemon.root(), macs, &[]);
        said.incomplete(&[
            "the daemon was killed or crashed while the host ran on",
            "no line of it is there",
        ]);
    }
    assert_eq!(daemon.records("recovered").len(), 1);
}

/// Rather than let the daemon say that it was killed, the attacker closes the epoch with the keys on disk.
#[test]
fn row_15_kill_cut_the_epoch_and_seal_it_as_if_nothing_had_been() {
    for (reason, with_lines) in [("start", false), ("stop", false), ("stop", true)] {
        let (daemon, auditor, loot) = taken();
        let root = daemon.kill();
        let segment = root.path().join("var/log/auditlogd/audit.jsonl");
        match with_lines {
            true => replace(&segment, "{\"n\":3}", "{\"n\":7}"),
            false => {
                let file = fs::File::options().write(true).open(&segment).expect("opens");
                file.set_len(loot.seal_end).expect("cuts");
            }
        }
        // K(e+1,0) follows from what the state holds; K(e,i) does not.
        let mac_key = loot.line_key(&loot.next_secret, loot.epoch + 1);
        loot.close(&segment, reason, &public(&[9; 32]), &mac_key);
        fs::remove_file(root.path().join("var/lib/auditlogd/audit.db")).expect("deletes");
        let report = auditor.check(root.path(), Macs::Checked);
        assert_ne!(
            report.verdict,
            Verdict::OkUnanchored,
            "a forged seal with reason {reason}, lines: {with_lines}"
        );
    }
}

/// A line that is put into the open epoch and sealed by the daemon itself.
#[test]
fn row_15_kill_add_a_line_and_restart() {
    let (daemon, auditor) = killed_and_restarted(|segment, loot| {
        let last = loot.open_lines(segment).pop().expect("a line");
        let text = String::from_utf8_lossy(&last).into_owned();
        let next = seq(&last) + 1;
        let rest = text.split_once(",\"ts\"").expect("a line").1.replace("{\"n\":4}", "{\"n\":7}");
        let line = format!("{{\"seq\":{next},\"ts\"{rest}");
        append(segment, &with_mac(line[..line.len() - 74].into(), &loot.next_secret));
    });
    let said = auditor.verify(daemon.root(), Macs::Unchecked, &[]);
    said.incomplete(&["the daemon was killed or crashed while the host ran on"]);
    auditor.verify(daemon.root(), Macs::Checked, &[]).caught(&["mac"]);
}

/// While it runs, the daemon seals the lines that it wrote, not those that it finds.
#[test]
fn row_15_edit_a_line_of_the_open_epoch_beside_the_running_daemon() {
    let (daemon, auditor, _) = taken();
    replace(&daemon.segment(), "{\"n\":3}", "{\"n\":7}");
    daemon.signal(Signal::SIGHUP);
    eventually("the epoch is closed", || {
        daemon.lines().last().filter(|line| line["seal"].is_object()).map(drop)
    });
    let said = auditor.verify(daemon.root(), Macs::Unchecked, &[]);
    said.caught(&["audit.jsonl", "was changed"]);
}

/// The line after a recovery is one of the daemon's: nothing of the old epoch is signed as good.
#[test]
fn row_15_a_recovery_after_a_reboot_says_so() {
    let mut lab = Lab::new();
    let auditor = Auditor::of(lab.root());
    lab.store(["a"]);
    lab.seal(Reason::Time);
    lab.store(["b"]);
    lab.reboot();
    assert!(lab.open().is_some());
    lab.stop();
    let said = auditor.verify(lab.root(), Macs::Checked, &[]);
    said.incomplete(&["the host went down in epoch 2: 1 line of it is there"]);
}
