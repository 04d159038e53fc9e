//! Quotas: who exceeds them is slowed and loses nothing, others do not notice, and it is on record.

#[path = "../common/mod.rs"]
mod common;

mod connections;
mod rates;

use common::Daemon;
use serde_json::Value;

/// The account of the user who runs the tests, as `auditlog status` shows it.
fn account(daemon: &Daemon) -> Value {
    let output = daemon.tool(&["status", "--format", "json"]);
    let status: Value = serde_json::from_slice(&output.stdout).expect("json");
    let uid = nix::unistd::geteuid().as_raw().to_string();
    status["daemon"]["accounts"][uid].clone()
}

/// The `data` of the daemon's own records of a type.
fn data(daemon: &Daemon, event_type: &str) -> Vec<Value> {
    daemon.records(event_type).into_iter().map(|line| line["event"]["data"].clone()).collect()
}

/// The sum of a number in them.
fn sum(records: &[Value], name: &str) -> u64 {
    records.iter().map(|data| data[name].as_u64().expect("a number")).sum()
}
