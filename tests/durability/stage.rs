//! A log on a disk that can fail, and what its daemon has promised so far.

use std::path::Path;
use std::sync::{Arc, Mutex};

use auditlogd::clock::Now;
use auditlogd::fs::Fs;
use auditlogd::ledger::open::{Opened, Setup, open};
use auditlogd::ledger::seal::Reason;
use auditlogd::ledger::{Ledger, LedgerError};
use tempfile::TempDir;

use crate::common::auditor::Auditor;
use crate::common::lab::{self, commit, event, new_root, now, paths};
use crate::disk::{Disk, Fails};

/// Something that somebody outside has been told.
#[derive(Clone, Debug)]
pub enum Promise {
    /// A line is stored: its receipt, and its event.
    Stored { seq: u64, mac: String, event: String },
    /// A checkpoint, which a witness may have.
    Checkpoint(String),
    /// Events that hold this text may be deleted from now on.
    MayGo(String),
    /// This hold is in force.
    Held(String),
}

pub struct Stage {
    root: TempDir,
    pub disk: Disk,
    promises: Mutex<Vec<(usize, Promise)>>,
    /// Who has the keys of the log, once there is one, and since when.
    auditor: Mutex<Option<(usize, Arc<Auditor>)>>,
    entropy: u64,
}

impl Stage {
    /// An empty directory; `seed` is all there is of randomness.
    pub fn new(seed: u64, fails: Option<Fails>) -> Self {
        let root = new_root();
        let disk = Disk::new(root.path(), fails);
        Self { root, disk, promises: Mutex::default(), auditor: Mutex::default(), entropy: seed }
    }

    pub fn root(&self) -> &Path {
        self.root.path()
    }

    pub fn fs(&self) -> Arc<dyn Fs> {
        Arc::new(self.disk.clone())
    }

    /// Says something to somebody outside.
    pub fn promise(&self, promise: Promise) {
        let at = self.disk.now();
        self.promises.lock().expect("not poisoned").push((at, promise));
    }

    /// What had been said when so many operations were done.
    pub fn promised(&self, done: usize) -> Vec<Promise> {
        let promises = self.promises.lock().expect("not poisoned");
        let until = promises.iter().take_while(|(at, _)| *at <= done);
        until.map(|(_, promise)| promise.clone()).collect()
    }

    /// Who has the keys of the log, if it had been there for sure when so many operations were done.
    pub fn auditor(&self, done: usize) -> Option<Arc<Auditor>> {
        let auditor = self.auditor.lock().expect("not poisoned");
        auditor.as_ref().filter(|(at, _)| *at <= done).map(|(_, auditor)| auditor.clone())
    }

    /// The log is there from now on, and its keys are noted.
    pub fn created(&self) {
        let noted = || (self.disk.now(), Arc::new(Auditor::of(self.root())));
        self.auditor.lock().expect("not poisoned").get_or_insert_with(noted);
    }

    /// Opens the log, with the record of what was found.
    pub fn open(&self, seconds: u64) -> Result<Ledger, LedgerError> {
        let setup = seeded(lab::setup(self.root(), self.fs()), self.entropy ^ seconds);
        let Opened { mut ledger, recovered, .. } = open(setup, now(seconds))?;
        self.created();
        if let Some(record) = recovered {
            commit(&mut ledger, now(seconds), &[record.to_json()])?;
        }
        Ok(ledger)
    }

    /// Stores an event of each name, in one commit.
    pub fn store(&self, ledger: &mut Ledger, at: Now, names: &[&str]) -> Result<(), LedgerError> {
        self.store_texts(ledger, at, names.iter().map(event).collect())
    }

    pub fn store_texts(
        &self,
        ledger: &mut Ledger,
        at: Now,
        events: Vec<String>,
    ) -> Result<(), LedgerError> {
        let receipts = commit(ledger, at, &events)?;
        for ((seq, mac), event) in receipts.into_iter().zip(events) {
            self.promise(Promise::Stored { seq, mac, event });
        }
        Ok(())
    }

    /// Closes the epoch, and gives its checkpoint to a witness.
    pub fn seal(&self, ledger: &mut Ledger, why: Reason, seconds: u64) -> Result<(), LedgerError> {
        ledger.close_epoch(why, now(seconds))?;
        self.promise(Promise::Checkpoint(ledger.checkpoint()?));
        Ok(())
    }

    /// Where an archive is, and a key that was taken away.
    pub fn away(&self, name: &str) -> std::path::PathBuf {
        self.root().join("var").join(name)
    }

    pub fn active(&self) -> std::path::PathBuf {
        paths(self.root()).active()
    }
}

/// The same with keys that the seed gives.
pub fn seeded(setup: Setup, seed: u64) -> Setup {
    let mut rng = fastrand::Rng::with_seed(seed);
    let entropy = Box::new(move |bytes: &mut [u8]| {
        rng.fill(bytes);
        Ok(())
    });
    Setup { entropy, ..setup }
}
