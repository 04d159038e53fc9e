//! What can be asked of the writer while it runs, by whoever needs to know when it is done.

use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};

use super::Command;
use super::queue::Sender;
use crate::record::Record;

/// Told when a command is done; dropped without a word if the writer failed first.
pub(crate) type Done<T = ()> = SyncSender<T>;

/// A segment that was closed by a rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// Its number.
    pub segment: u64,
    /// What its file is called now.
    pub path: PathBuf,
    /// Its size, bytes.
    pub bytes: u64,
}

/// Why there was no rotation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRotated {
    /// The file could not be renamed; the log goes on in it.
    #[error("{0}; the log goes on in the same file")]
    Refused(String),
    /// Somebody else has renamed the file at the same moment, which did what a rotation does.
    #[error("somebody else has renamed the file at this moment, and a new segment is written")]
    Renamed,
    /// The writer has ended, or ended over it.
    #[error("the writer has ended")]
    WriterEnded,
}

/// What became of a [`WriterHandle::prune`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pruned {
    /// The records are durable, and so is the seal over them.
    Done,
    /// It was too early by the clock of the commit: nothing was written.
    TooEarly,
    /// The writer has ended; whether the records are in the log is for the next start to find out.
    WriterEnded,
}

/// A way to the writer that can be given away.
#[derive(Clone)]
pub struct WriterHandle(pub(super) Sender);

impl WriterHandle {
    /// Writes one of the daemon's own records; returns when it is durable, or `false` if the writer has
    /// ended.
    pub fn record_durably(&self, record: Record) -> bool {
        let command = |done: Done| {
            let stored = move || {
                let _asker_may_be_gone = done.send(());
            };
            Command::Record(record, Some(Box::new(stored)))
        };
        self.ask(command).is_some()
    }

    /// Renames the active segment to the name of a closed one, closes the epoch and opens a new segment,
    /// whose first record says why; returns when that is durable.
    pub fn rotate(&self, reason: String) -> Result<Rotated, NotRotated> {
        let asked = self.ask(|done| Command::Rotate(reason, done));
        asked.unwrap_or(Err(NotRotated::WriterEnded))
    }

    /// Writes the records of what is to be deleted in one commit, if its time is not before `not_before_ns`
    /// (nanoseconds since 1970), and closes the epoch; returns when that is durable.
    pub fn prune(&self, records: Vec<Record>, not_before_ns: i64) -> Pruned {
        let asked = self.ask(|done| Command::Prune(records, not_before_ns, done));
        asked.unwrap_or(Pruned::WriterEnded)
    }

    /// Sends a command and waits for its answer; none if the writer has ended.
    pub(super) fn ask<T>(&self, command: impl FnOnce(Done<T>) -> Command) -> Option<T> {
        let (done, wait) = sync_channel(1);
        self.0.send(command(done)).then_some(())?;
        wait.recv().ok()
    }
}
