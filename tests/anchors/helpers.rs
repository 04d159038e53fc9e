//! What the tests of all anchors need.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::common::{Daemon, eventually};

/// A file of the state directory.
pub fn state_file(daemon: &Daemon, name: &str) -> PathBuf {
    daemon.root().join("var/lib/auditlogd").join(name)
}

/// The newest checkpoint, as the ledger wrote it.
pub fn checkpoint(daemon: &Daemon) -> String {
    fs::read_to_string(state_file(daemon, "checkpoint")).expect("a checkpoint")
}

/// The size of a checkpoint.
pub fn size(note: &str) -> u64 {
    note.lines().nth(1).and_then(|line| line.parse().ok()).expect("a size")
}

/// Stores an event and closes the epoch, so that there is a new checkpoint; returns it.
pub fn seal(daemon: &Daemon) -> String {
    daemon.greeted().store("{\"event_type\":\"x\"}", 1);
    daemon.reload();
    checkpoint(daemon)
}

/// What `auditlog status` says, as JSON.
pub fn status(daemon: &Daemon) -> Value {
    let output = daemon.tool(&["status", "--format", "json"]);
    serde_json::from_slice::<Value>(&output.stdout).expect("json")["daemon"].clone()
}

/// The status of the first anchor, once it is as wanted.
pub fn anchor(daemon: &Daemon, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    eventually(what, || Some(status(daemon)["anchors"][0].clone()).filter(&wanted))
}

/// Waits until the first anchor fails and returns what it says.
pub fn failure(daemon: &Daemon) -> String {
    let failed = anchor(daemon, "the anchor fails", |anchor| anchor["error"].is_string());
    assert!(failed["failing_since"].is_string(), "{failed}");
    failed["error"].as_str().expect("text").to_owned()
}

/// Waits until the first anchor has this checkpoint.
pub fn delivered(daemon: &Daemon, note: &str) {
    let status = anchor(daemon, "the anchor has the checkpoint", |anchor| {
        anchor["size"].as_u64() == Some(size(note))
    });
    assert!(status["delivered"].is_string() && status["error"].is_null(), "{status}");
}
