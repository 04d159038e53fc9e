//! The tool `auditlog` with a real daemon: what goes in by `emit` comes out of everything else.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// A daemon on a directory of its own.
struct Daemon {
    root: TempDir,
    process: Option<Child>,
}

impl Daemon {
    fn start() -> Self {
        let mut daemon = Self { root: tempfile::tempdir().expect("a directory"), process: None };
        daemon.resume();
        daemon
    }

    fn resume(&mut self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_auditlogd"));
        command.env_clear().arg("--root").arg(self.root.path()).stderr(Stdio::null());
        self.process = Some(command.spawn().expect("auditlogd starts"));
        eventually("the daemon answers", || self.run(&["status"]).status.success());
    }

    fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let pid = Pid::from_raw(i32::try_from(process.id()).expect("a process id"));
            kill(pid, Signal::SIGTERM).expect("a signal");
            process.wait().expect("the daemon ends");
        }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_auditlog"));
        command.env_clear().env("TZ", "UTC").arg("--root").arg(self.root.path());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command().args(args).stdin(Stdio::null()).output().expect("auditlog starts")
    }

    /// Sends lines and waits until the database has them.
    fn store(&self, lines: &str) {
        let mut command = self.command();
        command.arg("emit").stdin(Stdio::piped()).stdout(Stdio::null());
        let mut emit = command.spawn().expect("auditlog starts");
        let written = emit.stdin.take().expect("a pipe").write_all(lines.as_bytes());
        written.expect("auditlog reads");
        assert!(emit.wait().expect("auditlog ends").success());
        self.settle();
    }

    /// Waits until the database has every line of the ledger.
    fn settle(&self) {
        eventually("the index is up to date", || {
            text(&self.run(&["status"]).stdout).contains("up to date")
        });
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop();
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("utf-8")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("no signal")
}

/// The first column of each line.
fn seqs(output: &Output) -> Vec<u64> {
    let first = |line: &str| line.split([' ', ',']).find(|w| !w.is_empty()).map(str::to_owned);
    text(&output.stdout).lines().filter_map(|line| first(line)?.parse().ok()).collect()
}

const EVENTS: &str = r#"{"event_type":"auth.login","actor":"alice","priority":"warning","outcome":"failure"}
{"event_type":"auth.logout","actor":"bob","priority":"info","source":"sshd"}
{"event_type":"file.change","actor":"alice","priority":"err","comment":"Two words"}
"#;

#[test]
fn query_finds_events_by_each_condition() {
    let daemon = Daemon::start();
    daemon.store(EVENTS);
    let me = nix::unistd::getuid().to_string();
    for (args, want) in [
        (&["--type", "auth.login"][..], &[3][..]),
        (&["--type", "auth.*"], &[4, 3]),
        (&["--actor", "alice", "--reverse"], &[3, 5]),
        (&["--outcome", "failure"], &[3]),
        (&["--source", "sshd"], &[4]),
        (&["--priority", "warning"], &[5, 3]),
        (&["--uid", &me, "--limit", "1"], &[5]),
        (&["words", "TWO"], &[5]),
        (&["words", "no"], &[]),
        (&["--since", "1h", "--until", "1m"], &[]),
        (&["--actor", "alice", "--since", "today", "--format", "csv"], &[5, 3]),
    ] {
        let output = daemon.run(&[&["query"][..], args].concat());
        assert_eq!(seqs(&output), want, "{args:?}");
        assert_eq!(code(&output), i32::from(want.is_empty()), "{args:?}");
    }
}

#[test]
fn a_query_without_a_match_gives_a_hint() {
    let daemon = Daemon::start();
    daemon.store(EVENTS);
    let output = daemon.run(&["query", "--type", "auth"]);
    assert_eq!(text(&output.stderr), "no event matches; --type 'auth.*' would\n");
    let output = daemon.run(&["query", "--type", "nothing"]);
    assert!(text(&output.stderr).starts_with("no event matches; the newest of all is seq 5 of "));
    assert_eq!(code(&output), 1);
}

#[test]
fn show_tells_everything_about_one_event_by_seq_or_id() {
    let daemon = Daemon::start();
    daemon.store("{\"event_id\":\"my-1\",\"actor\":\"alice\",\"n\":1.0}\n");
    let by_seq = daemon.run(&["show", "3"]);
    let by_id = daemon.run(&["show", "my-1"]);
    assert_eq!(text(&by_seq.stdout), text(&by_id.stdout));
    let shown = text(&by_seq.stdout);
    let me = nix::unistd::getuid();
    for part in ["actor         alice\n", &format!(", uid {me}"), "  \"n\": 1.0\n"] {
        assert!(shown.contains(part), "{part:?} is missing in\n{shown}");
    }
    let json = daemon.run(&["show", "my-1", "--format", "json"]);
    let value: serde_json::Value = serde_json::from_slice(&json.stdout).expect("an object");
    assert_eq!(value["event"]["event_id"], "my-1");
    assert_eq!(code(&daemon.run(&["show", "77"])), 1);
}

#[test]
fn show_finds_the_seal_that_covers_an_event_and_knows_a_seal_from_an_event() {
    let mut daemon = Daemon::start();
    daemon.store(EVENTS);
    daemon.stop();
    let shown = daemon.run(&["show", "3"]);
    // The sums and the record of the stop are the last events, its seal follows.
    assert!(text(&shown.stdout).contains("\nseal          seq 8 of "), "{}", text(&shown.stdout));
    let seal = daemon.run(&["show", "8"]);
    assert_eq!(code(&seal), 1);
    assert!(text(&seal.stderr).starts_with("seq 8 is no event but a seal:\n{\"seq\":8,"));
}

#[test]
fn tail_shows_the_last_events_oldest_first() {
    let daemon = Daemon::start();
    daemon.store(EVENTS);
    assert_eq!(seqs(&daemon.run(&["tail", "-n", "2"])), [4, 5]);
    assert_eq!(seqs(&daemon.run(&["tail", "-n", "2", "--actor", "alice"])), [3, 5]);
}

#[test]
fn tail_follows_through_a_rebuild_without_gap_or_repetition() {
    let daemon = Daemon::start();
    daemon.store(EVENTS);
    let mut command = daemon.command();
    command.args(["tail", "-f", "-n", "1", "--format", "jsonl"]).stdout(Stdio::piped());
    let mut tail = command.spawn().expect("auditlog starts");
    let mut lines = BufReader::new(tail.stdout.take().expect("a pipe")).lines();
    let mut next = || -> serde_json::Value {
        serde_json::from_str(&lines.next().expect("a line").expect("text")).expect("json")
    };
    assert_eq!(next()["seq"], 5);
    daemon.store("{\"n\":1}\n");
    assert_eq!(next()["event"]["n"], 1);
    assert_eq!(code(&daemon.run(&["reindex"])), 0);
    daemon.store("{\"n\":2}\n{\"n\":3}\n");
    assert_eq!((next()["event"]["n"].clone(), next()["event"]["n"].clone()), (2.into(), 3.into()));
    tail.kill().and_then(|()| tail.wait()).expect("it ends");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let daemon = Daemon::start();
    daemon.store(&EVENTS.repeat(2_000));
    let mut command = daemon.command();
    command.args(["query", "--limit", "0"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut query = command.spawn().expect("auditlog starts");
    let mut line = String::new();
    BufReader::new(query.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    let output = query.wait_with_output().expect("auditlog ends");
    assert_eq!((code(&output), text(&output.stderr)), (0, ""));
}

#[test]
fn a_table_that_is_cut_says_so() {
    let daemon = Daemon::start();
    daemon.store(&EVENTS.repeat(40));
    let output = daemon.run(&["query", "--actor", "bob", "--reverse"]);
    assert_eq!((seqs(&output).len(), text(&output.stderr)), (40, ""));
    let output = daemon.run(&["query"]);
    let said = "these are the newest 100; more match: --limit 0 shows all\n";
    assert_eq!((seqs(&output).len(), text(&output.stderr)), (100, said));
}

#[test]
fn status_of_a_stopped_daemon_shows_the_disk_and_exits_with_3() {
    let mut daemon = Daemon::start();
    daemon.store(EVENTS);
    let running = daemon.run(&["status", "--format", "json"]);
    let value: serde_json::Value = serde_json::from_slice(&running.stdout).expect("json");
    assert_eq!((code(&running), &value["daemon"]["metrics"]["ledger_head"]), (0, &6.into()));
    daemon.stop();
    let stopped = daemon.run(&["status", "--format", "json"]);
    let value: serde_json::Value = serde_json::from_slice(&stopped.stdout).expect("json");
    assert_eq!(code(&stopped), 3);
    assert!(value["daemon"].is_null() && value["error"].is_string());
    assert_eq!(
        (&value["database"]["last_seq"], &value["segments"]["files"]),
        (&7.into(), &1.into())
    );
}

#[test]
fn verify_tells_a_good_log_from_a_changed_one_by_sentence_and_exit_code() {
    let mut daemon = Daemon::start();
    daemon.store(EVENTS);
    daemon.stop();
    let good = daemon.run(&["verify"]);
    assert_eq!(code(&good), 0, "{}", text(&good.stdout));
    assert!(text(&good.stdout).starts_with("OK, UNANCHORED since "));

    let segment = daemon.path("var/log/auditlogd/audit.jsonl");
    let changed = std::fs::read_to_string(&segment).expect("text").replace("alice", "alicf");
    std::fs::write(&segment, changed).expect("written");
    let bad = daemon.run(&["verify"]);
    assert_eq!(code(&bad), 4);
    assert!(text(&bad.stdout).starts_with("TAMPERED: "), "{}", text(&bad.stdout));
}

#[test]
fn verify_of_a_copy_needs_the_key() {
    let mut daemon = Daemon::start();
    daemon.store(EVENTS);
    daemon.stop();
    let copy = daemon.path("copy");
    std::fs::create_dir(&copy).expect("a directory");
    for file in ["var/log/auditlogd/audit.jsonl", "var/lib/auditlogd/seals.jsonl"] {
        let name = Path::new(file).file_name().expect("a name");
        std::fs::copy(daemon.path(file), copy.join(name)).expect("copied");
    }
    let copy = copy.to_str().expect("utf-8");
    assert_eq!(code(&daemon.run(&["verify", copy])), 6);
    let (key, auditor_key) = (
        daemon.path("var/lib/auditlogd/genesis.pub"),
        daemon.path("var/lib/auditlogd/auditor.key"),
    );
    let (key, auditor_key) = (key.to_str().expect("utf-8"), auditor_key.to_str().expect("utf-8"));
    let args = ["verify", copy, "--key", key, "--auditor-key", auditor_key, "--format", "json"];
    let output = daemon.run(&args);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("json");
    assert_eq!((code(&output), &value["figures"]["macs"]), (0, &9.into()));
    assert_eq!(code(&daemon.run(&["verify", copy, "--key", &"0".repeat(64)])), 4);
    assert_eq!(code(&daemon.run(&["verify", copy, "--key", "no-such-file"])), 2);
}

#[test]
fn reindex_repairs_a_changed_database_while_the_daemon_runs() {
    let daemon = Daemon::start();
    daemon.store(EVENTS);
    let database = rusqlite::Connection::open(daemon.path("var/lib/auditlogd/audit.db"));
    let changed = database.expect("opens").execute("DELETE FROM event_rows WHERE seq = 4", []);
    assert_eq!(changed.expect("deletes"), 1);
    assert_eq!(code(&daemon.run(&["verify"])), 4);
    let output = daemon.run(&["reindex"]);
    assert_eq!((code(&output), text(&output.stdout)), (0, "rebuilt: 6 lines of the ledger\n"));
    assert_eq!(seqs(&daemon.run(&["query", "--actor", "bob"])), [4]);
    assert_eq!(code(&daemon.run(&["verify"])), 0);
}

#[test]
fn reindex_works_without_a_daemon_but_not_beside_one_that_does_not_answer() {
    let mut daemon = Daemon::start();
    daemon.store(EVENTS);
    std::fs::remove_file(daemon.path("run/auditlogd/control.sock")).expect("removed");
    let refused = daemon.run(&["reindex"]);
    assert_eq!(code(&refused), 3);
    assert!(
        text(&refused.stderr).contains("is in use by another auditlogd"),
        "{}",
        text(&refused.stderr)
    );
    daemon.stop();
    std::fs::remove_file(daemon.path("var/lib/auditlogd/audit.db")).expect("removed");
    assert_eq!(code(&daemon.run(&["reindex"])), 0);
    assert_eq!(seqs(&daemon.run(&["query", "--actor", "bob"])), [4]);
    daemon.resume();
    daemon.store(EVENTS);
    assert_eq!(seqs(&daemon.run(&["query", "--actor", "bob"])).len(), 2);
}
