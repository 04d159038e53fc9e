//! Nothing is lost and nothing is stored twice over a restart, an upgrade or a crash of the daemon, and no
//! client notices: with a service manager of the tests' own that keeps descriptors as systemd does.

#[path = "../common/mod.rs"]
mod common;

mod across;
mod busy;
mod closing;
mod crowd;
mod damage;
mod greeting;
mod kills;
mod lines;
mod moments;
mod peers;
mod replies;
mod stop;
mod without;

use common::manager::{End, Manager};
use common::{Client, Daemon, eventually};
use data_encoding::BASE64;
use serde_json::Value;

/// A line with an event of this id.
fn event(id: impl std::fmt::Display) -> String {
    format!("{{\"event_type\":\"test\",\"event_id\":\"{id}\"}}\n")
}

/// The lines with events of these ids.
fn events<N: std::fmt::Display>(ids: impl IntoIterator<Item = N>) -> String {
    ids.into_iter().map(event).collect()
}

/// The ids of the events of clients, in the order of the log.
fn ids(daemon: &Daemon) -> Vec<String> {
    daemon.events().iter().map(id).collect()
}

fn id(line: &Value) -> String {
    line["id"].as_str().expect("every line has an id").to_owned()
}

/// Waits for these events; fails if others come, or these in another order or twice.
fn expect(daemon: &Daemon, expected: &[impl AsRef<str>]) {
    eventually("the events are stored", || (ids(daemon).len() >= expected.len()).then_some(()));
    let expected: Vec<_> = expected.iter().map(AsRef::as_ref).collect();
    assert_eq!(ids(daemon), expected);
}

/// A client without replies whose event `before` is stored, and whose daemon has ended.
fn left_by(how: End) -> (Manager, Client) {
    let mut manager = Manager::start_new();
    let mut client = manager.connect();
    client.send(event("before"));
    expect(&manager, &["before"]);
    manager.end(how);
    (manager, client)
}

/// Waits for the record of a refused line; fails if there are more. Its code, line, length and first bytes.
fn expect_refused(daemon: &Daemon) -> (String, u64, u64, Vec<u8>) {
    eventually("the refused line is recorded", || daemon.records("rejected").pop());
    let records = daemon.records("rejected");
    assert_eq!(records.len(), 1, "{records:#?}");
    let data = &records[0]["event"]["data"];
    let number = |name: &str| data[name].as_u64().expect("a number");
    let text = |name: &str| data[name].as_str().expect("text");
    let raw = BASE64.decode(text("raw").as_bytes()).expect("base64");
    (text("code").into(), number("line"), number("bytes"), raw)
}

/// A number from the environment.
fn given(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}
