//! The daemon: what is started in which order, what signals do, and in which order it ends.

mod announce;
mod auditor;
mod journal;
mod options;
mod reload;
mod signals;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use crate::clock::{Clock, rfc3339};
use crate::config::{self, Config, ConfigError, Sources};
use crate::control::{self, Reply, Request, Status};
use crate::engine::{Engine, EngineSetup, IndexHandle, IndexSetup, Lock, LockError, WriterError};
use crate::event::{FieldMap, FieldMapError};
use crate::fs::{Access, Fs, Real};
use crate::ingest::{self, Limits, Peer, Socket, SocketError};
use crate::ledger::open::Setup;
use crate::ledger::{Host, LedgerError, Paths, keys};
use crate::metrics::Metrics;
use crate::publish::{self, BadAnchor, Publisher, PublisherSetup};
use crate::record::Record;
use auditor::{Sight, Watch};
use reload::Reload;
use signals::Wake;

pub use options::Options;

/// Why the daemon did not start or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The fields of the configuration.
    #[error("[fields] {0}")]
    Fields(#[from] FieldMapError),
    /// The anchors of the configuration.
    #[error(transparent)]
    Anchor(#[from] BadAnchor),
    /// Something the system did not give.
    #[error("{what}: {source}")]
    System {
        /// What was wanted.
        what: String,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// Another daemon has the directories.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The sockets.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The ledger could not be opened.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The ledger could not be written.
    #[error(transparent)]
    Writer(#[from] WriterError),
}

/// Runs `auditlogd` with these options, until it is told to stop.
pub fn main(options: Options) -> ExitCode {
    let sources = options.sources();
    let result = match (options.check, options.announce_keys) {
        (true, _) => check(&sources),
        (_, true) => draw_sheet(&sources),
        _ => run(&sources),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            // The journal has it too, but whoever typed the command looks here.
            let _nobody_to_tell = writeln!(std::io::stderr(), "auditlogd: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Validates the configuration and prints what would be in force.
fn check(sources: &Sources) -> Result<(), DaemonError> {
    let config = config::load(sources)?;
    config.field_map()?;
    publish::check(&config)?;
    let _broken_pipe_is_no_error = write!(std::io::stdout(), "{}", config.to_toml());
    Ok(())
}

/// What [`announce`] runs in a process of its own.
fn draw_sheet(sources: &Sources) -> Result<(), DaemonError> {
    harden();
    announce::draw(&paths(&config::load(sources)?), &host()?)
}

fn run(sources: &Sources) -> Result<(), DaemonError> {
    let config = config::load(sources)?;
    let fields = Arc::new(config.field_map()?);
    let log = journal::start(config.log_level);
    harden();
    let disk = Arc::new(prepare_directories(&config)?);
    let _lock = Lock::take(&config.state_dir, &config.log_dir)?;
    let runtime = runtime(config.ingest.threads)?;
    let (wake, woken) = signals::listen().map_err(system("signals could not be caught"))?;

    // Both sockets first: a path that is in use must be known before the log is touched. Clients that
    // connect from here on wait in the queue until the ledger is ready.
    let entered = runtime.enter();
    let socket = Socket::bind(&config.socket, config.socket_mode)?;
    let control_socket = Socket::bind(&config.control_socket(), 0o660)?;
    disk.share(&config.control_socket()).map_err(system("the control socket's group"))?;
    drop(entered);

    let index = IndexSetup::new(&config, fields.clone(), disk.group);
    let metrics = Arc::new(Metrics::default());
    let clock = Clock::System;
    let host = host()?;
    let started = Record::Started {
        version: env!("CARGO_PKG_VERSION"),
        boot_id: host.boot_id.clone(),
        boottime_ns: clock.now().boot_ns,
        field_map: fields.hash(),
    };
    let publisher = Arc::new(Publisher::new(PublisherSetup {
        fs: disk.clone(),
        paths: paths(&config),
        journald: log.journald,
        metrics: metrics.clone(),
    }));
    publisher.configure(&config.anchors)?;
    let (ended, anchors) = (wake.clone(), publisher.clone());
    let setup = EngineSetup {
        ledger: Setup {
            fs: disk.clone(),
            paths: paths(&config),
            host,
            entropy: keys::os_entropy(),
            own_peer: Peer::of_self().map_err(system("who this process is cannot be told"))?.json,
            credential: credential("auditlogd.auditor-key"),
        },
        limits: config.ledger.clone(),
        queue_bytes: config.ingest.queue_bytes,
        index,
        clock: clock.clone(),
        metrics: metrics.clone(),
        on_seal: Box::new(move |sealed| anchors.offer(sealed)),
        on_end: Box::new(move || ended.writer_ended()),
    };
    let (engine, about) = Engine::start(setup, started)?;
    if about.created {
        announce::announce(&paths(&config));
    }
    let mut watch = Watch::new(disk, paths(&config), about.created, clock.now());

    let (limits, limits_in_force) = watch::channel(Arc::new(ingest_limits(&config, fields)));
    let context = ingest::Context {
        submitter: engine.submitter(),
        metrics: metrics.clone(),
        log_id: engine.log_id().to_owned(),
        limits: limits_in_force,
    };
    let (stop_ingest, stopping) = oneshot::channel::<()>();
    let ingest = runtime.spawn(ingest::serve(socket, context, async {
        let _told_or_dropped = stopping.await;
    }));
    let answer = answer(&config, &engine, &publisher, metrics, rfc3339(clock.now().wall_ns));
    runtime.spawn(async move { control::serve(control_socket.listener(), answer).await });

    tracing::info!(socket = ?config.socket, log_id = engine.log_id(), "ready");
    signals::notify_ready();
    let mut reload = Reload { sources, config, limits, log, publisher: publisher.clone() };
    let reason = loop {
        match watch.look(clock.now()) {
            Sight::Nothing => {}
            Sight::Remind(whereabouts) => auditor::remind(&whereabouts),
            Sight::Gone(record) => {
                if engine.record_durably(record) {
                    watch.settle(clock.now());
                }
            }
        }
        match woken.next(watch.patience()) {
            None => {}
            Some(Wake::Hangup) => reload.run(&engine),
            Some(Wake::Stop(signal)) => break signal,
            Some(Wake::WriterEnded) => break "the writer ended",
        }
    };

    signals::notify_stopping();
    tracing::info!(reason, "stopping");
    let deadline = Duration::from_secs(reload.config.stop_seconds);
    signals::exit_after(deadline);
    // Clients first, then the writer, then the index: nothing is taken in that is not committed.
    let _no_one_waits = stop_ingest.send(());
    let drained = runtime.block_on(async { tokio::time::timeout(deadline / 2, ingest).await });
    if drained.is_err() {
        tracing::warn!("some clients were still sending when the time to stop was half over");
    }
    engine.stop(reason, deadline / 4)?;
    // The anchors have had the last checkpoint since the seal; now only they are waited for.
    publisher.stop(deadline / 8);
    tracing::info!("stopped");
    Ok(())
}

/// Least privilege that needs no configuration: no dumps of a process that holds keys, as many
/// descriptors as the system allows.
fn harden() {
    if let Err(e) = nix::sys::prctl::set_dumpable(false) {
        tracing::warn!("core dumps of the daemon could not be switched off: {e}");
    }
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(e) = raised {
        tracing::warn!("the limit of open files could not be raised: {e}");
    }
}

fn prepare_directories(config: &Config) -> Result<Real, DaemonError> {
    let unusable = format!("group = {:?} cannot be used", config.group.as_deref().unwrap_or(""));
    let disk = Real::for_group(config.group.as_deref()).map_err(system(&unusable))?;
    for dir in [&config.log_dir, &config.state_dir, &config.run_dir] {
        let created = disk.create_dir(dir, Access::Shared);
        created.map_err(system(&format!("the directory {dir:?} could not be created")))?;
        let writable = nix::unistd::access(dir, nix::unistd::AccessFlags::W_OK);
        writable.map_err(|e| DaemonError::System {
            what: format!("the directory {dir:?} cannot be written; change its owner or mode, or set another one"),
            source: e.into(),
        })?;
    }
    Ok(disk)
}

fn runtime(threads: usize) -> Result<tokio::runtime::Runtime, DaemonError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if threads == 0 { cores.min(4) } else { threads };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("ingest")
        .enable_all()
        .build();
    runtime.map_err(system("threads could not be started"))
}

fn host() -> Result<Host, DaemonError> {
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let boot_id = boot_id.map_err(system("/proc/sys/kernel/random/boot_id cannot be read"))?;
    let name = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned());
    let name = name.map_err(|e| DaemonError::System {
        what: "the host's name cannot be read".into(),
        source: e.into(),
    })?;
    // A name longer than the kernel allows (64) cannot come from it.
    Ok(Host { name: name.chars().take(64).collect(), boot_id: boot_id.trim().to_owned() })
}

/// Where the ledger of this configuration is.
pub fn paths(config: &Config) -> Paths {
    Paths { log_dir: config.log_dir.clone(), state_dir: config.state_dir.clone() }
}

fn ingest_limits(config: &Config, fields: Arc<FieldMap>) -> Limits {
    Limits {
        max_event_bytes: config.ingest.max_event_bytes,
        fields,
        reject_rate: config.ingest.reject_records_per_second,
        reject_burst: config.ingest.reject_records_burst,
        max_connections: config.ingest.max_connections,
    }
}

/// A credential of the service manager (systemd.exec(5), "Credentials"), whether or not it is there.
fn credential(name: &str) -> Option<PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY").map(|dir| Path::new(&dir).join(name))
}

fn answer(
    config: &Config,
    engine: &Engine,
    publisher: &Arc<Publisher>,
    metrics: Arc<Metrics>,
    started: String,
) -> Arc<control::Answer> {
    let (socket, log_id, index) =
        (config.socket.display().to_string(), engine.log_id().to_owned(), engine.index());
    let publisher = publisher.clone();
    Arc::new(move |request, uid| match request {
        Request::Status => Reply::Status(Box::new(Status {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            started: started.clone(),
            log_id: log_id.clone(),
            socket: socket.clone(),
            index_error: index.error(),
            anchors: publisher.status(),
            metrics: metrics.snapshot(),
        })),
        Request::Reindex => reindex(&index, uid),
    })
}

fn reindex(index: &IndexHandle, uid: u32) -> Reply {
    if uid != 0 && uid != nix::unistd::geteuid().as_raw() {
        return Reply::Refused("only root and the daemon's own user may rebuild the index".into());
    }
    tracing::info!(uid, "the index is rebuilt");
    index.reindex();
    Reply::Accepted
}

fn system(what: &str) -> impl FnOnce(std::io::Error) -> DaemonError {
    let what = what.to_owned();
    move |source| DaemonError::System { what, source }
}
