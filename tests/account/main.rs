//! Conservation: every line that is taken in is stored, repeated, refused with a record, or in a gap record; the log
//! carries the sums that prove it, over kills, rotation, compression and retention.

#[path = "../common/mod.rs"]
mod common;

mod gaps;
mod live;
mod model;
mod pruned;
mod traffic;
mod wrong;

use std::path::Path;

use common::tool;
use serde_json::Value;

/// What `auditlog account` says of the log below `root`, and its exit code.
fn account(root: &Path) -> (i32, Value) {
    account_with(root, &[])
}

/// The same with more arguments.
fn account_with(root: &Path, args: &[&str]) -> (i32, Value) {
    let output = tool(root, &[&["account", "--format", "json"], args].concat());
    let code = output.status.code().expect("an exit code");
    let said = serde_json::from_slice(&output.stdout);
    let said = said.unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    (code, said)
}

/// Stored, repeated, refused, summarised, missing; their sum is the number of lines.
fn sums(lines: &Value) -> [u64; 5] {
    let number = |name: &str| lines[name].as_u64().expect("a number");
    let sums = ["stored", "repeated", "refused", "summarised", "missing"].map(number);
    assert_eq!(number("lines"), sums.iter().sum::<u64>(), "{lines}");
    sums
}

/// The reasons of gaps and how many events they are about.
fn gaps(said: &Value) -> Vec<(String, u64)> {
    let gaps = said["gaps"].as_array().expect("a list");
    let gap = |gap: &Value| {
        let reason = gap["reason"].as_str().expect("a reason").to_owned();
        (reason, gap["events"].as_u64().expect("a number"))
    };
    gaps.iter().map(gap).collect()
}

/// Fails if anything but gaps is wrong.
fn assert_adds_up(said: &Value) {
    assert_eq!(said["findings"].as_array().map(Vec::len), Some(0), "{said:#}");
}
