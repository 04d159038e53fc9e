//! The daemon's engine within this process, with the test's own clock and disk.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use auditlogd::clock::{Clock, Now};
use auditlogd::config::{self, Config, Sources};
use auditlogd::engine::{
    CommitFailed, Engine, EngineSetup, Exposure, IndexHandle, IndexSetup, Item, OnCommit, OnTurn,
    Receipt, Room, SpaceSetup, Submission, WriterError, WriterHandle,
};
use auditlogd::fs::{Fs, Real};
use auditlogd::ingest::READ;
use auditlogd::ledger::LedgerError;
use auditlogd::metrics::Metrics;

use super::eventually;
use super::lab::{self, PEER};

/// A running engine.
pub struct Running {
    pub engine: Engine,
    pub metrics: Arc<Metrics>,
    /// Bytes that the index leaves free.
    pub reserve: Arc<AtomicU64>,
    clock: Arc<Mutex<Now>>,
    seals: PathBuf,
}

impl Running {
    /// Starts on the log below `root`, in boot number `boot` of the host.
    pub fn start(root: &Path, boot: u32, now: Now) -> Self {
        Self::start_on(Arc::new(Real::default()), root, boot, now).expect("the engine starts")
    }

    /// The same on a disk of one's own.
    pub fn start_on(
        fs: Arc<dyn Fs>,
        root: &Path,
        boot: u32,
        now: Now,
    ) -> Result<Self, LedgerError> {
        Self::start_with(fs, root, boot, now, |config| {
            (config.ledger.epoch_seconds, config.ledger.idle_seconds) = (1, 1);
        })
    }

    /// The same with another configuration than the default.
    pub fn start_with(
        fs: Arc<dyn Fs>,
        root: &Path,
        boot: u32,
        now: Now,
        change: impl FnOnce(&mut Config),
    ) -> Result<Self, LedgerError> {
        Self::start_watched(fs, root, boot, now, change, Box::new(|_| None))
    }

    /// The same with somebody who hears each time that the writer's loop comes round.
    pub fn start_watched(
        fs: Arc<dyn Fs>,
        root: &Path,
        boot: u32,
        now: Now,
        change: impl FnOnce(&mut Config),
        on_turn: OnTurn,
    ) -> Result<Self, LedgerError> {
        Self::start_in(Room::without_patience(), fs, root, boot, (now, change, on_turn))
    }

    /// The same with a writer that may wait for the disk.
    pub fn start_in(
        room: Room,
        fs: Arc<dyn Fs>,
        root: &Path,
        boot: u32,
        (now, change, on_turn): (Now, impl FnOnce(&mut Config), OnTurn),
    ) -> Result<Self, LedgerError> {
        let sources = Sources { root: Some(root.into()), ..Sources::default() };
        let mut config = config::load(&sources).expect("the defaults");
        change(&mut config);
        let fields = Arc::new(config.field_map().expect("the defaults"));
        let clock = Arc::new(Mutex::new(now));
        let mut ledger = lab::setup(root, fs);
        ledger.host.boot_id = format!("11111111-{boot}");
        let boot_id = ledger.host.boot_id.clone();
        let seals = ledger.paths.seals();
        let metrics = Arc::new(Metrics::default());
        let mut space = SpaceSetup::of(&config, room.into());
        space.limits.reserve_bytes = 0;
        let index = IndexSetup::new(&config, fields, None);
        let reserve = index.reserve.clone();
        let setup = EngineSetup {
            ledger,
            limits: config.ledger.clone(),
            exposure: Exposure::of(&config.ingest, READ),
            space,
            repeats: config.ingest.repeats,
            queue_bytes: config.ingest.queue_bytes,
            kept: None,
            index,
            clock: Clock::Manual(clock.clone()),
            metrics: metrics.clone(),
            on_seal: Box::new(|_| {}),
            on_end: Box::new(|| {}),
            on_turn,
            on_index: Box::new(|| {}),
        };
        let started = lab::started(boot_id, now);
        let (engine, _) = Engine::start(setup, started)?;
        Ok(Self { engine, metrics, reserve, clock, seals })
    }

    /// Moves the clocks: the wall clock by `wall`, the boot clock by `boot` seconds.
    pub fn pass(&self, wall: i64, boot: u64) {
        let mut now = self.clock.lock().expect("the clock");
        now.wall_ns += wall * 1_000_000_000;
        now.boot_ns += boot * 1_000_000_000;
    }

    /// Sets the clocks.
    pub fn set(&self, now: Now) {
        *self.clock.lock().expect("the clock") = now;
    }

    /// The clock that the test moves.
    pub fn clock(&self) -> Clock {
        Clock::Manual(self.clock.clone())
    }

    pub fn now(&self) -> Now {
        *self.clock.lock().expect("the clock")
    }

    /// Stores an event and waits for its receipt.
    pub fn store(&self, event: &str) -> Result<Option<Receipt>, CommitFailed> {
        self.store_all(&[event])
    }

    /// Stores events, one after the other, and waits for the last one's receipt.
    pub fn store_all(&self, events: &[impl AsRef<str>]) -> Result<Option<Receipt>, CommitFailed> {
        let (told, answer) = sync_channel(1);
        let on_commit = Box::new(move |result| {
            let _asker_may_be_gone = told.send(result);
        });
        self.submit(events, on_commit)?;
        answer.recv().unwrap_or(Err(CommitFailed))
    }

    /// Hands in events and does not wait for them.
    pub fn submit(
        &self,
        events: &[impl AsRef<str>],
        on_commit: OnCommit,
    ) -> Result<(), CommitFailed> {
        let item = |len| Item::of(0, len, true);
        let submission = Submission {
            peer: PEER.into(),
            uid: 0,
            text: events.iter().flat_map(|event| event.as_ref().bytes()).collect(),
            items: events.iter().map(|event| item(event.as_ref().len())).collect(),
            origin: None,
            on_commit: Some(on_commit),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let submitted = runtime.block_on(self.engine.submitter().flow(0).submit(submission));
        submitted.map_err(|_stopped| CommitFailed)
    }

    pub fn index(&self) -> IndexHandle {
        self.engine.index()
    }

    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Waits until everything that is durable is in the index.
    pub fn wait_until_indexed(&self) {
        let metrics = &self.metrics;
        eventually("the index is up to date", || {
            (metrics.index_head.get() == metrics.ledger_head.get()).then_some(())
        });
    }

    /// A way to the writer.
    pub fn writer(&self) -> WriterHandle {
        self.engine.writer()
    }

    /// Closes the epoch, and opens a new segment if the active file was renamed.
    pub fn reopen(&self) -> bool {
        self.engine.reopen()
    }

    /// Moves both clocks on until a seal is due, and waits for it; in such an engine one is due each second.
    pub fn pass_until_sealed(&self, seconds: u64) {
        let count = || {
            let seals = std::fs::read(&self.seals).expect("reads");
            seals.iter().filter(|byte| **byte == b'\n').count()
        };
        let before = count();
        self.pass(seconds as i64, seconds);
        eventually("a seal is written", || (count() > before).then_some(()));
    }

    pub fn stop(self) -> Result<(), WriterError> {
        self.engine.stop("the test ends", Duration::from_secs(10))
    }
}
