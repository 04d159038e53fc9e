//! One run of maintenance: each task in its turn, none stopped by another's failure, and at the end a record of
//! what was done.

mod tally;
mod tasks;

use std::sync::Arc;

use super::believed::Believed;
use super::boot::Boot;
use super::desk::Cause;
use super::state::{State, StateFile};
use super::{Settings, Setup, space};
use crate::clock::{Now, rfc3339};
use crate::record::{Maintained, Record};
use tally::Tally;

/// A wall clock that is farther ahead of what is believed than this is told of, nanoseconds: an hour.
pub(super) const LAG_NS: u64 = 3_600_000_000_000;

/// Who watches a run.
pub struct Watcher<'a> {
    /// Whether it should end as soon as it can.
    pub stop: &'a dyn Fn() -> bool,
    /// Told what is being done.
    pub doing: &'a dyn Fn(String),
}

/// Makes the runs. It belongs to one thread: there are never two at a time.
pub struct Runner {
    setup: Setup,
    boot: Boot,
    file: StateFile,
    state: State,
}

impl Runner {
    /// Goes on from what is remembered.
    pub fn new(setup: Setup) -> Self {
        let file = StateFile::new(setup.fs.clone(), &setup.paths.state_dir);
        let (state, damaged) = file.read();
        if let Some(damaged) = damaged {
            tracing::warn!("{damaged}");
        }
        Self { boot: Boot(setup.boot_id.clone()), setup, file, state }
    }

    /// What is remembered.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The boot that the daemon runs in.
    pub(super) fn boot(&self) -> &Boot {
        &self.boot
    }

    /// Runs all tasks once. Whatever happens on the way, it ends with a record, unless the writer has ended.
    pub fn run(&mut self, cause: Cause, settings: &Settings, watcher: &Watcher<'_>) -> Maintained {
        let begun = self.setup.clock.now();
        let believed = self.believe(begun);
        let mut tally = Tally::new(cause, &self.setup.clock);
        tasks::Tasks {
            setup: &self.setup,
            settings,
            watcher,
            believed_ns: believed.for_retention(begun),
            tally: &mut tally,
        }
        .run();
        let (mut done, failed) = tally.end();
        done.retention = settings.rules.definition();
        done.field_map = settings.fields.hash();
        (watcher.doing)("writing the record of it".into());
        self.remember(begun, believed, &done, failed);
        if !self.setup.writer.record_durably(Record::Maintained(Box::new(done.clone()))) {
            tracing::warn!("the writer ended before the run of maintenance could be recorded");
        }
        done
    }

    /// The time to go by; said if the wall clock is far ahead of it.
    fn believe(&self, now: Now) -> Believed {
        let believed = Believed::next(self.state.believed.as_ref(), now, &self.boot);
        let lag_ns = believed.lag_ns();
        if lag_ns > LAG_NS {
            tracing::warn!(
                wall = rfc3339(now.wall_ns),
                taken = rfc3339(believed.ns),
                "the wall clock jumped ahead, or nothing ran for long: retention goes by a time that is {} hours behind it and catches up in {}",
                lag_ns / LAG_NS,
                lag_ns / 3 / LAG_NS
            );
        }
        believed
    }

    fn remember(
        &mut self,
        begun: Now,
        believed: Believed,
        done: &Maintained,
        failed: tally::Failed,
    ) {
        self.state.believed = Some(believed);
        self.state.began = Some(self.boot.moment(begun));
        let history = &mut self.state.history;
        let began = rfc3339(begun.wall_ns);
        failed.merge_into(&mut history.failing, &began);
        history.began = Some(began);
        history.last = Some(Box::new(done.clone()));
        let paths = &self.setup.paths;
        if let Ok(free) = space::free(&paths.log_dir) {
            let used = space::used(&[&paths.log_dir, &paths.state_dir]);
            self.state.samples.add(used, free, self.setup.clock.now(), &self.boot);
        }
        if let Err(e) = self.file.write(&self.state) {
            tracing::warn!("{e}");
        }
    }
}
