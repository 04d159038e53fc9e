//! Each fault a line can have: what the client is told, what is recorded, and that nothing else is lost.

mod common;

use common::{Client, Daemon, eventually};
use data_encoding::BASE64;
use serde_json::Value;

/// Sends a line that is refused and one that is not; returns the refusal and its record.
fn refuse(daemon: &Daemon, line: &[u8]) -> (Value, Value) {
    let mut client = daemon.greeted();
    client.send([line, b"\n{\"event_type\":\"after\"}\n"].concat());
    let replies = client.replies_to(2);
    let refusal = replies[0]["reject"].clone();
    assert_eq!(refusal["line"], 1, "{replies:?}");
    assert_eq!(daemon.events().last().expect("stored")["event"]["event_type"], "after");
    let record = daemon.records("rejected").pop().expect("recorded");
    let data = &record["event"]["data"];
    assert_eq!((&data["code"], &data["line"]), (&refusal["code"], &refusal["line"]));
    assert_eq!(data["message"], refusal["message"]);
    assert_eq!(data["bytes"], line.len());
    assert_eq!(raw(&record), line[..line.len().min(4096)]);
    assert_eq!(record["peer"]["pid"], std::process::id());
    (refusal, record)
}

fn raw(record: &Value) -> Vec<u8> {
    let text = record["event"]["data"]["raw"].as_str().expect("text");
    BASE64.decode(text.as_bytes()).expect("base64")
}

fn code(line: &[u8]) -> String {
    let (refusal, _) = refuse(&Daemon::start(), line);
    refusal["code"].as_str().expect("text").to_owned()
}

#[test]
fn a_line_over_the_limit_is_too_long_and_the_next_one_is_taken() {
    let mut line = br#"{"a":""#.to_vec();
    line.resize(300_000, b'x');
    assert_eq!(code(&line), "too_long");
}

#[test]
fn an_event_of_exactly_the_limit_is_taken_and_one_byte_more_is_not() {
    let daemon = Daemon::start_with("[ingest]\nmax_event_bytes = 2048\n");
    let event = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
    let mut client = daemon.greeted();
    client.store(&event(2048), 1);
    let (refusal, _) = refuse(&daemon, event(2049).as_bytes());
    assert_eq!(refusal["code"], "too_long");
    assert!(refusal["message"].as_str().expect("text").contains("2048"));
}

#[test]
fn the_longest_event_with_the_longest_id_fits_a_ledger_line() {
    let daemon = Daemon::start();
    let id = "\u{2028}".repeat(128);
    let start = format!("{{\"event_id\":\"{id}\",\"a\":\"");
    // Line separators grow from three bytes to six when they are stored.
    let room = 61_440 - start.len() - 3 * 128 - 2;
    daemon.greeted().store(&format!("{start}{}\"}}", "x".repeat(room)), 1);
    let text = std::fs::read_to_string(daemon.segment()).expect("reads");
    let longest = text.lines().map(str::len).max().expect("lines");
    assert!((62_000..=65_535).contains(&longest), "{longest}");
}

#[test]
fn an_event_that_grows_too_long_when_stored_is_refused() {
    let line = format!("{{\"a\":\"{}\"}}", "\u{2028}".repeat(15_000));
    assert_eq!(code(line.as_bytes()), "too_long");
}

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    assert_eq!(code(b"{\"a\":\"\xff\"}"), "invalid_utf8");
}

#[test]
fn what_is_not_json_is_refused_with_the_byte() {
    let (refusal, _) = refuse(&Daemon::start(), br#"{"a":1,}"#);
    assert_eq!(refusal["code"], "invalid_json");
    assert!(refusal["message"].as_str().expect("text").contains("byte 7"), "{refusal}");
}

#[test]
fn json_that_is_no_object_is_refused() {
    let daemon = Daemon::start();
    for line in ["[{}]", "\"text\"", "17", "null"] {
        assert_eq!(refuse(&daemon, line.as_bytes()).0["code"], "not_an_object", "{line}");
    }
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    assert_eq!(code(br#"{"a":1,"b":2,"\u0061":3}"#), "duplicate_key");
}

#[test]
fn an_event_without_a_required_member_is_refused() {
    let daemon = Daemon::start_with("[ingest]\nrequire = [\"actor\"]\n");
    let mut client = daemon.greeted();
    client.send("{\"event_type\":\"x\"}\n{\"actor\":[7]}\n");
    for line in 1..=2 {
        let refusal = client.reply().expect("a reply")["reject"].clone();
        assert_eq!(refusal["code"], "missing_field");
        assert_eq!(refusal["line"], line);
        assert!(refusal["message"].as_str().expect("text").contains("actor"));
    }
    client.store("{\"actor\":\"me\"}", 3);
}

#[test]
fn the_daemons_own_types_are_refused_in_any_case() {
    let daemon = Daemon::start();
    for line in [
        r#"{"event_type":"auditlogd.stopped"}"#,
        r#"{"type":"AuditLogD.x"}"#,
        r#"{"event_type":"\u0061uditlogd.rejected"}"#,
    ] {
        assert_eq!(refuse(&daemon, line.as_bytes()).0["code"], "reserved_type", "{line}");
    }
}

#[test]
fn a_line_that_the_close_cut_off_is_truncated_and_says_why() {
    let daemon = Daemon::start();
    let mut client = daemon.greeted();
    client.send("{\"n\":1}\n{\"n\":");
    let replies = client.finish();
    let refusal = replies.iter().find(|reply| reply["reject"].is_object()).expect("a refusal");
    assert_eq!(refusal["reject"]["code"], "truncated");
    assert_eq!(refusal["reject"]["line"], 2);
    assert!(refusal["reject"]["message"].as_str().expect("text").contains("byte 5"), "{refusal}");
    assert_eq!(raw(&daemon.records("rejected")[0]), b"{\"n\":");
    assert_eq!(daemon.events().len(), 1);
}

#[test]
fn a_last_line_without_lf_that_is_a_complete_object_is_taken() {
    let daemon = Daemon::start();
    let mut client = daemon.greeted();
    client.send("{\"n\":1}\n{\"n\":2}");
    let replies = client.finish();
    assert_eq!(replies.last().expect("an ack")["ack"]["line"], 2);
    assert_eq!(daemon.events()[1]["event"]["n"], 2);
}

#[test]
fn refused_lines_count_as_lines() {
    let daemon = Daemon::start();
    let mut client = daemon.greeted();
    client.send("x\n{}\ny\n{}\n");
    let replies = client.replies_to(4);
    let refused: Vec<_> = replies.iter().filter_map(|r| r["reject"]["line"].as_u64()).collect();
    assert_eq!(refused, [1, 3]);
}

#[test]
fn refusals_without_a_record_of_their_own_are_in_one_summary() {
    let config = "[ingest]\nreject_records_per_second = 1\nreject_records_burst = 5\n";
    let daemon = Daemon::start_with(config);
    let mut client: Client = daemon.connect();
    client.send("nonsense\n".repeat(3000));
    assert!(client.finish().is_empty());
    let summed = |daemon: &Daemon| -> u64 {
        let lines = |record: &Value| record["event"]["data"]["lines"].as_u64().expect("a number");
        daemon.records("rejected_summary").iter().map(lines).sum()
    };
    let recorded = daemon.records("rejected").len() as u64;
    assert!((5..100).contains(&recorded), "{recorded}");
    eventually("a summary is written", || (summed(&daemon) + recorded == 3000).then_some(()));
    let summary = &daemon.records("rejected_summary")[0];
    assert_eq!(summary["peer"]["uid"], nix::unistd::getuid().as_raw());
    assert_eq!(summary["event"]["data"]["bytes"], 8 * (3000 - recorded));
}

#[test]
fn a_stop_writes_the_summary_that_is_due() {
    let config = "[ingest]\nreject_records_per_second = 1\nreject_records_burst = 1\n";
    let daemon = Daemon::start_with(config);
    let mut client = daemon.connect();
    client.send("nonsense\n".repeat(100));
    client.finish();
    let stopped = daemon.stop();
    let summaries = stopped.daemon.records("rejected_summary");
    let recorded = stopped.daemon.records("rejected").len();
    assert_eq!(summaries[0]["event"]["data"]["lines"], 100 - recorded);
}
