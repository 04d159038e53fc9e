//! A reload, for SIGHUP or for who asks on the control socket: the configuration is read again, the epoch closed,
//! the log reopened.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::journal::Journal;
use super::parts::ingest_limits;
use super::sandbox::Sandbox;
use super::signals::Waker;
use super::status_line::StatusLine;
use super::{DaemonError, system};
use crate::config::{self, Config, Sources};
use crate::engine::{Configured, Engine};
use crate::ingest::Limits;
use crate::maintain::{MaintainHandle, Settings};
use crate::outside;
use crate::publish::Publisher;
use crate::record::Record;

/// What a reload put in force, by the names of keys.
#[derive(Clone, Default)]
pub struct Reloaded {
    /// What changed.
    pub applied: Vec<String>,
    /// What changes only with a restart.
    pub restart: Vec<String>,
}

/// What a reload comes to, or what is wrong with the configuration.
type Outcome = Result<Reloaded, String>;

/// Those who wait for a reload. One that has begun does not count: it may have read what was there before.
pub struct Requests {
    waker: Waker,
    /// None once the daemon stops.
    waiting: Mutex<Option<Vec<Sender<Outcome>>>>,
}

impl Requests {
    /// Has the main thread end the log for good, which `uid` asked for.
    pub fn decommission(&self, reason: String, uid: u32) {
        self.waker.decommission(reason, uid);
    }

    /// Reloads are done by the thread that `waker` wakes.
    pub fn new(waker: Waker) -> Self {
        Self { waker, waiting: Mutex::new(Some(Vec::new())) }
    }

    /// Has the daemon reload and waits until it has; `None` if it stops instead.
    pub fn ask(&self) -> Option<Outcome> {
        let (tell, told) = channel();
        self.lock().as_mut()?.push(tell);
        self.waker.reload();
        told.recv().ok()
    }

    /// Lets nobody wait any longer: the daemon stops.
    pub fn close(&self) {
        *self.lock() = None;
    }

    fn take(&self) -> Vec<Sender<Outcome>> {
        self.lock().as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Sender<Outcome>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a reload changes.
pub struct Reload<'a> {
    /// Where the configuration comes from.
    pub sources: &'a Sources,
    /// The one in force.
    pub config: Config,
    /// What the daemon restricted itself to.
    pub sandbox: Sandbox,
    /// Who asks for reloads.
    pub requests: Arc<Requests>,
    /// The limits of ingest.
    pub limits: watch::Sender<Arc<Limits>>,
    /// The anchors.
    pub publisher: Arc<Publisher>,
    /// Maintenance.
    pub maintenance: MaintainHandle,
    /// The daemon's own messages.
    pub log: Journal,
    /// What the service manager is told.
    pub line: Arc<StatusLine>,
}

impl Reload<'_> {
    /// Reloads and reopens; the service manager and who asked are told when both are done.
    pub fn run(&mut self, engine: &Engine) {
        let waiting = self.requests.take();
        self.line.reloading();
        let outcome = self.configure(engine).map_err(|e| e.to_string());
        if let Err(e) = &outcome {
            tracing::error!("the configuration was not reloaded, the old one stays in force: {e}");
        }
        let reopened = engine.reopen();
        if reopened {
            tracing::info!("{}", if outcome.is_ok() { "reloaded" } else { "the log was reopened" });
        }
        self.line.ready();
        // Dropped without a word where the writer has ended, which ends the daemon.
        for tell in waiting.into_iter().filter(|_| reopened) {
            let _nobody_waits_any_more = tell.send(outcome.clone());
        }
    }

    fn configure(&mut self, engine: &Engine) -> Result<Reloaded, DaemonError> {
        let sources = self.sources.clone();
        // It may be anywhere, also where the daemon itself may not read.
        let read = outside::run(move || config::load(&sources));
        let new = read.map_err(system("the configuration could not be read"))??;
        let mut changes = config::changes(&self.config, &new);
        // The sandbox of a process never gets any wider.
        if self.config.anchors != new.anchors && !self.sandbox.allows_anchors(&new) {
            changes.postpone_anchors(&self.config);
        }
        if self.config.archives != new.archives && !self.sandbox.allows_archives(&new) {
            changes.postpone_archives(&self.config);
        }
        let new = changes.in_force;
        let fields = Arc::new(new.field_map()?);
        let limits = ingest_limits(&new, fields.clone());
        let (applied, restart) = (changes.applied, changes.restart);
        let reloaded = Reloaded { applied: applied.clone(), restart: restart.clone() };
        if applied.is_empty() && restart.is_empty() {
            return Ok(reloaded);
        }
        self.publisher.configure(&new.anchors)?;
        if !restart.is_empty() {
            tracing::warn!("changed, but in force only after a restart: {}", restart.join(", "));
        }
        self.limits.send_replace(Arc::new(limits));
        self.log.set_level(new.log_level);
        let record = Record::ConfigChanged { applied, restart, field_map: fields.hash() };
        let configured = Configured {
            limits: new.ledger.clone(),
            repeats: new.ingest.repeats,
            space: new.space.clone(),
            warn_bytes: new.maintenance.min_free_bytes,
            fields: fields.clone(),
        };
        engine.configure(configured, record);
        // After the record: a run names the field map, and none that the log does not know yet.
        self.maintenance.configure(Settings::of(&new, fields));
        self.config = new;
        Ok(reloaded)
    }
}
