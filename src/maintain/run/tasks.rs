//! The tasks of a run, in their order, but for those that delete.

use super::Watcher;
use super::tally::{Tally, add};
use crate::ledger::segment::{self, Found};
use crate::maintain::archive::Archives;
use crate::maintain::compress::{CompressError, compress};
use crate::maintain::named::Named;
use crate::maintain::staging::clear_leftovers;
use crate::maintain::survey::Memory;
use crate::maintain::{Settings, Setup};

/// A run under way.
pub(super) struct Tasks<'r> {
    pub setup: &'r Setup,
    pub settings: &'r Settings,
    pub watcher: &'r Watcher<'r>,
    pub archives: &'r Archives,
    /// What is known of segments.
    pub memory: &'r mut Memory,
    /// What the log says is in force.
    pub named: &'r mut Named,
    /// How many holds the run before found.
    pub known_holds: &'r mut usize,
    /// The time to go by, nanoseconds since 1970.
    pub believed_ns: i64,
    pub tally: Tally<'r>,
}

impl Tasks<'_> {
    /// All of them; those that are left when it is to stop are for the next run.
    pub fn run(mut self) -> Self {
        self.timed("clear up", Self::clear_up);
        self.tally.done.compressed.ms = self.timed("compress", Self::compress);
        if !self.settings.archives.is_empty() {
            self.tally.done.archived.ms = self.timed("archive", Self::archive);
        }
        self.delete();
        if self.stopped() {
            self.tally.note("the daemon stopped before everything was done".into());
        }
        self
    }

    pub(super) fn stopped(&self) -> bool {
        (self.watcher.stop)()
    }

    pub(super) fn doing(&self, what: impl Into<String>) {
        (self.watcher.doing)(what.into());
    }

    /// Does a task, unless it is to stop; how many milliseconds it took.
    pub(super) fn timed(&mut self, name: &'static str, task: impl FnOnce(&mut Self)) -> u64 {
        if self.stopped() {
            return 0;
        }
        let began = self.tally.begin(name);
        task(self);
        self.tally.ms_since(began)
    }

    fn clear_up(&mut self) {
        match clear_leftovers(&*self.setup.fs, &self.setup.paths.log_dir) {
            Ok(0) => {}
            Ok(files) => tracing::info!(files, "removed what an interrupted run had left"),
            Err(e) => self.tally.error(e),
        }
    }

    fn compress(&mut self) {
        let Some(mut closed) = self.listed() else { return };
        let active = self.setup.metrics.segment.get();
        closed.retain(|found| found.header.segment < active);
        let (fs, dir) = (&*self.setup.fs, &self.setup.paths.log_dir);
        let (to, stop) = (self.settings.config.compression, self.watcher.stop);
        for (nth, found) in closed.iter().enumerate() {
            self.doing(format!("compressing: segment {} of {}", nth + 1, closed.len()));
            match compress(fs, dir, found, to, stop) {
                Ok(None) => {}
                Ok(Some(done)) => {
                    add(&mut self.tally.done.compressed, done.before);
                    self.tally.done.compressed_to_bytes += done.after;
                }
                Err(CompressError::Stopped(_)) => return,
                Err(e) => self.tally.error(e),
            }
        }
    }

    fn archive(&mut self) {
        let Some(segments) = self.listed() else { return };
        self.doing("handing segments to archives");
        let active = self.setup.metrics.segment.get();
        let (archives, stop) = (&self.settings.archives, self.watcher.stop);
        let done = self.archives.hand_over(archives, &segments, active, stop);
        let archived = &mut self.tally.done.archived;
        (archived.count, archived.bytes) = (done.segments, done.bytes);
        // Each archive says itself what is wrong with it, and since when.
        done.errors.into_iter().for_each(|error| self.tally.note(error));
    }

    /// All segments of this log, oldest first.
    fn listed(&mut self) -> Option<Vec<Found>> {
        let dir = &self.setup.paths.log_dir;
        let listed = segment::list_of(dir, &self.setup.log_id);
        self.tally.get(listed.map_err(|e| format!("the log in {dir:?} cannot be listed: {e}")))
    }
}
