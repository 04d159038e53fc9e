//! A log made through the library, below a directory laid out like the daemon's, so that `auditlog` and
//! the daemon can be run on it too. The test moves the clock.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use auditlogd::clock::{Clock, Now, rfc3339};
use auditlogd::fs::{Fs, Real};
use auditlogd::ledger::open::{Opened, Setup, open};
use auditlogd::ledger::seal::Reason;
use auditlogd::ledger::{Host, Ledger, LedgerError, Paths, keys};
use auditlogd::record::Record;
use tempfile::TempDir;

/// The peer of everything in such a log.
pub const PEER: &str = r#"{"pid":1,"uid":0,"gid":0,"unit":null,"exe":null}"#;

/// 2026-11-21T01:23:45.123456789Z.
pub const START_NS: i64 = 1_795_224_225_123_456_789;

const SECOND: u64 = 1_000_000_000;

/// Where a daemon below `root` keeps its log.
pub fn paths(root: &Path) -> Paths {
    Paths { log_dir: root.join("var/log/auditlogd"), state_dir: root.join("var/lib/auditlogd") }
}

/// A directory with room for a log.
pub fn new_root() -> TempDir {
    let root = tempfile::tempdir().expect("temporary directory");
    let paths = paths(root.path());
    fs::create_dir_all(paths.log_dir).expect("log directory");
    fs::create_dir_all(paths.state_dir).expect("state directory");
    root
}

/// So many seconds after the start of both clocks.
pub fn now(seconds: u64) -> Now {
    Now { wall_ns: START_NS + (seconds * SECOND) as i64, boot_ns: seconds * SECOND }
}

/// What the library needs to open the log below `root` on a host of one boot.
pub fn setup(root: &Path, fs: Arc<dyn Fs>) -> Setup {
    let host = Host { name: "host".into(), boot_id: "11111111-2222".into() };
    let paths = paths(root);
    let own_peer = PEER.into();
    Setup {
        fs,
        paths,
        host,
        entropy: keys::os_entropy(),
        own_peer,
        credential: None,
        on_read: Arc::new(|_| {}),
    }
}

/// Signs and stores one event for each text; returns what their receipts would say.
pub fn commit(
    ledger: &mut Ledger,
    now: Now,
    events: &[String],
) -> Result<Vec<(u64, String)>, LedgerError> {
    let mut receipts = Vec::new();
    for event in events {
        let (seq, mac) = ledger.sign(&rfc3339(now.wall_ns), b"", PEER, event.as_bytes())?;
        receipts.push((seq, String::from_utf8_lossy(&mac).into_owned()));
    }
    ledger.store()?;
    Ok(receipts)
}

/// The event of a name.
pub fn event(name: impl std::fmt::Display) -> String {
    format!(r#"{{"name":"{name}"}}"#)
}

/// The record of a start.
pub fn started(boot_id: String, now: Now) -> Record {
    let field_map = "0".repeat(64);
    Record::Started { version: "test", boot_id, boottime_ns: now.boot_ns, field_map }
}

/// A log, open or not.
pub struct Lab {
    root: TempDir,
    pub clock: Now,
    boot: u32,
    ledger: Option<Ledger>,
}

impl Lab {
    /// A new log, open.
    pub fn new() -> Self {
        Self::since(now(0))
    }

    /// A log that was begun so many days before now, for programs that go by the real time.
    pub fn ago(days: i64) -> Self {
        let wall_ns = Clock::System.now().wall_ns - days * 86_400 * SECOND as i64;
        Self::since(Now { wall_ns, boot_ns: SECOND })
    }

    fn since(clock: Now) -> Self {
        let mut lab = Self { root: new_root(), clock, boot: 1, ledger: None };
        assert!(lab.open().is_none(), "a new log");
        lab
    }

    /// A closed log of `epochs` epochs of `lines` events each, with a rotation in the middle and a stop at
    /// the end.
    pub fn closed(epochs: u64, lines: u64) -> Self {
        let mut lab = Self::new();
        for epoch in 0..epochs {
            lab.store((0..lines).map(|n| format!("{epoch}.{n}")));
            match epoch {
                _ if epoch + 1 == epochs => lab.stop(),
                _ if epoch + 1 == epochs.div_ceil(2) => lab.rotate(),
                _ => lab.seal(Reason::Time),
            }
        }
        lab
    }

    pub fn root(&self) -> &Path {
        self.root.path()
    }

    pub fn paths(&self) -> Paths {
        paths(self.root())
    }

    pub fn into_root(self) -> TempDir {
        self.root
    }

    /// Starts, with the daemon's own records; returns the one of a recovery.
    pub fn open(&mut self) -> Option<Record> {
        let mut setup = setup(self.root.path(), Arc::new(Real::default()));
        setup.host.boot_id = format!("11111111-{}", self.boot);
        let Opened { ledger, recovered, .. } = open(setup, self.clock).expect("the log opens");
        self.ledger = Some(ledger);
        if let Some(record) = &recovered {
            self.record(record);
        }
        let boot_id = format!("11111111-{}", self.boot);
        self.record(&started(boot_id, self.clock));
        recovered
    }

    /// Moves both clocks on.
    pub fn pass(&mut self, seconds: u64) {
        self.clock.wall_ns += (seconds * SECOND) as i64;
        self.clock.boot_ns += seconds * SECOND;
    }

    /// Lets the host start anew; whatever was not stopped has crashed.
    pub fn reboot(&mut self) {
        self.ledger = None;
        self.boot += 1;
        self.clock.wall_ns += 60 * SECOND as i64;
        self.clock.boot_ns = SECOND;
    }

    pub fn ledger(&mut self) -> &mut Ledger {
        self.ledger.as_mut().expect("the log is open")
    }

    /// Stores one event for each name in one commit, a second after the last; returns their receipts.
    pub fn store<N: std::fmt::Display>(
        &mut self,
        names: impl IntoIterator<Item = N>,
    ) -> Vec<(u64, String)> {
        self.pass(1);
        let events: Vec<_> = names.into_iter().map(event).collect();
        let now = self.clock;
        commit(self.ledger(), now, &events).expect("stored")
    }

    /// Stores one of the daemon's own records.
    pub fn record(&mut self, record: &Record) {
        let now = self.clock;
        commit(self.ledger(), now, &[record.to_json()]).expect("stored");
    }

    pub fn seal(&mut self, reason: Reason) {
        self.pass(1);
        let now = self.clock;
        self.ledger().close_epoch(reason, now).expect("sealed");
    }

    /// Renames the active segment and opens a new one, as a rotation does.
    pub fn rotate(&mut self) {
        let active = self.paths().active();
        let number = self.ledger().segment();
        fs::rename(&active, closed_segment(&active, number)).expect("renames");
        self.seal(Reason::Rotate);
        let now = self.clock;
        let ledger = self.ledger();
        ledger.open_segment(now).expect("a new segment");
        let reason = "the active file was renamed".into();
        self.record(&Record::Reopened { segment: number + 1, reason, damage: None });
    }

    /// Ends as a stop does.
    pub fn stop(&mut self) {
        self.record(&Record::Stopped { reason: "SIGTERM".into() });
        self.seal(Reason::Stop);
        self.ledger = None;
    }

    /// Ends as a kill does.
    pub fn kill(&mut self) {
        self.ledger = None;
    }

    /// The files of the log, oldest first.
    pub fn segments(&self) -> Vec<PathBuf> {
        let found = auditlogd::ledger::segment::list(&self.paths().log_dir).expect("lists");
        found.into_iter().map(|found| found.path).collect()
    }
}

fn closed_segment(active: &Path, number: u64) -> PathBuf {
    active.with_file_name(format!("audit.jsonl-{number}"))
}
