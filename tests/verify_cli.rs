//! `auditlog verify` as it is run: what it says, keeps, refuses, and how much memory it takes.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use auditlogd::ledger::seal::Reason;
use common::lab::PEER;
use common::log::{Log, edit};
use common::tool;
use serde_json::Value;

fn verify(log: &Log, args: &[&str]) -> (Option<i32>, String) {
    let all: Vec<&str> = ["verify"].iter().chain(args).copied().collect();
    let output = tool(log.dir.path(), &all);
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).expect("utf-8"))
}

fn json(log: &Log, args: &[&str]) -> Value {
    let (_, said) = verify(log, &[args, &["--format", "json"]].concat());
    serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}"))
}

fn kept(log: &Log) -> Option<PathBuf> {
    let dir = log.dir.path().join("var/lib/auditlog/verified");
    let mut entries = fs::read_dir(dir).ok()?;
    Some(entries.next()?.expect("an entry").path())
}

#[test]
fn quick_goes_on_from_the_last_verification_and_says_so() {
    let mut log = Log::new();
    log.events(10);
    log.seal(Reason::Time);
    let (code, said) = verify(&log, &["--quick"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("the whole log was read: no earlier verification"), "{said}");
    let file = kept(&log).expect("it was kept");
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    log.events(5);
    log.seal(Reason::Time);
    let report = json(&log, &["--quick"]);
    assert_eq!((&report["verdict"], &report["exit_code"]), (&"OK, UNANCHORED".into(), &0.into()));
    assert_eq!((&report["since"]["seq"], &report["figures"]["events"]), (&13.into(), &5.into()));
    let (_, said) = verify(&log, &["--quick"]);
    assert!(said.contains("since seq 19, verified on 2"), "{said}");
    assert!(said.contains("0 events, no line\n"), "{said}");

    let good = fs::read_to_string(log.paths().active()).expect("reads");
    edit(&log.paths().active(), |text| text.lines().take(8).map(|l| l.to_owned() + "\n").collect());
    let (code, said) = verify(&log, &["--quick"]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("does not reach that far any more"), "{said}");
    let (code, said) = verify(&log, &[]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("seq 0 to 6\n"), "{said}");

    // A damaged file is as good as none, and one of another version too.
    fs::write(log.paths().active(), good).expect("writes");
    fs::write(&file, "{}").expect("writes");
    let (code, said) = verify(&log, &["--quick"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("no earlier verification"), "{said}");
}

#[test]
fn a_verification_that_found_tampering_keeps_nothing() {
    let mut log = Log::new();
    log.events(10);
    log.seal(Reason::Time);
    edit(&log.paths().active(), |text| text.replace("\"n\":5}", "\"n\":6}"));
    assert_eq!(verify(&log, &[]).0, Some(4));
    assert_eq!(kept(&log), None);

    // Nobody reads the sentence: the exit code says it all the same.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut alone = Command::new(env!("CARGO_BIN_EXE_auditlog"));
    let status = alone.arg("--root").arg(log.dir.path()).arg("verify").stdout(writer).status();
    assert_eq!(status.expect("runs").code(), Some(4));
}

#[test]
fn anchors_and_keys_are_taken_from_files_and_named_in_what_is_said() {
    let mut log = Log::new();
    log.events(10);
    log.seal(Reason::Time);
    let file = |name: &str, text: &str| {
        let path = log.dir.path().join(name);
        fs::write(&path, text).expect("writes");
        path.to_str().expect("utf-8").to_owned()
    };
    let note = file("usb", &format!("somebody's notes\n{}", log.checkpoint()));
    let (code, said) = verify(&log, &["--anchor", &note]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("OK, ANCHORED up to seq 12 of 2026-11-21T01:23:45"), "{said}");
    assert!(said.contains(&format!("by {note}: everything holds; nothing is after it")), "{said}");
    let report = json(&log, &["--anchor", &note]);
    assert_eq!(report["anchored"]["covered"]["size"], 13);
    assert_eq!(report["anchored"]["key_from"], "log");

    // A file to which checkpoints were appended for years.
    let years = "somebody's notes\n".repeat((64 << 20) / 16);
    let years = file("years", &format!("{years}{}", log.checkpoint()));
    let (code, said) = verify(&log, &["--anchor", &years]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("only the anchors at its end are used"), "{said}");

    let nothing = file("nothing", "hello\n");
    let vkey = log.paths().checkpoint_vkey().display().to_string();
    let long = "99999999999999h".to_owned();
    for (args, code, says) in [
        (["--anchor", &nothing], 3, "it holds neither a checkpoint"),
        (["--anchor", "missing"], 3, "cannot use 'missing' as an anchor: No such file"),
        (["--witness", "x"], 2, "'x' is neither a verifier key nor a file"),
        (["--vkey", &nothing], 2, "holds no verifier key"),
        (["--witness", &vkey], 2, "is the key of a log: give that of a witness"),
        (["--key", "x"], 2, "'x' is neither 64 hex digits nor a file"),
        (["--key", &nothing], 2, "is no key: it should hold 64 hex digits"),
        (["--auditor-key", "missing"], 3, "cannot read the key 'missing'"),
        (["--max-gap", "soon"], 2, "'soon' is not a duration; use for example 90s"),
        (["--max-gap", &long], 2, "is not a duration"),
    ] {
        let (found, said) = verify(&log, &args);
        assert_eq!(found, Some(code), "{args:?}: {said}");
        assert!(said.starts_with("error: ") && said.contains(says), "{args:?}: {said}");
    }
}

#[test]
fn what_a_copy_lacks_and_a_secret_that_others_may_read_are_said() {
    let mut log = Log::new();
    log.events(3);
    log.seal(Reason::Time);
    let (_, said) = verify(&log, &[]);
    assert!(!said.contains("there is no seals.jsonl"), "{said}");
    let (log_dir, key) = (log.paths().log_dir, log.paths().genesis_pub());
    let paths = [log_dir.to_str(), key.to_str()].map(|path| path.expect("utf-8"));
    let (code, said) = verify(&log, &[paths[0], "--key", paths[1]]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("seals       there is no seals.jsonl"), "{said}");

    let secret = log.paths().auditor_key();
    let args = ["--auditor-key", secret.to_str().expect("utf-8")];
    for (mode, warned) in [(0o600, false), (0o644, true)] {
        fs::set_permissions(&secret, fs::Permissions::from_mode(mode)).expect("sets");
        let (code, said) = verify(&log, &args);
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(said.contains("holds a secret, and others may read it"), warned, "{said}");
    }
}

#[test]
fn a_host_whose_daemon_has_been_silent_is_incomplete() {
    let mut log = Log::new();
    // The log's clock stands still in a year that is past or to come: the host's own is what counts.
    log.wait(-400 * 86_400);
    log.events(1);
    log.seal(Reason::Stop);
    let (code, said) = verify(&log, &["--max-gap", "1h"]);
    assert!(matches!(code, Some(4 | 5)), "{said}");
    let log_dir = log.paths().log_dir;
    let key = log.paths().genesis_pub();
    let args = [log_dir.to_str(), Some("--key"), key.to_str(), Some("--max-gap"), Some("1000d")];
    let args: Vec<&str> = args.into_iter().flatten().collect();
    assert!(!verify(&log, &args).1.contains("nothing has been written since"), "a copy is silent");
}

#[test]
fn memory_does_not_grow_with_the_segment() {
    const SEGMENT: u64 = 100 << 20;
    let mut log = Log::new();
    let event = format!(r#"{{"event_type":"test","data":"{}"}}"#, "x".repeat(60_000));
    let paths = log.paths();
    while fs::metadata(paths.active()).expect("a segment").len() < SEGMENT {
        let ledger = log.ledger();
        for _ in 0..16 {
            ledger
                .sign("2026-11-21T01:23:45.123456789Z", b"", PEER, event.as_bytes())
                .expect("signs");
        }
        ledger.store().expect("stored");
    }
    log.seal(Reason::Time);
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -d 49152 && exec \"$@\"", "sh", env!("CARGO_BIN_EXE_auditlog")]);
    limited.arg("--root").arg(log.dir.path()).arg("verify");
    let output = limited.output().expect("sh");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "48 MiB are enough for any segment: {said}");
}

#[test]
fn a_file_that_looks_like_a_segment_and_is_none_is_named() {
    let mut log = Log::new();
    log.events(1);
    log.seal(Reason::Time);
    fs::write(log.paths().log_dir.join("audit.jsonl-9"), "{\"auditlog\":2}\n").expect("writes");
    let (code, said) = verify(&log, &[]);
    assert_eq!(code, Some(0), "{said}");
    let named = said.lines().find(|line| line.starts_with("not read ")).expect("a line");
    assert!(named.contains("audit.jsonl-9\" looks like a segment"), "{named}");
}
