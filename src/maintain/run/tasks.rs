//! The tasks of a run, in their order.

use super::Watcher;
use super::tally::{Tally, add};
use crate::ledger::segment::{self, Found};
use crate::maintain::compress::{CompressError, compress};
use crate::maintain::staging::clear_leftovers;
use crate::maintain::{Settings, Setup, space};

/// A run under way.
pub(super) struct Tasks<'r, 'c> {
    pub setup: &'r Setup,
    pub settings: &'r Settings,
    pub watcher: &'r Watcher<'r>,
    /// The time to go by, nanoseconds since 1970.
    pub believed_ns: i64,
    pub tally: &'r mut Tally<'c>,
}

impl Tasks<'_, '_> {
    /// All of them; those that are left when it is to stop are for the next run.
    pub fn run(mut self) {
        let tasks = [Self::look_at_space, Self::clear_up, Self::compress];
        for task in tasks {
            if !(self.watcher.stop)() {
                task(&mut self);
            }
        }
    }

    fn doing(&self, what: impl Into<String>) {
        (self.watcher.doing)(what.into());
    }

    /// The segments that nobody writes any more, oldest first.
    fn closed(&self) -> std::io::Result<Vec<Found>> {
        let active = self.setup.metrics.segment.get();
        let mut found = segment::list(&self.setup.paths.log_dir)?;
        found.retain(|found| found.header.segment < active);
        Ok(found)
    }

    /// Without room on the disk there is nothing to do that is not done anyway, but to say so.
    fn look_at_space(&mut self) {
        let least = self.settings.config.min_free_bytes;
        match space::free(&self.setup.paths.log_dir) {
            Ok(free) if free < least => tracing::warn!(
                free,
                min_free_bytes = least,
                "the disk of the log is nearly full: {free} bytes are free"
            ),
            _ => {}
        }
    }

    fn clear_up(&mut self) {
        let Setup { fs, paths, .. } = self.setup;
        self.tally.task("clear up", |tally| {
            match clear_leftovers(&**fs, &paths.log_dir) {
                Ok(0) => {}
                Ok(files) => tracing::info!(files, "removed what an interrupted run had left"),
                Err(e) => tally.error(e),
            };
        });
    }

    fn compress(&mut self) {
        let closed = self.closed();
        let (to, stop) = (self.settings.config.compression, self.watcher.stop);
        let ms = self.tally.task("compress", |tally| {
            let closed = match closed {
                Ok(closed) => closed,
                Err(e) => return tally.error(format_args!("the log cannot be listed: {e}")),
            };
            let Setup { fs, paths, .. } = self.setup;
            let total = closed.len();
            for (nth, found) in closed.iter().enumerate() {
                (self.watcher.doing)(format!("compressing segment {} of {total}", nth + 1));
                match compress(&**fs, &paths.log_dir, found, to, stop) {
                    Ok(None) => {}
                    Ok(Some(done)) => {
                        add(&mut tally.done.compressed, done.before);
                        tally.done.compressed_to_bytes += done.after;
                    }
                    Err(CompressError::Stopped(_)) => return,
                    Err(e) => tally.error(e),
                }
            }
        });
        self.tally.done.compressed.ms = ms;
    }
}
