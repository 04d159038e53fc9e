//! Witnesses: what they cosign, and what is said when they do not.

use std::fs;

use auditlogd::ledger::checkpoint::Checkpoint;
use auditlogd::ledger::note::{Note, Signed, VerifierKey};
use serde_json::Value;

use super::common::{Daemon, eventually, pruning};
use super::cosigner::{Asked, State, Witness, config, vkey};
use super::helpers::*;

/// A witness that knows the log of a daemon that knows it.
fn pair() -> (Witness, Daemon) {
    let witness = Witness::start();
    let daemon = Daemon::start();
    witness.trust(&fs::read_to_string(state_file(&daemon, "checkpoint.vkey")).expect("a key"));
    daemon.configure(&witness.config());
    daemon.reload();
    (witness, daemon)
}

/// The first note in `checkpoint.cosigned`.
fn cosigned(daemon: &Daemon) -> Note {
    let text = fs::read_to_string(state_file(daemon, "checkpoint.cosigned")).expect("text");
    Note::parse(&text).expect("a signed note")
}

fn asked(witness: &Witness) -> Vec<Asked> {
    std::mem::take(&mut witness.state().asked)
}

/// The refusal of the last checkpoint, once the witness has given it.
fn refusal(daemon: &Daemon, part: &str) -> Value {
    anchor(daemon, part, |anchor| anchor["error"].as_str().is_some_and(|text| text.contains(part)))
}

#[test]
fn each_checkpoint_is_cosigned_and_the_cosignature_holds() {
    let (witness, daemon) = pair();
    let key: VerifierKey = witness.vkey().parse().expect("a key");
    let mut last = 0;
    for _ in 0..5 {
        let note = seal(&daemon);
        delivered(&daemon, &note);
        assert_eq!(witness.size(), size(&note));
        let cosigned = cosigned(&daemon);
        assert_eq!(cosigned.text(), Note::parse(&note).expect("a note").text());
        assert!(matches!(cosigned.verify(&key), Ok(Signed::At(time)) if time > 1_700_000_000));
        assert!(cosigned.to_string().starts_with(&note));
        assert!(size(&note) > last);
        last = size(&note);
    }
    let asked = asked(&witness);
    assert!(asked.iter().all(|asked| asked.status == 200), "{asked:?}");
    assert!(asked.windows(2).all(|two| two[1].old == two[0].size), "{asked:?}");
    assert!(asked.iter().any(|asked| asked.proof_lines > 0), "{asked:?}");
    let stopped = daemon.stop().daemon;
    assert_eq!(witness.size(), size(&checkpoint(&stopped)));
}

#[test]
fn a_restart_goes_on_where_the_witness_is_and_without_that_knowledge_asks_it() {
    let (witness, daemon) = pair();
    let note = seal(&daemon);
    delivered(&daemon, &note);
    asked(&witness);
    let daemon = Daemon::start_in(daemon.kill(), &witness.config());
    let after = checkpoint(&daemon);
    delivered(&daemon, &after);
    let first = asked(&witness)[0].clone();
    assert_eq!((first.old, first.size, first.status), (size(&note), size(&after), 200));

    fs::remove_file(state_file(&daemon, "anchors.json")).expect("removed");
    let daemon = Daemon::start_in(daemon.kill(), &witness.config());
    let last = checkpoint(&daemon);
    delivered(&daemon, &last);
    let asked: Vec<_> = asked(&witness).iter().map(|asked| (asked.old, asked.status)).collect();
    assert_eq!(asked, [(0, 409), (size(&after), 200)]);
}

#[test]
fn a_witness_that_was_away_gets_what_it_missed_in_one_step() {
    let (witness, daemon) = pair();
    let first = seal(&daemon);
    delivered(&daemon, &first);
    let (address, state) = (witness.address(), witness.state.clone());
    let config = witness.config();
    drop(witness);
    for _ in 0..4 {
        seal(&daemon);
    }
    let missed = seal(&daemon);
    assert!(refusal(&daemon, "it cannot be reached")["size"].as_u64() == Some(size(&first)));
    // The same witness comes back, with what it knew.
    let again = Witness::listen(&address);
    assert_eq!(again.config(), config);
    *again.state() = std::mem::take(&mut *state.lock().expect("not poisoned"));
    delivered(&daemon, &missed);
    let last = asked(&again).pop().expect("asked");
    assert_eq!((last.old, last.size, last.status), (size(&first), size(&missed), 200));
    assert!(last.proof_lines > 0);
}

#[test]
fn a_witness_that_was_away_while_retention_deleted_what_it_missed_goes_on() {
    let (witness, daemon) = pair();
    let first = seal(&daemon);
    delivered(&daemon, &first);
    let segments = daemon.segment().parent().expect("a directory").to_owned();
    for name in ["1", "2", "3"] {
        daemon.greeted().store("{}", 1);
        fs::rename(daemon.segment(), segments.join(name)).expect("renames");
        daemon.reload();
    }
    let root = daemon.stop().daemon.kill();
    // As if it had not been there since.
    let known = size(&first);
    let state = std::mem::take(&mut *witness.state());
    let old = Note::parse(&first).expect("a note");
    let old = Checkpoint::parse(old.text()).expect("a checkpoint");
    let origin = state.logs.keys().next().expect("a log").clone();
    *witness.state() = State { latest: [(origin, (known, old.root))].into(), ..state };
    asked(&witness);
    fs::remove_file(root.path().join("var/lib/auditlogd/anchors.json")).expect("removes");
    let (record, gone) = pruning::of(&segments, 1..3, 0);
    pruning::record(root.path(), &[record]);
    gone.iter().for_each(|path| fs::remove_file(path).expect("removes"));
    let daemon = Daemon::start_in(root, &witness.config());
    let last = seal(&daemon);
    delivered(&daemon, &last);
    let (hole, asked) = (pruning::of(&segments, 1..1, 0).0, asked(&witness));
    assert!(known < pruning::of_record(&hole).first_seq);
    let over = asked.iter().find(|asked| asked.old == known).expect("asked");
    assert_eq!(over.status, 200, "{asked:?}");
    assert!(over.proof_lines > 0);
}

#[test]
fn an_answer_of_another_witness_is_not_taken() {
    let (witness, daemon) = pair();
    let other = ed25519_dalek::SigningKey::from_bytes(&[8; 32]).verifying_key();
    let other = vkey("witness.example/w1", 4, &other);
    daemon.configure(&config(&witness.address(), &other));
    seal(&daemon);
    refusal(&daemon, "its answer has no cosignature by vkey");
    let notes = fs::read_to_string(state_file(&daemon, "checkpoint.cosigned")).unwrap_or_default();
    let key: VerifierKey = other.parse().expect("a key");
    assert!(Note::parse(&notes).is_ok_and(|note| note.verify(&key).is_err()) || notes.is_empty());
}

#[test]
fn refusals_say_what_to_do() {
    let witness = Witness::start();
    let daemon = Daemon::start_with(&witness.config());
    seal(&daemon);
    refusal(&daemon, "it does not know this log (404)");
    // The log's name with another key.
    let mine = fs::read_to_string(state_file(&daemon, "checkpoint.vkey")).expect("a key");
    let origin = mine.split('+').next().expect("a name");
    let other = ed25519_dalek::SigningKey::from_bytes(&[7; 32]).verifying_key();
    witness.trust(&vkey(origin, 1, &other));
    refusal(&daemon, "it does not accept this log's signature (403)");
    witness.trust(&mine);
    let note = checkpoint(&daemon);
    delivered(&daemon, &note);
}

#[test]
fn a_witness_with_another_history_of_the_log_is_an_alarm() {
    let (witness, daemon) = pair();
    let note = seal(&daemon);
    delivered(&daemon, &note);
    witness.state().latest.values_mut().for_each(|(_, root)| root[0] ^= 1);
    seal(&daemon);
    refusal(&daemon, "is no beginning of the log here (422)");
    witness.state().latest.values_mut().for_each(|(size, _)| *size += 1_000_000);
    refusal(&daemon, "the end was cut off");
    let alarm = || daemon.log().contains("ERROR") && daemon.log().contains("another history");
    eventually("an alarm", || alarm().then_some(()));
}
