//! Clients that are broken or mean harm: what they cost is bounded, the others are served, and what was accepted is
//! in the log.

#[path = "../common/mod.rs"]
mod common;

mod clock;
mod content;
mod crowd;
mod descriptors;
mod half_lines;
mod odd_calls;
mod suite;
mod unread;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use common::{Daemon, eventually, verify};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::Value;

/// How long a client may wait at most where it has to be served at once; the machine may be busy.
const AT_ONCE: Duration = Duration::from_secs(30);

/// Thousands of connections, and some for the tests beside this one.
fn allow_many_descriptors() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    assert!(hard >= 16_000, "these tests need `ulimit -Hn` of 16000, it is {hard}");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("raises the limit");
}

/// A line of /proc/PID/status, KiB (proc_pid_status(5)).
fn kib(daemon: &Daemon, name: &str) -> u64 {
    let path = format!("/proc/{}/status", daemon.pid());
    let status = std::fs::read_to_string(path).expect("the daemon runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = line.expect("known").split_ascii_whitespace().next();
    number.expect("a number").parse().expect("a number")
}

/// What the daemon has open.
fn open_files(daemon: &Daemon) -> Vec<PathBuf> {
    let dir = format!("/proc/{}/fd", daemon.pid());
    let entries = std::fs::read_dir(dir).expect("the daemon runs");
    entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok()).collect()
}

/// A new client is served while the others do what they do.
fn serves_at_once(daemon: &Daemon) {
    let start = Instant::now();
    daemon.greeted().store("{\"event_type\":\"served\"}", 1);
    assert!(start.elapsed() < AT_ONCE, "it took {:?}", start.elapsed());
}

/// An accepted line as the log holds it: without the blanks around it, and with nothing at which a program may split
/// lines.
fn as_stored(line: &str) -> String {
    let text = line.trim_matches([' ', '\t', '\r']).replace('\r', " ");
    let escaped = |c: char| match c {
        '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => format!("\\u{:04x}", c as u32),
        c => c.to_string(),
    };
    text.chars().map(escaped).collect()
}

/// Lines that were refused: those with a record, and those in summaries. Only the daemon's own records are looked into:
/// a client's event may hold numbers that this test cannot.
fn refused(daemon: &Daemon) -> u64 {
    let text = std::fs::read_to_string(daemon.segment()).expect("reads");
    let whole = text.rfind('\n').map_or(0, |at| at + 1);
    let own = |line: &&str| line.contains("\"event\":{\"event_type\":\"auditlogd.rejected");
    let lines = |line: &str| {
        let record: Value = serde_json::from_str(line).expect("a record is JSON");
        match record["event"]["event_type"].as_str() {
            Some("auditlogd.rejected") => 1,
            _ => record["event"]["data"]["lines"].as_u64().expect("a number"),
        }
    };
    text[..whole].lines().filter(own).map(lines).sum()
}

/// Waits until so many lines are accounted for as refused.
fn await_refused(daemon: &Daemon, lines: u64) {
    eventually(&format!("{lines} lines are refused"), || (refused(daemon) >= lines).then_some(()));
    assert_eq!(refused(daemon), lines);
}

/// Stops the daemon and finds nothing wrong with its log.
fn stops_clean(daemon: Daemon) {
    let stopped = daemon.stop();
    assert!(stopped.status.success(), "{}", stopped.daemon.log());
    let said = stopped.daemon.log();
    assert!(!said.contains("panicked"), "{said}");
    let (code, said) = verify(stopped.daemon.root());
    assert_eq!(code, Some(0), "{said}");
}
