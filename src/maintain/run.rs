//! One run of maintenance: each task in its turn, none stopped by another's failure, and at the end a record of
//! what was done.

mod delete;
mod tally;
mod tasks;

use std::sync::Arc;

use super::archive::Archives;
use super::believed::Believed;
use super::boot::Boot;
use super::named::Named;
use super::shared::Cause;
use super::state::{State, StateFile};
use super::survey::Memory;
use super::watch::Watch;
use super::{Settings, Setup, space};
use crate::clock::{Now, rfc3339};
use crate::record::{Maintained, Record};
use tally::{Failed, Tally};
use tasks::Tasks;

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
    memory: Memory,
    archives: Arc<Archives>,
}

impl Runner {
    /// Goes on from what is remembered.
    pub fn new(setup: Setup) -> Self {
        let file = StateFile::new(setup.fs.clone(), &setup.paths.state_dir);
        let (state, damaged) = file.read();
        if let Some(damaged) = damaged {
            tracing::warn!("{damaged}");
        }
        let archives =
            Arc::new(Archives::open(setup.fs.clone(), setup.paths.clone(), setup.clock.clone()));
        let (boot, memory) = (Boot(setup.boot_id.clone()), file.read_memory());
        let mut runner = Self { setup, boot, file, state, memory, archives };
        runner.believe_from_now_on();
        runner
    }

    /// A clock that is set ahead before the first run has ended is not believed at once either.
    fn believe_from_now_on(&mut self) {
        if self.state.believed.is_some() {
            return;
        }
        self.state.believed = Some(Believed::next(None, self.setup.clock.now(), &self.boot));
        if let Err(e) = self.file.write(&self.state, &self.memory) {
            tracing::warn!("{e}");
        }
    }

    /// What is remembered.
    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// The boot that the daemon runs in.
    pub(super) fn boot(&self) -> &Boot {
        &self.boot
    }

    /// Whether the disk is so full that a run has to be made before it is due.
    pub(super) fn is_called(&self, watch: &Watch, min_free_bytes: u64) -> bool {
        let free = space::free(&self.setup.paths.log_dir).unwrap_or(u64::MAX);
        (self.setup.on_space)((free < min_free_bytes).then_some(free));
        watch.calls(free, min_free_bytes, self.active())
    }

    /// The number of the segment that is written.
    pub(super) fn active(&self) -> u64 {
        self.setup.metrics.segment.get()
    }

    /// What each archive has.
    pub(super) fn archives(&self) -> Arc<Archives> {
        self.archives.clone()
    }

    /// Runs all tasks once. Whatever happens on the way, it ends with a record, unless the writer has ended.
    pub fn run(&mut self, cause: Cause, settings: &Settings, watcher: &Watcher<'_>) -> Maintained {
        let begun = self.setup.clock.now();
        let believed = self.believe(begun);
        let tasks = Tasks {
            setup: &self.setup,
            settings,
            watcher,
            archives: &self.archives,
            memory: &mut self.memory,
            named: &mut self.state.named,
            known_holds: &mut self.state.holds,
            believed_ns: believed.for_retention(begun),
            tally: Tally::new(cause, &self.setup.clock),
        };
        let (mut done, failed) = tasks.run().tally.end();
        (watcher.doing)("writing the record of it".into());
        self.record(begun, &mut done, settings);
        self.state.believed = Some(believed);
        self.remember(begun, &done, failed, (watcher.stop)());
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
                "the wall clock jumped ahead, or the host was off for long: retention goes by a time that is {} hours behind it and catches up in {}",
                lag_ns / LAG_NS,
                lag_ns.div_ceil(3 * LAG_NS)
            );
        }
        believed
    }

    fn record(&mut self, begun: Now, done: &mut Maintained, settings: &Settings) {
        let (setup, named) = (&self.setup, &mut self.state.named);
        if record_naming_rules(done, setup, settings, named, begun.wall_ns).is_none() {
            tracing::warn!("the writer ended before the run of maintenance could be recorded");
            return;
        }
        let Maintained { compressed, archived, pruned, rows, duration_ms, .. } = &*done;
        if [compressed, archived, pruned, rows].iter().any(|task| task.count > 0) {
            tracing::info!(ms = duration_ms, "maintenance: {done}");
        }
    }

    /// A crash before this: the next start makes the run again, as after a stop.
    fn remember(&mut self, begun: Now, done: &Maintained, failed: Failed, stopped: bool) {
        if !stopped {
            self.state.began = Some(self.boot.moment(begun));
        }
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
        if let Err(e) = self.file.write(&self.state, &self.memory) {
            tracing::warn!("{e}");
        }
    }
}

/// Writes the record of a run with the rules in force and those before them; `begun_ns` is the wall clock of
/// earlier. Since when the log names the rules, nanoseconds since 1970; nothing if the writer has ended.
fn record_naming_rules(
    run: &mut Maintained,
    setup: &Setup,
    settings: &Settings,
    named: &mut Named,
    begun_ns: i64,
) -> Option<i64> {
    run.retention = settings.rules.definition();
    run.field_map = settings.fields.hash();
    named.change_to(&run.retention);
    run.earlier = named.earlier();
    if !setup.writer.record_durably(Record::Maintained(Box::new(run.clone()))) {
        return None;
    }
    // A clock that is set back in between does not count.
    let at_ns = begun_ns.min(setup.clock.now().wall_ns);
    named.name(run.retention.clone(), at_ns);
    Some(at_ns)
}
