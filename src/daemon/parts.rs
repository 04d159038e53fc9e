//! The parts of the daemon, each from the configuration and from what it works with.

use std::sync::Arc;

use super::host::{credential, host};
use super::journal::Journal;
use super::signals::Waker;
use super::status_line::StatusLine;
use super::watchdog::Watchdog;
use super::{DaemonError, paths, system};
use crate::clock::Clock;
use crate::config::Config;
use crate::engine::{Engine, EngineSetup, Exposure, IndexSetup, Room, SpaceSetup, Started};
use crate::event::FieldMap;
use crate::fs::Real;
use crate::ingest::{self, Limits, Peer};
use crate::kept::Memory;
use crate::ledger::keys;
use crate::ledger::open::Setup;
use crate::maintain::holds::Holds;
use crate::maintain::{self, Maintainer, Settings};
use crate::metrics::Metrics;
use crate::publish::{Publisher, PublisherSetup};
use crate::record::Record;

/// The anchors as they are configured.
pub fn publisher(
    config: &Config,
    disk: &Arc<Real>,
    log: &Journal,
    metrics: &Arc<Metrics>,
) -> Result<Arc<Publisher>, DaemonError> {
    let publisher = Publisher::new(PublisherSetup {
        fs: disk.clone(),
        paths: paths(config),
        journald: log.journald,
        metrics: metrics.clone(),
    });
    publisher.configure(&config.anchors)?;
    Ok(Arc::new(publisher))
}

/// Opens the log; `publisher` is given each checkpoint, and `wake` wakes the main thread when the writer
/// ends.
pub fn engine(
    config: &Config,
    fields: &Arc<FieldMap>,
    disk: &Arc<Real>,
    publisher: &Arc<Publisher>,
    line: &Arc<StatusLine>,
    kept: Option<Arc<Memory>>,
    wake: Waker,
) -> Result<(Engine, Started), DaemonError> {
    let host = host()?;
    let clock = Clock::System;
    let started = Record::started(&host.boot_id, clock.now().boot_ns, fields.hash());
    let anchors = publisher.clone();
    let (reading, indexing) = (line.clone(), line.clone());
    let mut watchdog = Watchdog::from_env(line.clone());
    let setup = EngineSetup {
        ledger: Setup {
            fs: disk.clone(),
            paths: paths(config),
            host,
            entropy: keys::os_entropy(),
            own_peer: Peer::of_self().map_err(system("who this process is cannot be told"))?.json,
            credential: credential("auditlogd.auditor-key"),
            on_read: Arc::new(move |bytes| reading.recovered(bytes)),
        },
        limits: config.ledger.clone(),
        exposure: Exposure::of(&config.ingest, ingest::READ),
        space: SpaceSetup::of(config, Arc::new(Room::new(line.metrics().clone()))),
        repeats: config.ingest.repeats,
        queue_bytes: config.ingest.queue_bytes,
        kept,
        index: IndexSetup::new(config, fields.clone(), disk.group),
        clock,
        metrics: line.metrics().clone(),
        on_seal: Box::new(move |sealed| anchors.offer(sealed)),
        on_end: Box::new(move || wake.writer_ended()),
        on_turn: Box::new(move |now| watchdog.turn(now)),
        on_index: Box::new(move || {
            indexing.refresh(&[]);
        }),
    };
    Ok(Engine::start(setup, started)?)
}

/// Starts maintenance: the daemon alone changes the log, and so does its thread through `engine`.
pub fn maintainer(
    config: &Config,
    fields: &Arc<FieldMap>,
    disk: Arc<Real>,
    metrics: &Arc<Metrics>,
    engine: &Engine,
    holds: &Arc<Holds>,
    line: &Arc<StatusLine>,
) -> Result<Maintainer, DaemonError> {
    let line = line.clone();
    let setup = maintain::Setup {
        fs: disk,
        paths: paths(config),
        clock: Clock::System,
        boot_id: host()?.boot_id,
        log_id: engine.log_id().to_owned(),
        writer: engine.writer(),
        index: engine.index(),
        database: config.database(),
        holds: holds.clone(),
        metrics: metrics.clone(),
        on_space: Box::new(move |free| line.space(free)),
    };
    let started = Maintainer::start(setup, Settings::of(config, fields.clone()));
    started.map_err(system("maintenance could not be started"))
}

/// What ingest holds clients to.
pub fn ingest_limits(config: &Config, fields: Arc<FieldMap>) -> Limits {
    Limits {
        max_event_bytes: config.ingest.max_event_bytes,
        fields,
        reject_rate: config.ingest.reject_records_per_second,
        reject_burst: config.ingest.reject_records_burst,
        max_connections: config.ingest.max_connections,
        quota: config.quota.clone(),
        space: config.space.clone(),
    }
}
