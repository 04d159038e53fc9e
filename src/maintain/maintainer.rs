//! The maintenance thread, and what everybody else has of it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::archive::Archives;
use super::holds::Holds;
use super::run::{Runner, Watcher};
use super::shared::{Progress, Shared};
use super::status;
use super::timer::{self, Schedule};
use super::watch::{self, Watch};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::engine::{IndexHandle, WriterHandle};
use crate::event::FieldMap;
use crate::fs::Fs;
use crate::ledger::{Paths, segment};
use crate::metrics::{MaintenanceStatus, Metrics};
use crate::priority;
use crate::retention::Rules;

/// What maintenance needs.
pub struct Setup {
    /// The disk.
    pub fs: Arc<dyn Fs>,
    /// Where the log is.
    pub paths: Paths,
    /// Where the time comes from.
    pub clock: Clock,
    /// The kernel's boot id.
    pub boot_id: String,
    /// The log's id, 32 hex digits.
    pub log_id: String,
    /// The writer: only it changes the log.
    pub writer: WriterHandle,
    /// The index: only it changes the database.
    pub index: IndexHandle,
    /// The database.
    pub database: PathBuf,
    /// What must not be deleted.
    pub holds: Arc<Holds>,
    /// The counters: a segment is closed if its number is less than that of the active one.
    pub metrics: Arc<Metrics>,
    /// Called after each look at the disk.
    pub on_space: OnSpace,
}

/// Called with the bytes that are free while they are less than `min_free_bytes`, and else with none.
pub type OnSpace = Box<dyn Fn(Option<u64>) + Send>;

/// What a reload changes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `[maintenance]`
    pub config: config::Maintenance,
    /// `[[archive]]`
    pub archives: Vec<config::Archive>,
    /// How long events are kept.
    pub rules: Rules,
    /// What rules and holds see of an event.
    pub fields: Arc<FieldMap>,
}

impl Settings {
    /// Those of a configuration.
    pub fn of(config: &Config, fields: Arc<FieldMap>) -> Self {
        let (archives, rules) = (config.archives.clone(), config.rules());
        Self { config: config.maintenance.clone(), archives, rules, fields }
    }
}

/// The thread.
pub struct Maintainer {
    handle: MaintainHandle,
    thread: JoinHandle<()>,
}

/// What everybody else has of it.
#[derive(Clone)]
pub struct MaintainHandle {
    shared: Arc<Shared>,
    clock: Clock,
    log_dir: PathBuf,
    log_id: String,
    archives: Arc<Archives>,
    metrics: Arc<Metrics>,
}

impl Maintainer {
    /// Starts the thread; the first run comes soon if one is due, but not at once.
    ///
    /// # Errors
    /// The kernel has no thread, timer or event left.
    pub fn start(setup: Setup, settings: Settings) -> io::Result<Self> {
        let clock = setup.clock.clone();
        let (log_dir, log_id) = (setup.paths.log_dir.clone(), setup.log_id.clone());
        let metrics = setup.metrics.clone();
        let runner = Runner::new(setup);
        let archives = runner.archives();
        let shared = Arc::new(Shared::new(settings, runner.state().clone())?);
        let (theirs, time) = (shared.clone(), clock.clone());
        let handle =
            MaintainHandle { shared: theirs, clock: time, log_dir, log_id, archives, metrics };
        let work = move || work(&shared, runner, &clock);
        let thread = std::thread::Builder::new().name("maintain".into()).spawn(work)?;
        Ok(Self { handle, thread })
    }

    /// A way to ask it.
    pub fn handle(&self) -> MaintainHandle {
        self.handle.clone()
    }

    /// Ends the run that is under way at the next point where it can be left, and the thread. The writer and the
    /// index must still be there: what was done is recorded.
    pub fn stop(self) {
        self.handle.shared.stop();
        if self.thread.join().is_err() {
            tracing::error!("the maintenance thread panicked; the next start goes on with it");
        }
    }
}

impl MaintainHandle {
    /// Asks for a run; its number. A run that is under way may be past what the caller cares about, so the next
    /// one is meant; all who wait for it share it.
    pub fn request(&self, uid: u32) -> u64 {
        self.shared.ask(uid)
    }

    /// How far that run is.
    pub fn progress(&self, run: u64) -> Progress {
        self.shared.progress(run)
    }

    /// Uses these settings from the next run on.
    pub fn configure(&self, settings: Settings) {
        self.shared.configure(settings);
    }

    /// How it is.
    pub fn status(&self) -> MaintenanceStatus {
        let mut status = status::status(&self.shared, self.clock.now(), &self.log_dir);
        let wanted = self.shared.lock().settings.archives.clone();
        if !wanted.is_empty() {
            let active = self.metrics.segment.get();
            let mut closed = segment::list_of(&self.log_dir, &self.log_id).unwrap_or_default();
            closed.retain(|found| found.header.segment < active);
            status.archives = self.archives.status(&wanted, &closed);
        }
        status
    }
}

/// Whoever waits for a run must not wait for ever if a defect ends the thread.
struct OnPanic<'a>(&'a Shared);

impl Drop for OnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.doing("nothing any more: a defect ended maintenance; restart auditlogd".into());
            self.0.stop();
        }
    }
}

fn work(shared: &Shared, mut runner: Runner, clock: &Clock) {
    let _whatever_happens = OnPanic(shared);
    if let Err(e) = priority::lower(priority::MAINTENANCE) {
        tracing::warn!("maintenance runs with the priority of everything else: {e}");
    }
    let mut interval = 0;
    let mut due = 0;
    let mut watch = Watch::default();
    while !shared.is_stopping() {
        let config::Maintenance { interval_seconds: wanted, min_free_bytes, .. } =
            shared.lock().settings.config;
        let now = clock.now();
        if wanted != interval {
            interval = wanted;
            due = next(&runner, interval, clock);
        }
        shared.lock().due = Some(due);
        let is_called = runner.is_called(&watch, min_free_bytes);
        if let Some((cause, settings)) = shared.begin(now.boot_ns >= due, is_called) {
            watch.runs(runner.active());
            let stop = || shared.is_stopping();
            let doing = |what| shared.doing(what);
            runner.run(cause, &settings, &Watcher { stop: &stop, doing: &doing });
            due = next(&runner, interval, clock);
            shared.end(runner.state().clone());
        } else if let Err(e) = shared.sleep_until(due.min(now.boot_ns + watch::EVERY_NS)) {
            tracing::warn!(
                "the timer of maintenance failed and is looked at again in a second: {e}"
            );
            std::thread::sleep(Duration::from_secs(1));
        }
    }
}

/// CLOCK_BOOTTIME of the next run.
fn next(runner: &Runner, interval_seconds: u64, clock: &Clock) -> u64 {
    let interval_ns = interval_seconds.saturating_mul(1_000_000_000);
    let schedule = Schedule { interval_ns, random: timer::random() };
    schedule.due(runner.state().began.as_ref(), clock.now(), runner.boot())
}
