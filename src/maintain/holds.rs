//! `holds.json`: which events must not be deleted, whatever the rules say.
//!
//! The file decides; the records in the log tell people. A hold is in force from before its `hold_added`
//! record until after its `hold_removed` record, so that a crash at any moment leaves it in force.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use serde::{Deserialize, Serialize};

use crate::clock::rfc3339;
use crate::engine::WriterHandle;
use crate::fs::{Access, Fs, read_small, replace};
use crate::record::Record;
use crate::retention::{Hold, NewHold, check_reason};

/// The most holds at once.
const MOST: usize = 256;
/// More than the most holds of the greatest length come to.
const LONGEST_FILE: u64 = 16 << 20;
const VERSION: u32 = 1;

/// Whoever asks may not be allowed to read what the daemon reads.
fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => {
            "root may, and the group that was given the log; while the daemon cannot either, nothing is deleted"
        }
        _ => "nothing is deleted until they can",
    }
}

/// Why holds cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum HoldsError {
    /// The disk refused to read.
    #[error("the holds in {path:?} cannot be read: {source}; {}", advice(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It is gone, and with it what is held.
    #[error(
        "the holds in {path:?} are missing, though there were {known}; nothing is deleted until the file is there: put \
         it back, or add what is still to be held again, by the `hold_added` records (`auditlog query --type \
         'auditlogd.hold_*'`)"
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// How many holds there were.
        known: usize,
    },
    /// What was read is no list of holds.
    #[error(
        "the holds in {path:?} cannot be understood: {message}; nothing is deleted until they can: put the file \
         right by the `hold_added` records (`auditlog query --type 'auditlogd.hold_*'`)"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The disk refused to write.
    #[error("the holds in {path:?} cannot be written: {source}; nothing was changed")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// What was asked for cannot be a hold.
    #[error("{0}")]
    Refused(String),
    /// There is one of this name.
    #[error("there is a hold {0} already; remove it first, or give another name")]
    Exists(String),
    /// There is none of this name.
    #[error("there is no hold {0}; `auditlog hold list` shows those in force")]
    Unknown(String),
    /// The record could not be written.
    #[error(
        "the writer of the log has ended, so that nothing can be recorded; the hold {0} is in force"
    )]
    WriterEnded(String),
}

/// The file's contents.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    version: u32,
    /// The number of the next hold without a name.
    next: u64,
    holds: Vec<Entry>,
}

/// A hold in force.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    hold: Hold,
    /// Whether the log's last word on it is that it is in force; false while a record is on its way.
    recorded: bool,
}

/// The holds of a log, for the daemon, which alone changes them.
pub struct Holds {
    fs: Arc<dyn Fs>,
    state_dir: PathBuf,
    /// Whoever has it decides what may be deleted; others wait.
    turn: Mutex<()>,
    /// How many of them there are.
    waiting: AtomicUsize,
}

impl Holds {
    /// Those in `state_dir`.
    pub fn new(fs: Arc<dyn Fs>, state_dir: &Path) -> Self {
        Self { fs, state_dir: state_dir.into(), turn: Mutex::new(()), waiting: AtomicUsize::new(0) }
    }

    /// Where they are.
    pub fn path(state_dir: &Path) -> PathBuf {
        state_dir.join("holds.json")
    }

    /// Those in force, in the order in which they were added; a missing file holds none.
    ///
    /// # Errors
    /// A file that cannot be read or understood: then nothing may be deleted.
    pub fn load(state_dir: &Path) -> Result<Vec<Hold>, HoldsError> {
        Ok(read(state_dir)?.holds.into_iter().map(|entry| entry.hold).collect())
    }

    /// The same for whoever knows how many there were: a file that was there is never taken away by the daemon.
    ///
    /// # Errors
    /// Also a missing file, if there were any.
    pub fn load_known(state_dir: &Path, known: usize) -> Result<Vec<Hold>, HoldsError> {
        let holds = Self::load(state_dir)?;
        let path = Self::path(state_dir);
        match known > 0 && holds.is_empty() && !path.exists() {
            true => Err(HoldsError::Missing { path, known }),
            false => Ok(holds),
        }
    }

    /// Puts a hold in force. Nothing that it matches is deleted once this has returned, and nothing is being.
    pub fn add(
        &self,
        new: NewHold,
        by_uid: u32,
        now_ns: i64,
        writer: &WriterHandle,
    ) -> Result<Hold, HoldsError> {
        new.check().map_err(HoldsError::Refused)?;
        let _turn = self.turn();
        let mut contents = read(&self.state_dir)?;
        if contents.holds.len() >= MOST {
            let why = format!(
                "there are {MOST} holds, and no more are taken; remove some, or make one of several"
            );
            return Err(HoldsError::Refused(why));
        }
        let id = new.id.unwrap_or_else(|| contents.number());
        if contents.find(&id).is_some() {
            return Err(HoldsError::Exists(id));
        }
        let NewHold { what, since_ns, until_ns, reason, .. } = new;
        let added = rfc3339(now_ns);
        let hold = Hold { id, what, since_ns, until_ns, reason, by_uid, added };
        contents.holds.push(Entry { hold: hold.clone(), recorded: false });
        self.write(&contents)?;
        // A crash here leaves it in force without a record, which the next start writes.
        self.tell(&mut contents, writer)?;
        Ok(hold)
    }

    /// Releases a hold.
    pub fn remove(
        &self,
        id: &str,
        reason: &str,
        by_uid: u32,
        writer: &WriterHandle,
    ) -> Result<Hold, HoldsError> {
        check_reason(reason).map_err(HoldsError::Refused)?;
        let _turn = self.turn();
        let mut contents = read(&self.state_dir)?;
        let at = contents.find(id).ok_or_else(|| HoldsError::Unknown(id.into()))?;
        contents.holds[at].recorded = false;
        self.write(&contents)?;
        let hold = contents.holds[at].hold.clone();
        let record = Record::HoldRemoved {
            hold: Box::new(hold.clone()),
            removed_by_uid: by_uid,
            removed_because: reason.into(),
        };
        if !writer.record_durably(record) {
            return Err(HoldsError::WriterEnded(id.into()));
        }
        // A crash here leaves it in force though the log says otherwise: the next start says so in the log.
        contents.holds.remove(at);
        self.write(&contents)?;
        Ok(hold)
    }

    /// Records each hold in force whose last record may not say so, as a crash leaves them. For each start, and
    /// before each run.
    pub fn mend(&self, writer: &WriterHandle) -> Result<(), HoldsError> {
        let _turn = self.turn();
        let mut contents = read(&self.state_dir)?;
        self.tell(&mut contents, writer)
    }

    /// Does what deletes, if the holds in force are still those that it was planned with; they stay the same
    /// meanwhile. None if they are others. `delete` is given a way to ask whether somebody waits to change them.
    pub fn while_they_are<T>(
        &self,
        planned_with: &[Hold],
        delete: impl FnOnce(&dyn Fn() -> bool) -> T,
    ) -> Result<Option<T>, HoldsError> {
        let _turn = self.turn();
        let unchanged = Self::load(&self.state_dir)? == planned_with;
        Ok(unchanged.then(|| delete(&|| self.waiting.load(Ordering::Relaxed) > 0)))
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let turn = self.turn.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        turn
    }

    /// Writes the records that are missing, and notes that they are there.
    fn tell(&self, contents: &mut Contents, writer: &WriterHandle) -> Result<(), HoldsError> {
        let mut told = false;
        for entry in contents.holds.iter_mut().filter(|entry| !entry.recorded) {
            let hold = Box::new(entry.hold.clone());
            if !writer.record_durably(Record::HoldAdded { hold }) {
                return Err(HoldsError::WriterEnded(entry.hold.id.clone()));
            }
            (entry.recorded, told) = (true, true);
        }
        // If that fails, or a crash comes before, the record is written once more.
        if told { self.write(contents) } else { Ok(()) }
    }

    fn write(&self, contents: &Contents) -> Result<(), HoldsError> {
        let path = Self::path(&self.state_dir);
        // Plain structs of strings and integers cannot fail to serialize.
        let mut text = serde_json::to_vec_pretty(contents).unwrap_or_default();
        text.push(b'\n');
        replace(&*self.fs, &path, &text, Access::Shared)
            .map_err(|source| HoldsError::Write { path, source })
    }
}

impl Contents {
    fn find(&self, id: &str) -> Option<usize> {
        self.holds.iter().position(|entry| entry.hold.id == id)
    }

    /// A name for a hold that was given none; it is not used again.
    fn number(&mut self) -> String {
        loop {
            let id = format!("hold-{}", self.next);
            self.next = self.next.saturating_add(1);
            if self.find(&id).is_none() {
                return id;
            }
        }
    }
}

fn read(state_dir: &Path) -> Result<Contents, HoldsError> {
    let path = Holds::path(state_dir);
    let text = match read_small(&path, LONGEST_FILE) {
        Ok(Some(text)) => text,
        Ok(None) => return Ok(Contents { version: VERSION, next: 1, holds: Vec::new() }),
        Err(source) => return Err(HoldsError::Read { path, source }),
    };
    let damaged = |message: String| HoldsError::Damaged { path: path.clone(), message };
    let contents: Contents = serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?;
    match contents.version {
        VERSION => Ok(contents),
        other => {
            Err(damaged(format!("it is of version {other}, and this program knows {VERSION}")))
        }
    }
}
