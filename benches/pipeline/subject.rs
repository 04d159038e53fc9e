//! The daemon that is measured.

use std::path::PathBuf;
use std::sync::OnceLock;

use rusqlite::{Connection, OpenFlags};

use crate::common::{Daemon, eventually};
use crate::process::Process;
use crate::runs::directory;
use crate::stored::{self, Stored};

/// The quotas would slow the load generator down, which is one user.
const CONFIG: &str = "[quota]\nevents_per_second = 0\nbytes_per_second = 0\n";

/// A daemon of its own on an empty log.
pub struct Subject {
    pub daemon: Daemon,
    database: Connection,
}

/// The program that is measured, if not the one that was compiled with the bench.
pub static PROGRAM: OnceLock<String> = OnceLock::new();

impl Subject {
    pub fn start() -> Self {
        let daemon = match PROGRAM.get() {
            None => Daemon::start_in(directory(), CONFIG),
            // The last arguments are the other program and what is said to it.
            Some(program) => {
                let instead = ["sh", "-c", "shift; exec \"$0\" \"$@\"", program];
                Daemon::start_under(&instead, directory(), CONFIG)
            }
        };
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

    /// Commits of the ledger so far.
    pub fn commits(&self) -> u64 {
        let output = self.daemon.tool(&["status", "--format", "json"]);
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        status["daemon"]["metrics"]["commits"]
            .as_u64()
            .unwrap_or_else(|| panic!("no commits: {status}"))
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

    /// What the kernel says of it.
    pub fn process(&self) -> Process {
        Process(self.daemon.pid())
    }
}
