//! A host with a daemon whose clock the test moves: the engine and the runs of maintenance as the daemon puts
//! them together, and what it was told.

use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use auditlogd::clock::{Clock, Now};
use auditlogd::config::{self, Config, Sources};
use auditlogd::engine::{
    Engine, EngineSetup, Exposure, IndexSetup, Item, Room, SpaceSetup, Submission,
};
use auditlogd::event::FieldMap;
use auditlogd::fs::faulty::{Fault, Faulty};
use auditlogd::fs::{Fs, Real};
use auditlogd::ingest::READ;
use auditlogd::ledger::Paths;
use auditlogd::maintain::holds::Holds;
use auditlogd::maintain::{Cause, Runner, Settings, Setup, Watcher};
use auditlogd::metrics::Metrics;
use auditlogd::record::Maintained;
use auditlogd::retention::{Match, NewHold};
use tempfile::TempDir;

use crate::common::eventually;
use crate::common::lab::{PEER, START_NS, new_root, paths, setup, started};
use crate::common::unsynced::Unsynced;

pub const HOUR: u64 = 3_600_000_000_000;
pub const DAY: u64 = 24 * HOUR;

pub struct World {
    root: TempDir,
    config: Config,
    clock: Arc<Mutex<Now>>,
    boot: u32,
    daemon: Option<Daemon>,
    /// When the runs of maintenance began that were made to their end, nanoseconds since 1970.
    pub runs: Vec<i64>,
    pub crashes: u32,
}

/// What lives as long as the process.
struct Daemon {
    engine: Engine,
    runner: Runner,
    holds: Arc<Holds>,
    metrics: Arc<Metrics>,
    /// The disk and the step at which it dies.
    dies: Option<(Faulty, u64)>,
}

impl World {
    pub fn new(config: &str) -> Self {
        let root = new_root();
        let dir = root.path().join("etc/auditlogd");
        std::fs::create_dir_all(&dir).expect("created");
        std::fs::write(dir.join("auditlogd.toml"), config).expect("written");
        let sources = Sources { root: Some(root.path().into()), ..Sources::default() };
        let config = config::load(&sources).expect("a configuration");
        let clock = Arc::new(Mutex::new(Now { wall_ns: START_NS, boot_ns: HOUR }));
        let mut world =
            Self { root, config, clock, boot: 0, daemon: None, runs: Vec::new(), crashes: 0 };
        world.start(None);
        world
    }

    /// The same log and the same moment below another directory, stopped.
    pub fn copy(&self) -> Self {
        let root = new_root();
        let (from, to) = (self.paths(), paths(root.path()));
        for (from, to) in [(&from.log_dir, &to.log_dir), (&from.state_dir, &to.state_dir)] {
            let files =
                std::fs::read_dir(from).expect("listed").map(|entry| entry.expect("an entry"));
            for file in files.filter(|entry| entry.path().is_file()) {
                std::fs::copy(file.path(), to.join(file.file_name())).expect("copied");
            }
        }
        let mut config = self.config.clone();
        (config.log_dir, config.state_dir) = (to.log_dir, to.state_dir);
        let clock = Arc::new(Mutex::new(self.now()));
        Self { root, config, clock, boot: self.boot, daemon: None, runs: Vec::new(), crashes: 0 }
    }

    pub fn paths(&self) -> Paths {
        paths(self.root.path())
    }

    pub fn database(&self) -> PathBuf {
        self.config.database()
    }

    pub fn field_map(&self) -> Arc<FieldMap> {
        Arc::new(self.config.field_map().expect("a field map"))
    }

    pub fn now(&self) -> Now {
        *self.clock.lock().expect("the clock")
    }

    pub fn pass(&mut self, ns: u64) {
        let mut now = self.clock.lock().expect("the clock");
        now.wall_ns += ns as i64;
        now.boot_ns += ns;
    }

    /// Somebody sets the wall clock.
    pub fn set_clock(&mut self, by_ns: i64) {
        self.clock.lock().expect("the clock").wall_ns += by_ns;
    }

    /// Starts the daemon; its disk dies after so many steps.
    pub fn start(&mut self, dies_after: Option<u64>) {
        let faulty = dies_after
            .map(|steps| (Faulty::new(steps, Fault::Half, std::io::ErrorKind::Other), steps));
        let fs: Arc<dyn Fs> = match &faulty {
            Some((faulty, _)) => Arc::new(Unsynced(faulty.clone())),
            None => Arc::new(Unsynced(Real::default())),
        };
        let fields = self.field_map();
        let metrics = Arc::new(Metrics::default());
        let clock = Clock::Manual(self.clock.clone());
        let boot_id = format!("11111111-{}", self.boot);
        let mut ledger = setup(self.root.path(), fs.clone());
        ledger.host.boot_id = boot_id.clone();
        let mut space = SpaceSetup::of(&self.config, Room::without_patience().into());
        space.limits.reserve_bytes = 0;
        let engine_setup = EngineSetup {
            ledger,
            limits: self.config.ledger.clone(),
            exposure: Exposure::of(&self.config.ingest, READ),
            space,
            repeats: self.config.ingest.repeats,
            queue_bytes: 1 << 20,
            kept: None,
            index: IndexSetup::new(&self.config, fields, None),
            clock: clock.clone(),
            metrics: metrics.clone(),
            on_seal: Box::new(|_| {}),
            on_end: Box::new(|| {}),
            on_turn: Box::new(|_| None),
            on_index: Box::new(|| {}),
        };
        let record = started(boot_id.clone(), self.now());
        let Ok((engine, _)) = Engine::start(engine_setup, record) else {
            assert!(faulty.is_some(), "a sound disk is enough to start");
            self.crashes += 1;
            return self.start(None);
        };
        let holds = Arc::new(Holds::new(fs.clone(), &self.config.state_dir));
        let runner = Runner::new(Setup {
            fs,
            paths: self.paths(),
            clock,
            boot_id,
            log_id: engine.log_id().to_owned(),
            writer: engine.writer(),
            index: engine.index(),
            database: self.config.database(),
            holds: holds.clone(),
            metrics: metrics.clone(),
            on_space: Box::new(|_| {}),
        });
        self.daemon = Some(Daemon { engine, runner, holds, metrics, dies: faulty });
    }

    pub fn stop(&mut self) {
        let Some(daemon) = self.daemon.take() else { return };
        let stopped = daemon.engine.stop("SIGTERM", Duration::from_secs(60));
        assert_eq!(stopped.is_err(), daemon.dies.as_ref().is_some_and(dead), "{stopped:?}");
        self.crashes += u32::from(stopped.is_err());
    }

    /// The host starts anew, after it was off for so long.
    pub fn reboot(&mut self, off_ns: u64) {
        self.stop();
        self.boot += 1;
        self.pass(off_ns);
        self.clock.lock().expect("the clock").boot_ns = 30_000_000_000;
        self.start(None);
    }

    /// Begins anew if the disk has died.
    fn revive(&mut self) -> bool {
        let died = self.daemon().dies.as_ref().is_some_and(dead);
        if died {
            self.stop();
            self.start(None);
        }
        died
    }

    fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().expect("the daemon runs")
    }

    /// Hands in events, each with its id, and waits until they are stored; whether they were for certain.
    pub fn store(&mut self, events: &[(String, String)]) -> bool {
        let mut text = Vec::new();
        let mut items = Vec::new();
        for (id, event) in events {
            let id = format!("\"{id}\"");
            items.push(Item::of(id.len(), event.len(), true));
            text.extend_from_slice(id.as_bytes());
            text.extend_from_slice(event.as_bytes());
        }
        let (tell, told) = sync_channel(1);
        let on_commit = Box::new(move |outcome: Result<_, _>| {
            let _ = tell.send(outcome.is_ok());
        });
        let peer = PEER.into();
        let submission =
            Submission { peer, uid: 0, text, items, origin: None, on_commit: Some(on_commit) };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let submitted =
            runtime.block_on(self.daemon().engine.submitter().flow(0).submit(submission));
        let stored = submitted.is_ok() && told.recv().unwrap_or(false);
        self.revive();
        stored
    }

    pub fn rotate(&mut self) {
        let writer = self.daemon().engine.writer();
        let _the_disk_may_fail = writer.rotate("it is a day old".into());
        self.revive();
    }

    /// Runs maintenance as the timer does.
    pub fn maintain(&mut self) -> Option<Maintained> {
        let began = self.now().wall_ns;
        let settings = Settings::of(&self.config, self.field_map());
        let watcher = Watcher { stop: &|| false, doing: &|_| {} };
        let done = self.daemon().runner.run(Cause::default(), &settings, &watcher);
        if self.revive() {
            return None;
        }
        self.runs.push(began);
        Some(done)
    }

    pub fn hold(&mut self, id: &str, what: Match) {
        let new = NewHold {
            id: Some(id.into()),
            what,
            since_ns: None,
            until_ns: None,
            reason: "a case".into(),
        };
        let now_ns = self.now().wall_ns;
        let Daemon { holds, engine, .. } = self.daemon();
        holds.add(new, 0, now_ns, &engine.writer()).expect("held");
    }

    pub fn release(&mut self, id: &str) {
        let Daemon { holds, engine, .. } = self.daemon();
        holds.remove(id, "the case is closed", 0, &engine.writer()).expect("released");
    }

    /// Waits until the database has every line of the ledger.
    pub fn settle(&mut self) {
        let metrics = self.daemon().metrics.clone();
        let behind = || metrics.index_head.get() < metrics.ledger_head.get();
        eventually("the index is up to date", || (!behind()).then_some(()));
    }
}

fn dead((faulty, at): &(Faulty, u64)) -> bool {
    faulty.steps() > *at
}
