//! `holds.json`: which events must not be deleted, whatever the rules say.
//!
//! The file decides; the records in the log tell people. A hold is in force from before its `hold_added`
//! record until after its `hold_removed` record, so that a crash at any moment leaves it in force.

mod error;
mod file;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::clock::rfc3339;
use crate::engine::WriterHandle;
use crate::fs::Fs;
use crate::record::Record;
use crate::retention::{Hold, NewHold, check_reason};
use file::{Contents, Entry, path_in};

pub use error::HoldsError;

/// The most holds at once.
const MOST: usize = 256;

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

    /// Those in force, in the order in which they were added; a missing file holds none.
    ///
    /// # Errors
    /// A file that cannot be read or understood: then nothing may be deleted.
    pub fn load(state_dir: &Path) -> Result<Vec<Hold>, HoldsError> {
        Ok(Contents::read(state_dir)?.holds.into_iter().map(|entry| entry.hold).collect())
    }

    /// The same for whoever knows how many there were: a file that was there is never taken away by the daemon.
    ///
    /// # Errors
    /// Also a missing file, if there were any.
    pub fn load_known(state_dir: &Path, known: usize) -> Result<Vec<Hold>, HoldsError> {
        let holds = Self::load(state_dir)?;
        let path = path_in(state_dir);
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
        let mut contents = Contents::read(&self.state_dir)?;
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
        let mut contents = Contents::read(&self.state_dir)?;
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
        let mut contents = Contents::read(&self.state_dir)?;
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
        contents.write(&*self.fs, &self.state_dir)
    }
}
