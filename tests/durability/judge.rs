//! What a start must make of whatever a failure left: a log that goes on, in which all that was promised is kept.

use std::collections::BTreeMap;
use std::fs;
use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;

use auditlogd::clock::Now;
use auditlogd::fs::Fs;
use auditlogd::ledger::line::{self, Body};
use auditlogd::ledger::open::{Opened, open};
use auditlogd::ledger::seal::Reason;
use auditlogd::ledger::segment;
use auditlogd::ledger::verify::{Given, Report, Verdict};
use auditlogd::ledger::{LedgerError, anchor};
use auditlogd::maintain::holds::Holds;

use crate::common::auditor::{Auditor, Macs};
use crate::common::lab::{self, START_NS, commit, event, paths, setup};
use crate::common::unsynced::Unsynced;
use crate::stage::{Promise, seeded};

/// What a log is held against.
pub struct Judge {
    /// Who noted its keys, if it had been created for sure.
    pub auditor: Option<Arc<Auditor>>,
    /// What was promised before the failure.
    pub promises: Vec<Promise>,
    pub seed: u64,
    /// What to say of it if it does not hold.
    pub case: String,
}

impl Judge {
    /// Starts on the log below `root` after a reboot, on this disk.
    pub fn start(&self, root: &Path, disk: Arc<dyn Fs>) -> Result<Opened, LedgerError> {
        let mut setup = seeded(setup(root, disk), self.seed);
        setup.host.boot_id = "11111111-3333".into();
        let mut opened = open(setup, later(0))?;
        if let Some(record) = &opened.recovered {
            commit(&mut opened.ledger, later(0), &[record.to_json()])?;
        }
        Ok(opened)
    }

    /// Fails unless the next start goes on with the log below `root` and all is kept.
    pub fn judge(&self, root: &Path) -> Verdict {
        let case = &self.case;
        let disk = || Arc::new(Unsynced(auditlogd::fs::Real::default()));
        let mut opened = self.start(root, disk()).unwrap_or_else(|e| panic!("{case}: {e}"));
        assert!(!(opened.created && self.auditor.is_some()), "{case}: a new log was begun");
        let after = [event("after")];
        let ledger = &mut opened.ledger;
        commit(ledger, later(1), &after).unwrap_or_else(|e| panic!("{case}: {e}"));
        let auditor = self.auditor.clone().unwrap_or_else(|| Arc::new(Auditor::of(root)));
        drop(opened); // a second crash, with lines in the open epoch
        let mut opened = self.start(root, disk()).unwrap_or_else(|e| panic!("{case}: {e}"));
        assert!(opened.recovered.is_some() && !opened.created, "{case}");
        opened.ledger.close_epoch(Reason::Stop, later(3)).expect("stops");

        self.keeps_lines(root);
        self.keeps_the_rest(root);
        let report = auditor.check_with(root, Macs::Checked, self.checkpoints());
        let fine = [Verdict::OkAnchored, Verdict::OkUnanchored, Verdict::Incomplete];
        assert!(fine.contains(&report.verdict), "{case}: {:#?}", report.findings);
        report.verdict
    }

    /// What a verification says before anybody has started the daemon.
    pub fn look(&self, root: &Path) -> Option<Report> {
        let auditor = self.auditor.as_ref()?;
        Some(auditor.check_with(root, Macs::Checked, self.checkpoints()))
    }

    fn keeps_lines(&self, root: &Path) {
        let lines = lines(root, &self.case);
        let mut may_go = Vec::new();
        for promise in self.promises.iter().rev() {
            match promise {
                Promise::MayGo(event) => may_go.push(event),
                Promise::Stored { seq, mac, event } => match lines.get(seq) {
                    Some(line) => {
                        let same =
                            line.ends_with(&format!("\"event\":{event},\"mac\":\"{mac}\"}}"));
                        assert!(same, "{}: seq {seq} is {line}, not {event}", self.case);
                    }
                    None => {
                        let gone = may_go.contains(&event);
                        assert!(gone, "{}: seq {seq}, {event}, is lost", self.case);
                    }
                },
                _ => {}
            }
        }
    }

    fn keeps_the_rest(&self, root: &Path) {
        let holds = Holds::load(&paths(root).state_dir);
        let holds = holds.unwrap_or_else(|e| panic!("{}: {e}", self.case));
        for promise in &self.promises {
            if let Promise::Held(id) = promise {
                assert!(holds.iter().any(|hold| hold.id == *id), "{}: no hold", self.case);
            }
        }
        if self.auditor.is_some() {
            let whole = |path: &Path| fs::read_to_string(path).is_ok_and(|text| text.len() == 65);
            let copies = [paths(root).auditor_key(), root.join("var/key")];
            assert!(copies.iter().any(|path| whole(path)), "{}: no auditor key", self.case);
        }
    }

    /// Those that a witness may have.
    fn checkpoints(&self) -> Vec<Given> {
        let note = |promise: &Promise| match promise {
            Promise::Checkpoint(note) => Some(anchor::read(note).expect("a checkpoint").list),
            _ => None,
        };
        let anchors = self.promises.iter().filter_map(note).flatten();
        anchors.map(|anchor| Given { from: "a witness".into(), anchor }).collect()
    }
}

/// A day after all that happened, in another boot.
fn later(seconds: u64) -> Now {
    Now { wall_ns: START_NS + 10 * 86_400_000_000_000, ..lab::now(30 + seconds) }
}

/// All lines by their numbers; of two files of one segment they must be the same.
fn lines(root: &Path, case: &str) -> BTreeMap<u64, String> {
    let mut lines: BTreeMap<u64, String> = BTreeMap::new();
    for found in segment::list(&paths(root).log_dir).expect("lists") {
        let file = segment::open_listed(&found).expect("opens");
        for bytes in segment::contents(file).expect("reads").split(b'\n').skip(1) {
            let bytes = bytes.expect("reads");
            // Beside the log, a copy of a file may end anywhere.
            let Ok(line) = line::parse(&bytes) else { continue };
            if let Body::Event { .. } = line.body {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let before = lines.insert(line.seq, text.clone());
                let same = before.is_none_or(|before| before == text);
                assert!(same, "{case}: two lines have the number {}", line.seq);
            }
        }
    }
    lines
}
