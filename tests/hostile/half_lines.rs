//! Lines that do not end, or take their time.

use std::io::Write;

use crate::common::manager::Manager;
use crate::common::{Client, Daemon, eventually};
use crate::{allow_many_descriptors, await_refused, kib, serves_at_once, stops_clean};

const CLIENTS: u64 = 4096;
/// Bytes of half a line, just below what a line may have.
const HALF: u64 = 61_400;

/// The daemon holds half a line only as long as it may become an event, and each only once.
#[test]
fn thousands_of_half_lines_cost_their_bytes_and_hold_up_nobody() {
    allow_many_descriptors();
    let daemon =
        Daemon::start_with("[ingest]\nmax_connections = 5000\n[quota]\nconnections = 5000\n");
    let before = kib(&daemon, "RssAnon");
    let mut half = b"{\"event_type\":\"half\",\"a\":\"".to_vec();
    half.resize(HALF as usize, b'x');
    let open = |_| {
        let mut client = daemon.connect();
        client.send(&half);
        client
    };
    let mut clients: Vec<_> = (0..CLIENTS).map(open).collect();
    let expected = CLIENTS * HALF / 1024;
    eventually("all halves are read", || {
        (kib(&daemon, "RssAnon") > before + expected).then_some(())
    });
    serves_at_once(&daemon);
    for client in &mut clients[..20] {
        client.send("\"}\n");
    }
    eventually("lines end well", || (daemon.events().len() == 1 + 20).then_some(()));
    let most = kib(&daemon, "VmHWM") - kib(&daemon, "RssFile") - before;
    assert!(most < expected + expected / 8 + 32 * 1024, "{most} KiB for {expected} KiB of lines");

    drop(clients);
    await_refused(&daemon, CLIENTS - 20);
    assert_eq!(daemon.events().len(), 1 + 20);
    stops_clean(daemon);
}

#[test]
fn a_hundred_megabytes_without_a_newline_take_no_memory() {
    let daemon = Daemon::start();
    let mut client = daemon.greeted();
    client.store("{}", 1);
    let before = kib(&daemon, "VmHWM");
    let part = vec![b'x'; 1_000_000];
    for _ in 0..100 {
        client.send(&part);
    }
    serves_at_once(&daemon);
    client.send("\n{\"event_type\":\"after\"}\n");
    let replies = client.replies_to(3);
    assert_eq!(replies[0]["reject"]["code"], "too_long");
    let grown = kib(&daemon, "VmHWM") - before;
    assert!(grown < 16 * 1024, "{grown} KiB");
    let record = &daemon.records("rejected")[0]["event"]["data"];
    assert_eq!((record["bytes"].as_u64(), record["line"].as_u64()), (Some(100_000_000), Some(2)));
    stops_clean(daemon);
}

/// Sends a line in writes of one byte each, with others between them.
fn byte_by_byte(daemon: &Daemon, mut client: Client) {
    let text =
        format!("{{\"event_type\":\"slow\",\"text\":\"{}\"}}", "é\\u00e9\u{2029}".repeat(150));
    let mut other = daemon.greeted();
    for (n, byte) in text.bytes().chain([b'\n']).enumerate() {
        client.stream.write_all(&[byte]).expect("room");
        if n % 100 == 0 {
            other.store("{\"event_type\":\"quick\"}", n as u64 / 100 + 1);
        }
    }
    assert_eq!(client.replies_to(1).len(), 1);
    let slow = daemon.events().pop().expect("stored");
    let sent: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(slow["event"], sent);
}

#[test]
fn a_line_that_comes_byte_by_byte_is_one_line_and_holds_up_nobody() {
    let daemon = Daemon::start();
    byte_by_byte(&daemon, daemon.greeted());
    stops_clean(daemon);
    let manager = Manager::start_new();
    byte_by_byte(&manager, manager.greeted());
}
