//! What the kernel says of a process (proc(5)).

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// Threads that have ended: of the daemon, those that help the index to catch up.
const ENDED: &str = "ended";

/// Processor time so far.
pub struct Cpu {
    /// Of all threads, those that have ended included.
    pub all_us: u64,
    /// By the thread's name, with those that have ended as one.
    pub by_thread: BTreeMap<String, u64>,
}

/// The process with this id.
pub struct Process(pub u32);

impl Process {
    pub fn cpu(&self) -> Cpu {
        let stat = self.read("stat");
        // After the name, which may hold anything, come 11 others, then utime and stime in ticks.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks = fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number"));
        let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK);
        let per_second = per_second.ok().flatten().expect("the kernel has ticks") as u64;
        let all_us = ticks.sum::<u64>() * 1_000_000 / per_second;
        let mut by_thread = BTreeMap::new();
        for task in fs::read_dir(self.path("task")).expect("has threads").flatten() {
            let read = |name| fs::read_to_string(task.path().join(name)).unwrap_or_default();
            let (name, stat) = (read("comm"), read("schedstat"));
            let ns = stat.split(' ').next().and_then(|ns| ns.parse::<u64>().ok());
            *by_thread.entry(name.trim().to_owned()).or_default() += ns.unwrap_or(0) / 1000;
        }
        let alive: u64 = by_thread.values().sum();
        by_thread.insert(ENDED.to_owned(), all_us.saturating_sub(alive));
        Cpu { all_us, by_thread }
    }

    /// Resident now, and the most since [`Process::reset_peak`]; KiB.
    pub fn memory(&self) -> [u64; 2] {
        let status = self.read("status");
        ["VmRSS:", "VmHWM:"].map(|name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
            kib.and_then(|kib| kib.parse().ok()).expect("the kernel says")
        })
    }

    /// Begins anew to look for the most memory (proc(5), clear_refs).
    pub fn reset_peak(&self) {
        fs::write(self.path("clear_refs"), "5").expect("the kernel takes it");
    }

    /// How often its threads have slept until something woke them.
    pub fn sleeps(&self) -> u64 {
        let tasks = fs::read_dir(self.path("task")).expect("has threads").flatten();
        let of = |status: String| {
            let line = status.lines().find_map(|l| l.strip_prefix("voluntary_ctxt_switches:"));
            line.and_then(|rest| rest.trim().parse::<u64>().ok()).unwrap_or(0)
        };
        tasks.map(|task| fs::read_to_string(task.path().join("status")).map_or(0, of)).sum()
    }

    /// Files and connections that it has open.
    pub fn open_files(&self) -> usize {
        fs::read_dir(self.path("fd")).expect("the process runs").count()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("the process runs")
    }

    fn path(&self, name: &str) -> PathBuf {
        format!("/proc/{}/{name}", self.0).into()
    }
}
