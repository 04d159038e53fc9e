//! An event that a user sends again with the same `event_id` is acknowledged again and stored once: on any
//! connection, in any batch, after any end of the daemon, within the window.

#[path = "../common/mod.rs"]
mod common;

mod again;
mod engine;
mod kept;
mod limits;
mod model;
mod starts;
mod users;

use std::collections::BTreeMap;
use std::path::Path;

use common::traffic::segments;
use serde_json::Value;

/// A line with an event of this id.
fn event(id: impl std::fmt::Display) -> String {
    format!("{{\"event_type\":\"test\",\"event_id\":\"{id}\"}}\n")
}

/// The lines with events of these ids.
fn events<N: std::fmt::Display>(ids: impl IntoIterator<Item = N>) -> String {
    ids.into_iter().map(event).collect()
}

/// Whose lines these are: sequence number and mac of an ack, or of a line of the ledger.
fn receipt(of: &Value) -> (u64, &str) {
    (of["seq"].as_u64().expect("a number"), of["mac"].as_str().expect("text"))
}

/// How often each event of a client stands in the ledger, by its id.
fn stored(root: &Path) -> BTreeMap<String, usize> {
    let mut stored = BTreeMap::new();
    for line in segments(root).into_iter().flat_map(|segment| segment.lines) {
        if line["event"]["event_type"] == "test" {
            *stored.entry(line["id"].as_str().expect("an id").to_owned()).or_default() += 1;
        }
    }
    stored
}

/// A number from the environment.
fn given(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}
