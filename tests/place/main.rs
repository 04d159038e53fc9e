//! Where the log and its keys are: what the daemon says of it, and that it runs as containers run it. Everything is
//! mounted in a namespace that ends with the daemon.

#[path = "../common/mod.rs"]
mod common;
mod container;
mod file_systems;

use std::process::{Command, Stdio};

use serde_json::Value;

/// Runs a shell script as root of a mount namespace of its own; the script gets the arguments.
const MOUNTING: [&str; 5] = ["unshare", "--mount", "--propagation=private", "/bin/sh", "-ec"];

/// Whether `script` does what it says in there; why not is said once.
fn can(script: &str, what: &str) -> bool {
    let mut command = Command::new(MOUNTING[0]);
    let command = command.args(&MOUNTING[1..]).arg(script).stdin(Stdio::null());
    let output = command.output().expect("unshare (util-linux) runs");
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        eprintln!("skipped: {what}: {}", why.trim());
    }
    output.status.success()
}

/// The data of `auditlogd.storage_warning` records, as the database has them, each as (weakness, directories).
fn recorded(rows: &[u8]) -> Vec<Vec<(String, String)>> {
    let rows = std::str::from_utf8(rows).expect("UTF-8");
    let rows = rows.lines().map(|row| serde_json::from_str::<Value>(row).expect("JSON"));
    let of = |row: Value| problems(&row["event"]["data"]["problems"]);
    rows.map(of).collect()
}

fn problems(list: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let list = list.as_array().expect("a list").iter();
    let directories = |problem: &Value| {
        let names = problem["directories"].as_array().expect("a list").iter();
        names.map(text).collect::<Vec<_>>().join(" ")
    };
    list.map(|problem| (text(&problem["weakness"]), directories(problem))).collect()
}
