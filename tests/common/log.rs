//! A log written through the library, with a clock that the test moves.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use auditlogd::clock::Now;
use auditlogd::fs::Real;
use auditlogd::ledger::open::open;
use auditlogd::ledger::seal::Reason;
use auditlogd::ledger::verify::{Finding, Options, Report, Verdict, verify};
use auditlogd::ledger::{Ledger, Paths};
use auditlogd::record::Record;
use tempfile::TempDir;

use super::lab::{START_NS, commit, new_root, paths, setup};

const SECOND: i64 = 1_000_000_000;

pub struct Log {
    pub dir: TempDir,
    ledger: Option<Ledger>,
    /// Seconds since the log began.
    pub seconds: i64,
    boot: u32,
}

impl Log {
    pub fn new() -> Self {
        let mut log = Self { dir: new_root(), ledger: None, seconds: 0, boot: 0 };
        log.start();
        log
    }

    pub fn paths(&self) -> Paths {
        paths(self.dir.path())
    }

    pub fn now(&self) -> Now {
        Now { wall_ns: START_NS + self.seconds * SECOND, boot_ns: (self.seconds * SECOND) as u64 }
    }

    pub fn ledger(&mut self) -> &mut Ledger {
        self.ledger.as_mut().expect("the daemon runs")
    }

    /// Starts the daemon; after `reboot` in another boot.
    pub fn start(&mut self) {
        let mut setup = setup(self.dir.path(), Arc::new(Real::default()));
        setup.host.boot_id = format!("11111111-{}", self.boot);
        self.ledger = Some(open(setup, self.now()).expect("starts").ledger);
    }

    pub fn stop(&mut self) {
        self.seal(Reason::Stop);
        self.ledger = None;
    }

    /// The daemon dies.
    pub fn kill(&mut self) {
        self.ledger = None;
    }

    pub fn reboot(&mut self) {
        self.kill();
        self.boot += 1;
        self.start();
    }

    pub fn wait(&mut self, seconds: i64) {
        self.seconds += seconds;
    }

    /// Commits events.
    pub fn events(&mut self, count: u64) {
        let first = self.ledger().next_seq();
        let event = |seq| format!(r#"{{"event_type":"test","n":{seq}}}"#);
        self.commit((first..first + count).map(event).collect());
    }

    pub fn record(&mut self, record: &Record) {
        self.commit(vec![record.to_json()]);
    }

    fn commit(&mut self, events: Vec<String>) {
        let now = self.now();
        commit(self.ledger(), now, &events).expect("stored");
    }

    pub fn seal(&mut self, reason: Reason) {
        let now = self.now();
        self.ledger().close_epoch(reason, now).expect("seals");
    }

    /// Rotates as logrotate does; the closed segment's path.
    pub fn rotate(&mut self) -> PathBuf {
        let now = self.now();
        let active = self.paths().active();
        let closed = active.with_extension(format!("jsonl-{}", self.ledger().segment()));
        fs::rename(&active, &closed).expect("renames");
        self.seal(Reason::Rotate);
        self.ledger().open_segment(now).expect("opens");
        closed
    }

    pub fn key(&self, path: &Path) -> [u8; 32] {
        let text = fs::read_to_string(path).expect("a key");
        let bytes = data_encoding::HEXLOWER.decode(text.trim().as_bytes()).expect("hex");
        bytes.try_into().expect("32 bytes")
    }

    /// What a verification with the genesis key needs.
    pub fn options(&self) -> Options {
        let paths = self.paths();
        let genesis = Some(self.key(&paths.genesis_pub()));
        Options { genesis, now_ns: self.now().wall_ns, ..Options::new(paths) }
    }

    /// The same with the auditor key.
    pub fn audited(&self) -> Options {
        let key = self.key(&self.paths().auditor_key());
        Options { auditor_key: Some(key.into()), ..self.options() }
    }

    pub fn checkpoint(&self) -> String {
        fs::read_to_string(self.paths().checkpoint()).expect("a checkpoint")
    }

    pub fn verify(&self) -> Report {
        verify(&self.options(), &mut |_, _| {})
    }
}

/// Verifies; a report without findings above `verdict`.
pub fn run(options: &Options) -> Report {
    verify(options, &mut |_, _| {})
}

/// The first finding of the report's own degree.
pub fn reason(report: &Report) -> &Finding {
    let stated = report.findings.iter().find(|finding| finding.verdict == report.verdict);
    stated.unwrap_or_else(|| panic!("{:?} has no reason", report.verdict))
}

/// Expects a verdict, and what its reason says.
pub fn expect(report: &Report, verdict: Verdict, says: &str) {
    assert_eq!(report.verdict, verdict, "{:#?}", report.findings);
    let message = &reason(report).message;
    assert!(message.contains(says), "{message}");
}

/// Changes a file's text.
pub fn edit(path: &Path, change: impl FnOnce(String) -> String) {
    let text = fs::read_to_string(path).expect("reads");
    fs::write(path, change(text)).expect("writes");
}
