//! What is measured, in which order, and what is said of it.

mod burst;
mod latency;
mod memory;
mod rates;

use std::time::Instant;

use serde_json::json;

use crate::runs::directory;
use crate::table::Table;

pub use burst::sustained;

/// How much is measured.
pub struct Effort {
    /// Its name, and that of the file with the figures.
    pub name: &'static str,
    pub file: &'static str,
    /// Rounds of the rates, each with its baselines.
    pub rounds: usize,
    /// Events of the run that has goals: 4 connections, 64 KiB a write.
    pub goal_events: u64,
    /// Events of each other run.
    pub events: u64,
    /// Connections that these are tried with, for both kinds of writes.
    pub connections: &'static [usize],
    /// Events one by one, and syncs of baseline (c).
    pub one_by_one: u64,
    /// Rates that are paced, and for how long.
    pub paces: &'static [u64],
    pub pace_seconds: u64,
    /// Events of the burst, if there is one.
    pub burst: Option<u64>,
}

/// All of it.
pub const FULL: Effort = Effort {
    name: "full",
    file: "pipeline.json",
    rounds: 3,
    goal_events: 1_000_000,
    events: 200_000,
    connections: &[1, 4, 16],
    one_by_one: 3_000,
    paces: &[1_000, 10_000, 50_000],
    pace_seconds: 5,
    burst: Some(2_000_000),
};

/// For a look after each change.
pub const QUICK: Effort = Effort {
    name: "quick",
    file: "pipeline-quick.json",
    rounds: 1,
    goal_events: 200_000,
    events: 50_000,
    connections: &[1],
    one_by_one: 500,
    paces: &[10_000],
    pace_seconds: 2,
    burst: None,
};

/// Measures, and prints and writes the table.
pub fn all(effort: &Effort) {
    let begun = Instant::now();
    let mut table = Table::default();
    let load_before = load();
    rates::measure(effort, &mut table);
    latency::measure(effort, &mut table);
    memory::measure(&mut table);
    if let Some(events) = effort.burst {
        burst::measure(events, &mut table);
    }
    finish(&mut table, effort.name, effort.file, (begun, load_before));
}

fn finish(table: &mut Table, name: &str, file: &str, (begun, load_before): (Instant, String)) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let (cpu, disk) = (processor(), file_system());
    let seconds = begun.elapsed().as_secs();
    let load_after = load();
    println!("\npipeline, {name}: {cores} cores of {cpu}, {disk}; {seconds} s");
    println!("threads that ran or waited, before and after: {load_before}; {load_after}");
    println!("(a) mac, leaf, write, sync   (b) insert rows   (c) p50 of 4 KiB appended and synced");
    if cfg!(debug_assertions) {
        // Its dependencies are not optimised, so (a) is slower than it could be.
        println!(
            "the bench is compiled as tests are: its ratios compare with each other, not with goals"
        );
        table.forget_goals();
    }
    table.print();
    let about = json!({
        "effort": name,
        "version": env!("CARGO_PKG_VERSION"),
        "cores": cores,
        "processor": cpu,
        "disk": disk,
        "seconds": seconds,
        "load": [load_before, load_after],
    });
    println!("\nthe same as JSON: {}", table.write(file, about).display());
}

/// Says on the way what is being measured.
fn now(what: &str) {
    eprintln!("measuring {what}");
}

/// How many threads ran or waited for a core, over 1, 5 and 15 minutes.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("model name"));
    line.map_or("an unknown processor", |rest| rest.trim_start_matches([' ', '\t', ':'])).to_owned()
}

/// What the log is on. On a file system in memory a sync costs nothing, and the figures say little.
fn file_system() -> String {
    let dir = directory();
    let kind = nix::sys::statfs::statfs(dir.path()).map(|found| found.filesystem_type());
    match kind {
        Ok(nix::sys::statfs::EXT4_SUPER_MAGIC) => "ext4".into(),
        Ok(nix::sys::statfs::XFS_SUPER_MAGIC) => "xfs".into(),
        Ok(nix::sys::statfs::BTRFS_SUPER_MAGIC) => "btrfs".into(),
        Ok(nix::sys::statfs::OVERLAYFS_SUPER_MAGIC) => "overlayfs".into(),
        Ok(nix::sys::statfs::TMPFS_MAGIC) => "tmpfs, where a sync costs nothing".into(),
        Ok(other) => format!("file system {:#x}", other.0),
        Err(e) => format!("unknown file system: {e}"),
    }
}
