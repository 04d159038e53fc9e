//! The client for Python, against real daemons that die and come back.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use common::traffic::segments;
use common::{Daemon, eventually};
use serde_json::Value;

/// What each script begins with. `step` tells the test where it is and waits until it may go on.
const PROLOGUE: &str = r#"
import logging, os, sys, threading, time
import auditlogd
socket, spool = sys.argv[1], sys.argv[2]

def step(text):
    print(text, flush=True)
    sys.stdin.readline()

def event(n):
    return {"event_type": "python", "n": n}
"#;

/// A script that runs.
struct Script {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Script {
    /// Starts it for the daemon below `root`, with the spool `root/spool`.
    fn start(root: &Path, text: &str) -> Self {
        let mut child = Command::new("python3")
            .env("PYTHONPATH", concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/clients/python"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .args(["-W", "error", "-c", &[PROLOGUE, text].concat()])
            .args([root.join("run/auditd.sock"), root.join("spool")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("python3 runs");
        let input = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, input, output }
    }

    /// Waits until it says this.
    fn reach(&mut self, text: &str) {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("text");
        if line.trim_end() != text {
            let _ = self.child.kill();
            let mut said = String::new();
            let mut errors = self.child.stderr.take().expect("a pipe");
            let _ = std::io::Read::read_to_string(&mut errors, &mut said);
            panic!("it says {line:?} instead of {text:?}: {said}");
        }
    }

    /// Lets it go on.
    fn go_on(&mut self) {
        self.input.write_all(b"\n").expect("it reads");
    }

    /// Waits for its end: what it said on standard error.
    fn end(self) -> String {
        drop(self.input);
        let output = self.child.wait_with_output().expect("waits");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        said
    }
}

/// The events in the ledger, in its order.
fn stored(root: &Path) -> Vec<Value> {
    let lines = segments(root).into_iter().flat_map(|segment| segment.lines);
    lines.map(|mut line| line["event"].take()).filter(|event| event["n"].is_u64()).collect()
}

/// Fails unless each event from 1 to `events` is in the ledger exactly once.
fn assert_once(root: &Path, events: u64) {
    let mut times = BTreeMap::<u64, u64>::new();
    for event in stored(root) {
        *times.entry(event["n"].as_u64().expect("a number")).or_default() += 1;
    }
    let want: BTreeMap<u64, u64> = (1..=events).map(|n| (n, 1)).collect();
    assert_eq!(times, want);
}

fn new_root() -> tempfile::TempDir {
    tempfile::tempdir().expect("temporary directory")
}

#[test]
fn an_application_goes_on_where_there_never_is_a_daemon() {
    let root = new_root();
    let said = Script::start(
        root.path(),
        r#"
start = time.monotonic()
with auditlogd.Client(socket, spool) as log:
    for n in range(1, 101):
        log.send(event(n))
    assert not log.flush(0)
    assert "No such file" in log.why, log.why
assert os.stat(spool).st_mode & 0o777 == 0o600
small = auditlogd.Client(socket, window_events=3)
for n in range(3):
    small.send(event(n))
try:
    small.send(event(4))
    raise SystemExit("more than fits")
except auditlogd.AuditError as error:
    assert "3 events wait in memory" in str(error) or "3 events wait for the daemon" in str(error), error
assert small.failed == 1
try:
    log.send(event(5))
    raise SystemExit("a closed client takes an event")
except auditlogd.AuditError as error:
    assert "is closed" in str(error) and log.failed == 1, error
try:
    auditlogd.AuditHandler(socket, spool + "/nowhere/spool")
    raise SystemExit("a spool in no directory")
except auditlogd.AuditError as error:
    assert "cannot be opened" in str(error), error
assert time.monotonic() - start < 30
"#,
    )
    .end();
    assert!(said.contains("auditlogd: 3 events are not acknowledged, and lost"), "{said}");

    // Whoever opens the spool next sends it, also when that is the tool.
    let daemon = Daemon::start_in(root, "");
    let spool = daemon.root().join("spool");
    let output = daemon.tool(&["emit", "--spool", spool.to_str().expect("text"), "-"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("100 accepted, 0 rejected"), "{said}");
    assert_once(daemon.root(), 100);
    let event = &stored(daemon.root())[0];
    assert_eq!(event["event_id"].as_str().map(str::len), Some(36), "{event}");
    let at: jiff::Timestamp =
        event["timestamp"].as_str().expect("a time").parse().expect("RFC 3339");
    assert!(at.as_second() > 1_700_000_000);
}

/// Kills the daemon twice under a client that sends on; each event is there once in the end.
fn under_kills(client: &str) {
    let mut daemon = Daemon::start();
    let mut script = Script::start(
        daemon.root(),
        &(client.to_owned()
            + r#"
n = 0
for turn in range(5):
    if turn:
        step("turn")
    for _ in range(200):
        n += 1
        log.send(event(n))
assert log.flush(60), log.why
assert log.accepted == 1000 and log.failed == 0, vars(log)
step("sent")
log.close()
"#),
    );
    for _ in 0..2 {
        script.reach("turn");
        let root = daemon.kill();
        script.go_on();
        script.reach("turn");
        daemon = Daemon::start_in(root, "");
        script.go_on();
    }
    script.reach("sent");
    script.go_on();
    script.end();
    assert_once(daemon.root(), 1000);
}

#[test]
fn each_event_is_stored_once_though_the_daemon_is_killed() {
    under_kills("log = auditlogd.Client(socket, spool)");
}

#[test]
fn so_it_is_without_a_spool() {
    under_kills("log = auditlogd.Client(socket)");
}

#[test]
fn a_full_spool_is_an_error_and_a_torn_or_foreign_one_is_known() {
    let root = new_root();
    Script::start(
        root.path(),
        r#"
log = auditlogd.Client(socket, spool, spool_bytes=10_000)
taken = 0
try:
    while True:
        log.send(event(taken + 1))
        taken += 1
except auditlogd.AuditError as error:
    assert "is full" in str(error), error
assert log.failed == 1 and taken > 50, (taken, log.failed)
assert os.path.getsize(spool) <= 10_000
try:
    auditlogd.Client(socket, spool)
    raise SystemExit("two have it")
except auditlogd.AuditError as error:
    assert "in use by another process" in str(error), error
log.close(0)
with open(spool, "ab") as file:
    file.write(b'{"torn":')
log = auditlogd.Client(socket, spool)
assert log.torn == 8
assert open(spool, "rb").read().endswith(b"}\n")
log.close(0)
foreign = spool + ".notes"
open(foreign, "w").write("my notes\n")
try:
    auditlogd.Client(socket, foreign)
    raise SystemExit("no spool")
except auditlogd.AuditError as error:
    assert "is no spool" in str(error), error
assert open(foreign).read() == "my notes\n"
print(taken, flush=True)
"#,
    )
    .end();
    let spool = fs::read_to_string(root.path().join("spool")).expect("a spool");
    let events = spool.lines().filter(|line| !line.starts_with(' ')).count() as u64;
    let daemon = Daemon::start_in(root, "");
    Script::start(daemon.root(), "log = auditlogd.Client(socket, spool)\nassert log.flush(60)")
        .end();
    assert_once(daemon.root(), events);
    assert_eq!(fs::metadata(daemon.root().join("spool")).expect("there").len(), 0);
}

#[test]
fn log_records_of_many_threads_become_events() {
    let daemon = Daemon::start();
    let script = Script::start(
        daemon.root(),
        r#"
handler = auditlogd.AuditHandler(socket, spool=spool, level=logging.INFO)
log = logging.getLogger("shop.login")
log.setLevel(logging.DEBUG)
log.addHandler(handler)

def work(thread):
    for n in range(50):
        log.warning("no. %d refused", n, extra={"n": thread * 50 + n + 1, "actor": "alice"})

threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
log.debug("below the level", extra={"n": 1000})
try:
    1 / 0
except ZeroDivisionError:
    log.exception("went wrong", extra={"n": 401, "event_type": "shop.error", "odd": {1, 2}})
logging.raiseExceptions = False
log.error("not JSON", extra={"n": float("nan")})
assert handler.client.failed == 0
"#,
    );
    script.end();
    assert_once(daemon.root(), 401);
    let events = stored(daemon.root());
    let event = events.iter().find(|event| event["n"] == 401).expect("stored");
    for (key, value) in [
        ("priority", "err"),
        ("source", "shop.login"),
        ("action", "went wrong"),
        ("event_type", "shop.error"),
        ("odd", "{1, 2}"),
    ] {
        assert_eq!(event[key], value, "{event}");
    }
    assert!(event["exception"].as_str().is_some_and(|text| text.contains("ZeroDivisionError")));
    let warning = events.iter().find(|event| event["n"] == 1).expect("stored");
    assert_eq!((&warning["priority"], &warning["actor"]), (&"warning".into(), &"alice".into()));
    assert_eq!(warning["action"], "no. 0 refused");
}

#[test]
fn a_refused_event_is_told_and_a_child_has_a_connection_of_its_own() {
    let daemon = Daemon::start();
    let script = Script::start(
        daemon.root(),
        r#"
refused = []
log = auditlogd.Client(socket, spool, on_reject=lambda reason, line: refused.append((reason["code"], line)))
log.send(event(1))
log.send({"event_type": "auditlogd.own"})
assert log.flush(60)
assert [code for code, _ in refused] == ["reserved_type"] and b"auditlogd.own" in refused[0][1], refused
child = os.fork()
if child == 0:
    log.send(event(2))
    log.close(60)
    os._exit(0 if log.accepted == 2 else 1)
assert os.waitpid(child, 0)[1] == 0
log.send(event(3))
log.close(60)
assert (log.accepted, log.rejected) == (2, 1), vars(log)
"#,
    );
    script.end();
    assert_once(daemon.root(), 3);
    assert_eq!(daemon.records("rejected").len(), 1);
}

#[test]
fn a_daemon_that_never_answers_holds_no_sender_up_for_long() {
    let root = new_root();
    fs::create_dir(root.path().join("run")).expect("a directory");
    let listener = std::os::unix::net::UnixListener::bind(root.path().join("run/auditd.sock"));
    let script = Script::start(
        root.path(),
        r#"
log = auditlogd.Client(socket, spool, send_timeout=0.05, window_events=10)
start = time.monotonic()
for n in range(1, 51):
    log.send(event(n))
assert 0.05 <= time.monotonic() - start < 30
assert not log.flush(0.01)
log.close(0.01)
"#,
    );
    script.end();
    drop(listener);
    fs::remove_file(root.path().join("run/auditd.sock")).expect("removes");
    let daemon = Daemon::start_in(root, "");
    Script::start(daemon.root(), "assert auditlogd.Client(socket, spool).flush(60)").end();
    assert_once(daemon.root(), 50);
}

#[test]
fn it_installs_with_pip_where_that_is() {
    let dir = new_root();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/clients/python");
    let python = |args: &[&str]| Command::new("python3").args(args).output().expect("python3 runs");
    if !python(&["-c", "import pip, setuptools, wheel"]).status.success() {
        eprintln!("skipped: pip, setuptools and wheel are not here");
        return;
    }
    // pip leaves what it builds beside the source.
    let copy = dir.path().join("source");
    fs::create_dir(&copy).expect("a directory");
    for name in ["auditlogd.py", "pyproject.toml", "README.md"] {
        fs::copy(Path::new(source).join(name), copy.join(name)).expect("copies");
    }
    let target = dir.path().join("target");
    let (copy, target_text) = (copy.to_str().expect("text"), target.to_str().expect("text"));
    let offline = ["--no-index", "--no-build-isolation", "--no-deps", "--no-cache-dir"];
    let args =
        [&["-m", "pip", "install", "-q", "--target", target_text][..], &offline, &[copy]].concat();
    let output = python(&args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    eventually("it is there", || target.join("auditlogd.py").exists().then_some(()));
}
