//! `auditlog prove` on a live, rotated, compressed and pruned log, and `auditlog verify-proof` without it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use auditlogd::ledger::checkpoint::Checkpoint;
use auditlogd::ledger::note::Note;
use auditlogd::ledger::proof::{self, BuildError};
use auditlogd::ledger::segment;
use data_encoding::BASE64;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::common::{Daemon, eventually};

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// A daemon with events whose ids are `e1` to `e<events>`.
fn daemon_with(events: u64) -> Daemon {
    let daemon = Daemon::start();
    let mut client = daemon.greeted();
    for n in 1..=events {
        client.store(&format!(r#"{{"event_id":"e{n}","event_type":"t","n":{n}}}"#), n);
    }
    daemon
}

/// Closes the open segment under another name.
fn rotate(daemon: &Daemon, suffix: &str) -> PathBuf {
    let to = daemon.segment().with_file_name(format!("audit.jsonl-{suffix}"));
    fs::rename(daemon.segment(), &to).expect("renames");
    daemon.reload();
    eventually("the log is reopened", || daemon.segment().exists().then_some(()));
    to
}

fn state(daemon: &Daemon, file: &str) -> PathBuf {
    daemon.root().join("var/lib/auditlogd").join(file)
}

/// The proof for an event.
fn prove(daemon: &Daemon, event: &str) -> String {
    let output = daemon.tool(&["prove", event]);
    assert_eq!(code(&output), Some(0), "{}", said(&output));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// What verify-proof says where there is neither a log nor a configuration.
fn verify(proof: &str, args: &[&str]) -> (Option<i32>, Value) {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("event.tlog-proof");
    fs::write(&file, proof).expect("writes");
    let mut command = Command::new(env!("CARGO_BIN_EXE_auditlog"));
    command.args(["verify-proof", "--format", "json"]).arg(file).args(args);
    let output = command.env_clear().current_dir(dir.path()).output().expect("runs");
    let answer = serde_json::from_slice(&output.stdout);
    (code(&output), answer.unwrap_or_else(|_| panic!("{}", said(&output))))
}

fn vkey(daemon: &Daemon) -> String {
    fs::read_to_string(state(daemon, "checkpoint.vkey")).expect("the key").trim().to_owned()
}

/// By code that nobody of this project wrote: the note by signed_note, the path by tlog_tiles. The
/// file is taken apart here as c2sp.org/tlog-proof says.
fn verify_by_others(proof: &str, vkey: &str) -> Result<Vec<u8>, String> {
    let (head, note) = proof.split_once("\n\n").ok_or("two parts")?;
    let mut head = head.lines();
    assert_eq!(head.next(), Some("c2sp.org/tlog-proof@v1"));
    let extra = head.next().and_then(|line| line.strip_prefix("extra ")).ok_or("extra")?;
    let line = BASE64.decode(extra.as_bytes()).map_err(|e| e.to_string())?;
    let index = head.next().and_then(|line| line.strip_prefix("index ")).ok_or("index")?;
    let path: Result<Vec<_>, _> = head.map(tlog_tiles::Hash::parse_hash).collect();
    let path = path.map_err(|e| format!("{e:?}"))?;
    let key = signed_note::StandardVerifier::new(vkey).map_err(|e| e.to_string())?;
    let note = signed_note::Note::from_bytes(note.as_bytes()).map_err(|e| e.to_string())?;
    let known = signed_note::VerifierList::new(vec![Box::new(key)]);
    note.verify(&known).map_err(|e| e.to_string())?;
    let checkpoint = tlog_tiles::Checkpoint::from_bytes(note.text()).map_err(|e| e.to_string())?;
    let index = index.parse().map_err(|_| "index")?;
    let leaf = tlog_tiles::record_hash(&line);
    tlog_tiles::check_record(&path, checkpoint.size(), *checkpoint.hash(), index, leaf)
        .map_err(|e| format!("{e:?}"))?;
    Ok(line)
}

#[test]
fn a_proof_is_checked_without_the_log_and_by_others() {
    let daemon = daemon_with(20);
    daemon.settle();
    daemon.reload();
    let segment = fs::read_to_string(daemon.segment()).expect("the segment");
    let key = vkey(&daemon);
    for (event, n) in [("e1", 1), ("e20", 20), ("9", 7)] {
        let proof = prove(&daemon, event);
        let (code, answer) = verify(&proof, &["--vkey", &key]);
        assert_eq!((code, &answer["verdict"]), (Some(0), &"PROVEN".into()), "{answer}");
        assert_eq!(answer["line"]["event"]["n"], n, "{event}");
        let line = verify_by_others(&proof, &key).expect("others agree");
        let line = String::from_utf8(line).expect("UTF-8");
        assert!(segment.lines().any(|known| known == line), "byte for byte as in the ledger");
        let value: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(value, answer["line"], "and as in the answer");
    }
}

#[test]
fn an_event_that_no_seal_covers_is_proven_after_the_next() {
    let daemon = Daemon::start_with("[ledger]\nepoch_seconds = 3600\n");
    daemon.greeted().store(r#"{"event_id":"late"}"#, 1);
    daemon.settle();
    let output = daemon.tool(&["prove", "late"]);
    assert_eq!(code(&output), Some(1));
    assert!(said(&output).contains("no checkpoint covers seq") && output.stdout.is_empty());
    // Waiting ends with the seal that a reload makes.
    let proof = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| daemon.tool(&["prove", "late", "--wait"]));
        daemon.reload();
        waiting.join().expect("proves")
    });
    assert_eq!(code(&proof), Some(0), "{}", said(&proof));
    let proof = String::from_utf8(proof.stdout).expect("UTF-8");
    assert_eq!(verify(&proof, &["--vkey", &vkey(&daemon)]).0, Some(0));
    let output = daemon.tool(&["prove", "987654321", "--wait"]);
    assert_eq!(code(&output), Some(1));
    assert!(said(&output).contains("no event with the seq 987654321: the log ends before it"));
    let output = daemon.tool(&["prove", "nobody-has-this-id"]);
    assert_eq!(code(&output), Some(1), "{}", said(&output));
}

#[test]
fn lines_of_rotated_compressed_and_pruned_segments_are_proven() {
    let daemon = daemon_with(10);
    daemon.settle();
    let first = rotate(&daemon, "1");
    let mut client = daemon.greeted();
    (1..=10).for_each(|n| drop(client.store(&format!(r#"{{"event_id":"f{n}"}}"#), n)));
    daemon.settle();
    let second = rotate(&daemon, "2");
    daemon.greeted().store(r#"{"event_id":"g"}"#, 1);
    daemon.settle();
    daemon.reload();
    let compressed = zstd::encode_all(&fs::read(&second).expect("reads")[..], 3).expect("zstd");
    fs::write(second.with_extension("zst"), compressed).expect("writes");
    fs::remove_file(&second).expect("removes");
    let key = vkey(&daemon);
    for event in ["e4", "f7", "g"] {
        let proof = prove(&daemon, event);
        assert_eq!(verify(&proof, &["--vkey", &key]).0, Some(0), "{event}");
        verify_by_others(&proof, &key).expect("others agree");
    }
    // Without the first segment: the header of the second is enough for what comes after it.
    fs::remove_file(&first).expect("removes");
    for event in ["f7", "g"] {
        verify_by_others(&prove(&daemon, event), &key).expect("others agree");
    }
    let output = daemon.tool(&["prove", "e4"]);
    assert_eq!(code(&output), Some(3));
    assert!(said(&output).contains("is not in the log any more"), "{}", said(&output));
}

#[test]
fn a_proof_that_needs_lines_of_a_hole_says_which() {
    let daemon = daemon_with(3);
    let segments = daemon.segment().parent().expect("a directory").to_owned();
    let gone = ["1", "2", "3"].map(|suffix| {
        let mut client = daemon.greeted();
        (1..=3).for_each(|n| drop(client.store(&format!(r#"{{"event_id":"s{suffix}{n}"}}"#), n)));
        rotate(&daemon, suffix)
    });
    daemon.settle();
    let found = segment::list(&segments).expect("lists");
    let (first, end) = (found[1].header.first_seq, found[2].header.first_seq);
    let lost = format!("lines {first} to {}", end - 1);
    fs::remove_file(&gone[1]).expect("removes");
    verify_by_others(&prove(&daemon, "s32"), &vkey(&daemon)).expect("it is behind the hole");
    for (event, what) in [("s22", "is not in the log any more"), ("e2", "the proof needs")] {
        let output = daemon.tool(&["prove", event]);
        assert_eq!(code(&output), Some(3), "{}", said(&output));
        assert!(said(&output).contains(what) && said(&output).contains(&lost), "{}", said(&output));
    }
    let id = &found[0].header.log_id;
    for old in [first - 2, first, end - 1] {
        let made = proof::consistency(&segments, id, old, end + 1);
        assert!(matches!(made, Err(BuildError::Hole { .. })), "{old}: {made:?}");
    }
    let made = proof::consistency(&segments, id, end, end + 1).expect("it begins behind the hole");
    assert_eq!(made.old_root, found[2].header.tree().expect("a frontier").root());
}

#[test]
fn a_changed_log_is_not_proven() {
    let daemon = daemon_with(5);
    daemon.settle();
    daemon.reload();
    let text = fs::read_to_string(daemon.segment()).expect("reads");
    fs::write(daemon.segment(), text.replace(r#""n":3"#, r#""n":4"#)).expect("writes");
    let output = daemon.tool(&["prove", "e5"]);
    assert_eq!((code(&output), output.stdout.len()), (Some(4), 0), "{}", said(&output));
}

#[test]
fn forged_proofs_are_false_and_foreign_ones_unverifiable() {
    let daemon = daemon_with(5);
    daemon.settle();
    daemon.reload();
    let key = vkey(&daemon);
    let (proof, other) = (prove(&daemon, "e3"), prove(&daemon, "e4"));
    let field = |proof: &str, at: usize| proof.lines().nth(at).expect("a line").to_owned();
    let with = |from: &str, to: &str| verify(&proof.replacen(from, to, 1), &["--vkey", &key]);
    let size = field(&proof, proof.lines().position(str::is_empty).expect("a blank line") + 2);
    for (what, (code, answer)) in [
        ("another line", with(&field(&proof, 1), &field(&other, 1))),
        ("another index", with(&field(&proof, 2), &field(&other, 2))),
        ("another hash", with(&field(&proof, 3), &field(&other, 3))),
        ("a hash less", with(&format!("{}\n", field(&proof, 3)), "")),
        ("another size", with(&format!("\n{size}\n"), &format!("\n{size}0\n"))),
    ] {
        assert_eq!((code, &answer["verdict"]), (Some(4), &"FALSE".into()), "{what}: {answer}");
    }
    let stranger = daemon_with(0);
    for (what, (code, answer)) in [
        ("no proof", verify("x\n", &["--vkey", &key])),
        ("of another log", verify(&proof, &["--vkey", &vkey(&stranger)])),
        ("without its line", with(&format!("{}\n", field(&proof, 1)), "")),
    ] {
        assert_eq!(
            (code, &answer["verdict"]),
            (Some(6), &"UNVERIFIABLE".into()),
            "{what}: {answer}"
        );
    }
}

/// What a witness is asked about: the old tree is the new one's beginning.
#[test]
fn a_checkpoint_is_proven_to_continue_an_older_one() {
    let daemon = daemon_with(7);
    let segments = daemon.segment().parent().expect("a directory").to_owned();
    let mut seen = Vec::new();
    for round in ["1", "2", "3"] {
        daemon.greeted().store("{}", 1);
        rotate(&daemon, round);
        let note = fs::read_to_string(state(&daemon, "checkpoint")).expect("the checkpoint");
        let note = Note::parse(&note).expect("a note");
        seen.push(Checkpoint::parse(note.text()).expect("a checkpoint"));
    }
    let id = data_encoding::HEXLOWER.encode(&seen[0].log_id().expect("a log"));
    for (old, new) in [(0, 1), (0, 2), (1, 2), (1, 1)] {
        let (old, new) = (&seen[old], &seen[new]);
        let made = proof::consistency(&segments, &id, old.size, new.size).expect("a proof");
        assert_eq!((made.old_root, made.new_root), (old.root, new.root));
        let (from, to) = ((old.size, &old.root), (new.size, &new.root));
        assert!(proof::verify_consistency(from, to, &made.path));
        if old.size < new.size {
            let path = made.path.iter().map(|hash| tlog_tiles::Hash(*hash)).collect();
            let (root, before) = (tlog_tiles::Hash(new.root), tlog_tiles::Hash(old.root));
            tlog_tiles::check_tree(&path, new.size, root, old.size, before).expect("others agree");
        }
    }
    let beyond = proof::consistency(&segments, &id, seen[0].size, seen[2].size + 1000);
    assert!(matches!(beyond, Err(BuildError::Missing(_))), "{beyond:?}");
}

#[test]
fn a_lost_verifier_key_is_put_back_as_it_was() {
    let daemon = daemon_with(1);
    let key = vkey(&daemon);
    let leaf = &daemon.lines()[1]["event"]["data"];
    assert_eq!(leaf["checkpoint_vkey"], key.as_str(), "leaf 0 vouches for it");
    fs::remove_file(state(&daemon, "checkpoint.vkey")).expect("removes");
    let daemon = Daemon::start_in(daemon.kill(), "");
    assert_eq!(vkey(&daemon), key);
}

/// What whoever has the log's checkpoint key can sign, and is still no proof.
#[test]
fn a_true_signature_over_something_else_proves_nothing() {
    let key = SigningKey::from_bytes(&[7; 32]);
    let typed = [&[1u8][..], key.verifying_key().as_bytes()].concat();
    let id = Sha256::digest([b"log\n", &typed[..]].concat());
    let hex = data_encoding::HEXLOWER.encode(&id[..4]);
    let vkey = format!("log+{hex}+{}", BASE64.encode(&typed));
    let line = format!(
        r#"{{"seq":0,"ts":"2026-11-21T01:23:45.123456789Z","id":"x","peer":{{}},"event":{{}},"mac":"{}"}}"#,
        "ab".repeat(32)
    );
    let check = |origin: &str, line: &str| {
        let root = Sha256::digest([&[0], line.as_bytes()].concat());
        let text = format!("{origin}\n1\n{}\n", BASE64.encode(&root));
        let signature = [&id[..4], &key.sign(text.as_bytes()).to_bytes()].concat();
        let note = format!("{text}\n\u{2014} log {}\n", BASE64.encode(&signature));
        let extra = BASE64.encode(line.as_bytes());
        let proof = format!("c2sp.org/tlog-proof@v1\nextra {extra}\nindex 0\n\n{note}");
        assert!(verify_by_others(&proof, &vkey).is_ok(), "to others any leaf is fine");
        verify(&proof, &["--vkey", &vkey]).0
    };
    assert_eq!(check("log", &line), Some(0));
    assert_eq!(check("another", &line), Some(4), "another log's checkpoint");
    assert_eq!(check("log", &line.replace(":0,", ":1,")), Some(4), "another seq");
    assert_eq!(check("log", "words"), Some(4), "no line of a ledger");
}

/// A line of signature as a witness makes it (c2sp.org/tlog-cosignature).
fn cosign(key: &SigningKey, text: &str, time: u64) -> (String, String) {
    let typed = [&[4u8][..], key.verifying_key().as_bytes()].concat();
    let id = Sha256::digest([b"w.example/1\n", &typed[..]].concat());
    let message = format!("cosignature/v1\ntime {time}\n{text}");
    let signature = key.sign(message.as_bytes()).to_bytes();
    let bytes = [&id[..4], &time.to_be_bytes(), &signature].concat();
    let hex = data_encoding::HEXLOWER.encode(&id[..4]);
    let vkey = format!("w.example/1+{hex}+{}", BASE64.encode(&typed));
    (vkey, format!("\u{2014} w.example/1 {}\n", BASE64.encode(&bytes)))
}

#[test]
fn a_cosigned_checkpoint_is_preferred_and_its_witness_named() {
    let daemon = daemon_with(3);
    daemon.settle();
    daemon.reload();
    let note = fs::read_to_string(state(&daemon, "checkpoint")).expect("the checkpoint");
    let text = format!("{}\n", note.split("\n\n").next().expect("the text"));
    let key = SigningKey::from_bytes(&[9; 32]);
    let (witness, line) = cosign(&key, &text, 1_800_000_000);
    fs::write(state(&daemon, "checkpoint.cosigned"), format!("{note}{line}")).expect("writes");
    // A newer checkpoint, which nobody has cosigned.
    daemon.greeted().store("{}", 1);
    daemon.reload();
    let proof = prove(&daemon, "e2");
    let log = vkey(&daemon);
    let (code, answer) = verify(&proof, &["--vkey", &log, "--witness", &witness]);
    assert_eq!(code, Some(0), "{answer}");
    assert_eq!(answer["witnesses"][0]["name"], "w.example/1");
    assert_eq!(answer["witnesses"][0]["time"], "2027-01-15T08:00:00.000000000Z");
    let (stranger, _) = cosign(&SigningKey::from_bytes(&[8; 32]), &text, 1);
    let (code, _) = verify(&proof, &["--vkey", &log, "--witness", &stranger]);
    assert_eq!(code, Some(6), "a witness that has not signed");
    let (_, of_another_text) = cosign(&key, "another\n", 1_800_000_000);
    let forged = proof.replace(&line, &of_another_text);
    let (code, _) = verify(&forged, &["--vkey", &log, "--witness", &witness]);
    assert_eq!(code, Some(4), "a forged cosignature");
    assert_eq!(
        verify(&forged, &["--vkey", &log]).0,
        Some(0),
        "which means nothing without its key"
    );
}

#[test]
fn the_answer_for_people_is_safe_for_a_terminal() {
    let daemon = Daemon::start();
    daemon.greeted().store(r#"{"event_id":"a\u001b[2Jb","actor":"\u202ex"}"#, 1);
    daemon.reload();
    let seq = daemon.events()[0]["seq"].to_string();
    let file = daemon.root().join("p");
    let file = file.to_str().expect("UTF-8");
    let output = daemon.tool(&["prove", &seq, "-o", file]);
    assert_eq!(code(&output), Some(0), "{}", said(&output));
    let key = state(&daemon, "checkpoint.vkey");
    let output = daemon.tool(&["verify-proof", file, "--vkey", key.to_str().expect("UTF-8")]);
    let text = said(&output);
    assert_eq!(code(&output), Some(0), "{text}");
    assert!(text.starts_with("PROVEN: this event is in the log "), "{text}");
    assert!(text.contains(r"a\u001b[2Jb") && !text.contains(['\u{1b}', '\u{202e}']), "{text}");
    assert!(Path::new(file).exists());
}
