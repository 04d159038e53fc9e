//! The daemon from its start to its end: what depends on what, in which order it starts and ends.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::answer::answer;
use super::auditor::{self, Sight, Watch};
use super::host::{harden, prepare_directories, runtime};
use super::journal;
use super::notify::Manager;
use super::parts::{engine, ingest_limits, maintainer, publisher};
use super::reload::{Reload, Requests};
use super::sandbox::Sandbox;
use super::signals::{self, Wake, Woken};
use super::status_line::StatusLine;
use super::{DaemonError, announce, not_decommissioned, paths, place, system};
use crate::clock::Clock;
use crate::config::{self, Config, Sources};
use crate::control;
use crate::engine::{Engine, Exposure, Lock};
use crate::fs::Real;
use crate::fs::space::Reserve;
use crate::ingest::{self, Socket};
use crate::kept::LastRun;
use crate::kept::store::EVENTS;
use crate::kernel;
use crate::ledger::Decommissioned;
use crate::maintain::Maintainer;
use crate::maintain::holds::Holds;
use crate::metrics::Metrics;
use crate::publish::Publisher;
use crate::record::Record;
use crate::words::count;

/// What the service manager waits beyond the time that the stop has: then the daemon has ended itself.
const AFTER_DEADLINE: Duration = Duration::from_secs(5);

/// How soon a disk that did not let the log be opened is asked again.
const DISK_AGAIN: Duration = Duration::from_secs(1);

/// The service manager sends SIGUSR1 and then SIGTERM at a restart. Pending together, they arrive in any order.
const TOGETHER: Duration = Duration::from_millis(50);

/// A daemon that takes events. What it holds is given back in this order.
pub struct Running<'a> {
    woken: Woken,
    watch: Watch,
    reload: Reload<'a>,
    maintainer: Maintainer,
    engine: Engine,
    publisher: Arc<Publisher>,
    disk: Arc<Real>,
    stop_ingest: oneshot::Sender<ingest::Stop>,
    ingest: JoinHandle<()>,
    runtime: Runtime,
    _lock: Lock,
}

impl<'a> Running<'a> {
    /// Starts everything; clients are served when this returns.
    pub fn start(sources: &'a Sources) -> Result<Self, DaemonError> {
        kernel::bound_heap();
        // Before anything else is opened: the numbers of these descriptors are known from outside.
        let passed =
            kernel::passed().map_err(system("what the service manager passed cannot be used"))?;
        let config = config::load(sources)?;
        let fields = Arc::new(config.field_map()?);
        let log = journal::start(config.log_level);
        harden();
        let disk = Arc::new(prepare_directories(&config)?);
        let lock = Lock::take(&config.state_dir, &config.log_dir)?;
        not_decommissioned(&config)?;
        let storage = place::look(&config);
        // Before any other thread: what is started from here on is restricted as well.
        let binds = !passed.iter().any(|(name, _)| name == EVENTS);
        let sandbox = Sandbox::enter(&config, binds)?;
        let runtime = runtime(config.ingest.threads)?;
        let (wake, woken) = signals::listen().map_err(system("signals could not be caught"))?;

        // Both sockets first: a path that is in use must be known before the log is touched. Clients that
        // connect from here on wait in the queue until the ledger is ready.
        let entered = runtime.enter();
        let mut last_run = LastRun::of(passed);
        let socket = match last_run.listener.take() {
            Some(fd) => Socket::passed(fd)?,
            None => Socket::bind(&config.socket, config.socket_mode)?,
        };
        if let Some(path) = socket.elsewhere_than(&config.socket) {
            let configured = &config.socket;
            tracing::warn!(
                "the service manager listens on {path:?}, and the configuration says {configured:?}, which is where `auditlog` looks; change `socket` or auditlogd.socket"
            );
        }
        let control_socket = Socket::bind(&config.control_socket(), 0o660)?;
        disk.share(&config.control_socket()).map_err(system("the control socket's group"))?;
        drop(entered);

        let metrics = Arc::new(Metrics::default());
        let line = StatusLine::new(Manager::from_env(), metrics.clone());
        let publisher = publisher(&config, &disk, &log, &metrics)?;
        let requests = Arc::new(Requests::new(wake.clone()));
        let kept = last_run.memory.clone();
        let open = || {
            let (kept, wake) = (kept.clone(), wake.clone());
            engine(&config, &fields, &disk, &publisher, &line, kept, wake)
        };
        let (engine, about) = when_the_disk_allows(open, &config, &line, &woken)?;
        if about.created {
            announce::announce(&paths(&config));
        }
        place::tell(storage, &metrics, &engine);
        if let Some(reason) = &about.unsettled {
            last_run.doubt(reason);
        }
        let now = Clock::System.now();
        let watch = Watch::new(disk.clone(), paths(&config), about.created, now);
        let holds = Arc::new(Holds::new(disk.clone(), &config.state_dir));
        if let Err(e) = holds.mend(&engine.writer()) {
            tracing::error!("{e}");
        }
        let maintainer =
            maintainer(&config, &fields, disk.clone(), &metrics, &engine, &holds, &line)?;

        let (limits, in_force) = watch::channel(Arc::new(ingest_limits(&config, fields)));
        let context = ingest::Context {
            submitter: engine.submitter(),
            room: engine.room(),
            spool: config.run_dir.join("emergency.jsonl"),
            metrics: metrics.clone(),
            log_id: engine.log_id().to_owned(),
            store: last_run.store.clone(),
            limits: in_force,
        };
        let taken_over = last_run.connections.len();
        if taken_over > 0 {
            let verb = if taken_over == 1 { "goes" } else { "go" };
            let connections = count(taken_over as u64, "connection");
            tracing::info!("{connections} of the last run {verb} on");
        }
        let (stop_ingest, stopping) = oneshot::channel();
        let ingest = runtime.spawn(ingest::serve(socket, last_run, context, async {
            stopping.await.unwrap_or(ingest::Stop::Drain)
        }));
        let answer = answer(
            &config,
            &engine,
            &publisher,
            maintainer.handle(),
            metrics,
            holds,
            requests.clone(),
        );
        runtime.spawn(async move { control::serve(control_socket.listener(), answer).await });

        tracing::info!(socket = ?config.socket, log_id = engine.log_id(), "ready");
        line.ready();
        let maintenance = maintainer.handle();
        let anchors = publisher.clone();
        let reload = Reload {
            sources,
            config,
            sandbox,
            requests,
            limits,
            log,
            publisher: anchors,
            maintenance,
            line,
        };
        Ok(Self {
            woken,
            watch,
            reload,
            maintainer,
            engine,
            publisher,
            disk,
            stop_ingest,
            ingest,
            runtime,
            _lock: lock,
        })
    }

    /// Does what signals ask for, and looks after the auditor key; why it is to stop.
    pub fn until_told_to_stop(&mut self) -> Ending {
        let clock = Clock::System;
        loop {
            match self.watch.look(clock.now()) {
                Sight::Nothing => {}
                Sight::Remind(whereabouts) => auditor::remind(&whereabouts),
                Sight::Gone(record) => {
                    if self.engine.record_durably(record) {
                        self.watch.settle(clock.now());
                    }
                }
            }
            match self.woken.next(self.watch.patience()) {
                None => {}
                Some(Wake::Hangup) => self.reload.run(&self.engine),
                Some(Wake::Stop(signal)) => {
                    // A reload that was asked for at this moment is not worth more than the end.
                    let hand_over =
                        |_: &()| self.woken.next(Some(TOGETHER)) == Some(Wake::HandOver);
                    return match [(), ()].iter().any(hand_over) {
                        true => Ending::hand_over("SIGUSR1"),
                        false => Ending::drain(signal),
                    };
                }
                Some(Wake::Decommission { reason, uid }) => {
                    let decommission = Some((reason, uid));
                    return Ending { decommission, ..Ending::drain("the log is decommissioned") };
                }
                Some(Wake::HandOver) => return Ending::hand_over("SIGUSR1"),
                Some(Wake::WriterEnded) => return Ending::hand_over("the writer ended"),
            }
        }
    }

    /// Clients first, then the writer, then the index: nothing is taken in that is not committed.
    pub fn stop(self, ending: Ending) -> Result<(), DaemonError> {
        let Ending { reason, clients, decommission } = ending;
        self.reload.requests.close();
        let deadline = Duration::from_secs(self.reload.config.stop_seconds);
        let line = self.reload.line;
        let what = match clients {
            ingest::Stop::HandOver => "leaving the connections to the next run",
            _ => "taking in what clients have sent",
        };
        line.stopping(deadline + AFTER_DEADLINE, what);
        tracing::info!(reason, "stopping");
        signals::exit_after(deadline);
        let began_ns = Clock::System.now().wall_ns;
        let _no_one_waits = self.stop_ingest.send(clients);
        let drained =
            self.runtime.block_on(async { tokio::time::timeout(deadline / 2, self.ingest).await });
        if drained.is_err() {
            tracing::warn!("some clients were still sending when the time to stop was half over");
            if clients == ingest::Stop::Drain {
                let open = line.metrics().connections.get();
                let exposure = Exposure::of(&self.reload.config.ingest, ingest::READ);
                let time_ns = began_ns..Clock::System.now().wall_ns;
                self.engine.record(exposure.gap("stop_deadline", open, time_ns));
            }
        }
        // A disk that takes nothing now is not waited for any more.
        if clients == ingest::Stop::HandOver {
            self.engine.room().hand_over();
        }
        self.engine.room().give_up();
        // What it has done is in the log before the log is closed.
        line.ending("ending what maintenance does");
        self.maintainer.stop();
        line.ending("sealing the log");
        let log_id = self.engine.log_id().to_owned();
        if let Some((reason, uid)) = decommission.clone() {
            // A writer that has ended says why below.
            self.engine.record(Record::Decommissioned { reason, uid });
        }
        self.engine.stop(reason, deadline / 4)?;
        // The anchors have had the last checkpoint since the seal; now only they are waited for.
        line.ending("handing the last checkpoint to the anchors");
        self.publisher.stop(deadline / 8);
        if let Some((reason, uid)) = decommission {
            // Sealed, and nothing can follow as long as this process has the lock.
            let (config, now) = (&self.reload.config, Clock::System.now());
            let about = (log_id.as_str(), reason.as_str(), uid);
            Decommissioned::note(&*self.disk, &paths(config), about, now.wall_ns)?;
            return not_decommissioned(config);
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// Opens the log. A disk that is full or refuses for another reason that may pass is asked again, for as long as nobody
/// stops the daemon; clients wait in the queue of the socket.
fn when_the_disk_allows<T>(
    open: impl Fn() -> Result<T, DaemonError>,
    config: &Config,
    line: &StatusLine,
    woken: &Woken,
) -> Result<T, DaemonError> {
    let mut said = false;
    loop {
        let error = match open() {
            Err(DaemonError::Ledger(error)) if error.is_of_the_disk() => error,
            done => return done,
        };
        if !said {
            tracing::error!("{error}; the log is not open yet, and that is tried again");
            said = true;
        }
        if error.is_for_want_of_space() {
            for dir in [&config.log_dir, &config.state_dir] {
                let _tried_again_soon = Reserve::new(dir, 0).release();
            }
        }
        line.waiting(&error.to_string());
        if matches!(woken.next(Some(DISK_AGAIN)), Some(Wake::Stop(_) | Wake::HandOver)) {
            return Err(error.into());
        }
    }
}

/// Why the daemon ends, and what becomes of its clients.
pub struct Ending {
    reason: &'static str,
    clients: ingest::Stop,
    /// Why and by whom the log is ended for good, if it is.
    decommission: Option<(String, u32)>,
}

impl Ending {
    /// The next run goes on with the connections.
    fn hand_over(reason: &'static str) -> Self {
        Self { reason, clients: ingest::Stop::HandOver, decommission: None }
    }

    /// What clients have sent is taken in, and they are disconnected.
    fn drain(reason: &'static str) -> Self {
        Self { reason, clients: ingest::Stop::Drain, decommission: None }
    }
}
