//! The daemon that is measured, and what the kernel says of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use rusqlite::{Connection, OpenFlags};

use crate::common::{Daemon, eventually};
use crate::runs::directory;
use crate::stored::{self, Stored};

/// The quotas would slow the load generator down, which is one user.
const CONFIG: &str = "[quota]\nevents_per_second = 0\nbytes_per_second = 0\n";

/// A daemon of its own on an empty log.
pub struct Subject {
    pub daemon: Daemon,
    database: Connection,
}

/// Processor time so far.
pub struct Cpu {
    /// Of all threads, those that have ended included.
    pub all_us: u64,
    /// Of the threads that there are, by name.
    pub by_thread: BTreeMap<String, u64>,
}

impl Subject {
    pub fn start() -> Self {
        let daemon = Daemon::start_in(directory(), CONFIG);
        daemon.settle();
        let database = eventually("there is a database", || {
            Connection::open_with_flags(daemon.database(), OpenFlags::SQLITE_OPEN_READ_ONLY).ok()
        });
        Self { daemon, database }
    }

    pub fn socket(&self) -> PathBuf {
        self.daemon.socket()
    }

    /// The next sequence number that is not in the database.
    pub fn indexed(&self) -> u64 {
        self.ask("SELECT indexed FROM meta")
    }

    pub fn cpu(&self) -> Cpu {
        let stat = self.read("stat");
        // After the name, which may hold anything, come 11 others, then utime and stime in ticks.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks = fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number"));
        let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK);
        let per_second = per_second.ok().flatten().expect("the kernel has ticks") as u64;
        let all_us = ticks.sum::<u64>() * 1_000_000 / per_second;
        let mut by_thread = BTreeMap::new();
        for task in fs::read_dir(self.proc("task")).expect("has threads").flatten() {
            let read = |name| fs::read_to_string(task.path().join(name)).unwrap_or_default();
            let (name, stat) = (read("comm"), read("schedstat"));
            let ns = stat.split(' ').next().and_then(|ns| ns.parse::<u64>().ok());
            *by_thread.entry(name.trim().to_owned()).or_default() += ns.unwrap_or(0) / 1000;
        }
        Cpu { all_us, by_thread }
    }

    /// Resident now, and the most since [`Subject::reset_peak`]; KiB.
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
        fs::write(self.proc("clear_refs"), "5").expect("the kernel takes it");
    }

    /// How often its threads have slept until something woke them.
    pub fn sleeps(&self) -> u64 {
        let tasks = fs::read_dir(self.proc("task")).expect("has threads").flatten();
        let of = |status: String| {
            let line = status.lines().find_map(|l| l.strip_prefix("voluntary_ctxt_switches:"));
            line.and_then(|rest| rest.trim().parse::<u64>().ok()).unwrap_or(0)
        };
        tasks.map(|task| fs::read_to_string(task.path().join("status")).map_or(0, of)).sum()
    }

    /// Commits of the ledger so far.
    pub fn commits(&self) -> u64 {
        let output = self.daemon.tool(&["status", "--format", "json"]);
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        status["daemon"]["metrics"]["commits"]
            .as_u64()
            .unwrap_or_else(|| panic!("no commits: {status}"))
    }

    /// Files and connections that it has open.
    pub fn open_files(&self) -> usize {
        fs::read_dir(self.proc("fd")).expect("the daemon runs").count()
    }

    /// What the ledger holds, and bytes of the database. Fails unless both have so many events of clients.
    pub fn check(&self, events: u64) -> (Stored, u64) {
        let sql = "SELECT count(*) FROM events WHERE event_type NOT LIKE 'auditlogd.%'";
        assert_eq!(self.ask(sql), events, "each event is in the database");
        let ledger = self.daemon.segment().parent().map(stored::read).expect("it is in one");
        assert_eq!(ledger.events, events, "each event is in the ledger");
        let sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
        (ledger, self.ask(sql))
    }

    /// Waits until the database has what the ledger has.
    pub fn settle(&self) {
        self.daemon.settle();
    }

    fn ask(&self, sql: &str) -> u64 {
        let mut ask = self.database.prepare_cached(sql).expect("prepares");
        let number = ask.query_row([], |row| row.get::<_, i64>(0)).expect("reads");
        u64::try_from(number).expect("not negative")
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.proc(name)).expect("the daemon runs")
    }

    fn proc(&self, name: &str) -> PathBuf {
        format!("/proc/{}/{name}", self.daemon.pid()).into()
    }
}
