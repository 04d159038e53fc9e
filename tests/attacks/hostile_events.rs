//! Row 19: clients that try to write what is not theirs to write.

use serde_json::Value;

use crate::common::Daemon;
use crate::common::auditor::{Auditor, Macs};
use crate::common::lab::paths;

/// What a hostile client sends and what becomes of it: stored, or refused with this code.
fn hostile() -> Vec<(Vec<u8>, Result<(), &'static str>)> {
    let mac = "0".repeat(64);
    let seal = r#"{"epoch":0,"first_seq":0,"size":2,"root":"00","prev":"00","next_pub":"00","boottime_ns":1,"boot_id":"","reason":"stop","sig":"00"}"#;
    let line = format!(
        r#"{{"seq":2,"ts":"2026-11-21T01:23:45.123456789Z","id":"x","seal":{seal},"mac":"{mac}"}}"#
    );
    let deep = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    let stored = |text: &str| (text.as_bytes().to_vec(), Ok(()));
    let refused = |text: &[u8], code| (text.to_vec(), Err(code));
    let mut all = vec![
        // A line that ends early, and one that begins anew.
        stored(r#"{"a":"\n{\"seq\":3,\"ts\":\"x\"}\n"}"#),
        stored(r#"{"a":"\u000a\u0085\u2028\u2029\r\n"}"#),
        stored("{\"a\":\"\u{85}\u{2028}\u{2029}\u{9b}31m\"}"),
        stored("{\"\u{2028}\":1,\r\t\"b\":2}"),
        refused(b"{\"a\":\"\x0b\x0c\"}", "invalid_json"),
        refused(b"{\"a\":\"\r\"}", "invalid_json"),
        refused(b"{\"a\":1}\x0c", "invalid_json"),
        refused("{\"a\":1}\u{2028}{\"b\":2}".as_bytes(), "invalid_json"),
        // A seal, and whatever looks like the daemon's own.
        stored(&line),
        stored(&format!(r#"{{"seal":{seal}}}"#)),
        stored(&format!(r#"{{"a":1,"mac":"{mac}"}}"#)),
        stored(&format!(r#"{{"a":"\",\"mac\":\"{mac}\"}}\n"}}"#)),
        stored(&format!(r#"{{"event_id":"\",\"seal\":{{}},\"mac\":\"{mac}\"}}"}}"#)),
        stored(r#"{"peer":{"uid":0},"seq":0,"ts":"","id":"1"}"#),
        stored(r#"{"auditlog":1,"log_id":"00","host":"x","segment":0}"#),
        refused(
            br#"{"event_type":"auditlogd.log_created","data":{"genesis_pub":"00"}}"#,
            "reserved_type",
        ),
        refused(br#"{"event_type":"auditlogd.pruned","data":{"through_seq":9}}"#, "reserved_type"),
        refused(br#"{"type":"AUDITLOGD.recovered"}"#, "reserved_type"),
        refused(br#"{"a":1},"mac":"0"}"#, "invalid_json"),
        // JSON that parsers read differently.
        refused(br#"{"a":1,"a":2}"#, "duplicate_key"),
        refused(br#"{"event_type":"x","event_type":"auditlogd.pruned"}"#, "duplicate_key"),
        refused(br#"{"a":1,"\u0061":2}"#, "duplicate_key"),
        stored(r#"{"a":"\ud800","b":"\udc00\ud800","c":"\u0000"}"#),
        refused(b"{\"a\":\"\0\"}", "invalid_json"),
        refused(b"\0", "invalid_json"),
        refused(b"\xef\xbb\xbf{}", "invalid_json"),
        refused(b"{\"a\":\"\xff\xfe\"}", "invalid_utf8"),
        refused(b"{\"a\":\"\xed\xa0\x80\"}", "invalid_utf8"),
        refused(b"{\"a\":\"\xc0\xaf\"}", "invalid_utf8"),
        refused(br#"{"a":NaN}"#, "invalid_json"),
        stored(r#"{"a":1e400,"b":-0.0,"c":123456789012345678901234567890}"#),
        stored(&deep(100)),
        refused(deep(10_000).as_bytes(), "invalid_json"),
        refused("[".repeat(60_000).as_bytes(), "invalid_json"),
        refused(br#"[{"a":1}]"#, "not_an_object"),
    ];
    let long = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8)).into_bytes();
    all.push((long(61_440), Ok(())));
    all.push((long(61_441), Err("too_long")));
    all.push((long(65_536), Err("too_long")));
    all.push((long(1_000_000), Err("too_long")));
    all.push((
        format!("{{\"a\":\"{}\"}}", "\u{2028}".repeat(15_000)).into_bytes(),
        Err("too_long"),
    ));
    all
}

#[test]
fn row_19_events_that_try_to_inject() {
    let daemon = Daemon::start();
    let auditor = Auditor::of(daemon.root());
    let mut client = daemon.greeted();
    let hostile = hostile();
    for (number, (bytes, wanted)) in (1..).zip(&hostile) {
        client.send([&bytes[..], b"\n"].concat());
        let reply = client.reply().expect("a reply");
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]);
        match wanted {
            Ok(()) => assert_eq!(reply["ack"]["line"], number, "{shown}: {reply}"),
            Err(code) => {
                assert_eq!(reply["reject"]["code"], *code, "{shown}: {reply}");
                assert!(!reply["reject"]["message"].as_str().expect("why").is_empty());
            }
        }
    }
    client.store("{\"event_type\":\"after\"}", hostile.len() as u64 + 1);
    let stored = hostile.iter().filter(|(_, wanted)| wanted.is_ok()).count();
    daemon.settle();
    let daemon = daemon.stop().daemon;
    assert_eq!(lines_found(&daemon, "auditlogd.rejected"), hostile.len() - stored);
    assert_eq!(lines_found(&daemon, "after"), 1);
    tools_can_show_everything(&daemon);
    let root = daemon.root();
    for macs in [Macs::Checked, Macs::Unchecked] {
        auditor.verify(root, macs, &[]).clean();
    }
    splits_into_the_same_lines(&daemon);
    has_one_seal(&daemon);
    database_is_whole(&daemon, (hostile.len() + 1) as i64);
}

/// No program that splits lines elsewhere than at LF sees other lines than the daemon wrote.
fn splits_into_the_same_lines(daemon: &Daemon) {
    let text = std::fs::read_to_string(daemon.segment()).expect("utf-8");
    let elsewhere = |c: char| match c {
        '\n' | '\t' => false,
        other => other.is_control() || "\u{2028}\u{2029}".contains(other),
    };
    assert_eq!(text.find(elsewhere), None, "a character at which somebody may split a line");
    assert!(text.lines().all(|line| line.len() <= 65_535));
    if let Ok(output) = std::process::Command::new("python3")
        .args(["-c", "import sys; print(len(open(sys.argv[1], newline='').read().splitlines()))"])
        .arg(daemon.segment())
        .output()
    {
        let lines = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert_eq!(lines, text.matches('\n').count().to_string(), "Python's splitlines");
    }
}

/// The events of a type that a query finds.
fn lines_found(daemon: &Daemon, event_type: &str) -> usize {
    let args = ["query", "--type", event_type, "--limit", "0", "--format", "jsonl"];
    let output = daemon.tool(&args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.iter().filter(|byte| **byte == b'\n').count()
}

/// No event makes a command fail, or the terminal do anything but show text.
fn tools_can_show_everything(daemon: &Daemon) {
    for format in ["table", "json", "jsonl", "csv"] {
        let output = daemon.tool(&["query", "--limit", "0", "--format", format]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*said), (Some(0), ""), "query --format {format}");
        let text = String::from_utf8(output.stdout).expect("utf-8");
        let unsafe_to_show = |c: char| c.is_control() && !"\t\r\n".contains(c);
        assert_eq!(text.find(unsafe_to_show), None, "query --format {format}");
    }
    let text = std::fs::read_to_string(daemon.segment()).expect("utf-8");
    for seq in 0..text.lines().count() - 2 {
        let output = daemon.tool(&["show", &seq.to_string()]);
        let said = String::from_utf8_lossy(&output.stderr);
        let shown = output.status.success() || said.contains("is no event but a seal");
        assert!(shown, "show {seq}: {said}");
    }
}

fn has_one_seal(daemon: &Daemon) {
    let known = std::fs::read_to_string(paths(daemon.root()).seals()).expect("reads");
    assert_eq!(known.lines().count(), 2, "only the creation and the stop have sealed");
}

fn database_is_whole(daemon: &Daemon, events: i64) {
    let database = rusqlite::Connection::open(daemon.database()).expect("opens");
    let one = |sql: &str| -> rusqlite::types::Value {
        database.query_row(sql, [], |row| row.get(0)).expect("queries")
    };
    assert_eq!(one("PRAGMA integrity_check"), "ok".to_owned().into());
    assert_eq!(one("SELECT count(*) FROM seals"), 2.into());
    // Besides the clients' there are: created, started, the sums, stopped.
    assert_eq!(one("SELECT count(*) FROM events"), (events + 4).into());
    let own = "SELECT count(*) FROM events WHERE uid <> (SELECT uid FROM events WHERE seq = 0)";
    assert_eq!(one(own), 0.into(), "a client's uid is not what it says");
    let last: Value =
        serde_json::from_str(&text(&one("SELECT event FROM events ORDER BY seq DESC")))
            .expect("json");
    assert_eq!(last["event_type"], "auditlogd.stopped");
}

fn text(value: &rusqlite::types::Value) -> String {
    match value {
        rusqlite::types::Value::Text(text) => text.clone(),
        other => panic!("no text: {other:?}"),
    }
}
