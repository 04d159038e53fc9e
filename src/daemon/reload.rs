//! SIGHUP: the configuration is read again, the epoch closed, the log reopened.

use std::sync::Arc;

use tokio::sync::watch;

use super::journal::Journal;
use super::running::ingest_limits;
use super::{DaemonError, signals};
use crate::config::{self, Config, Sources};
use crate::engine::Engine;
use crate::ingest::Limits;
use crate::maintain::{MaintainHandle, Settings};
use crate::publish::Publisher;
use crate::record::Record;

/// What a reload changes.
pub struct Reload<'a> {
    /// Where the configuration comes from.
    pub sources: &'a Sources,
    /// The one in force.
    pub config: Config,
    /// The limits of ingest.
    pub limits: watch::Sender<Arc<Limits>>,
    /// The anchors.
    pub publisher: Arc<Publisher>,
    /// Maintenance.
    pub maintenance: MaintainHandle,
    /// The daemon's own messages.
    pub log: Journal,
}

impl Reload<'_> {
    /// Reloads and reopens; the service manager is told when both are done.
    pub fn run(&mut self, engine: &Engine) {
        signals::notify_reloading();
        if let Err(e) = self.configure(engine) {
            tracing::error!("the configuration was not reloaded, the old one stays in force: {e}");
        }
        if engine.reopen() {
            tracing::info!("reloaded");
        }
        signals::notify_ready();
    }

    fn configure(&mut self, engine: &Engine) -> Result<(), DaemonError> {
        let changes = config::changes(&self.config, &config::load(self.sources)?);
        let new = changes.in_force;
        let fields = Arc::new(new.field_map()?);
        let limits = ingest_limits(&new, fields.clone());
        if changes.applied.is_empty() && changes.restart.is_empty() {
            return Ok(());
        }
        self.publisher.configure(&new.anchors)?;
        if !changes.restart.is_empty() {
            tracing::warn!(
                "changed, but in force only after a restart: {}",
                changes.restart.join(", ")
            );
        }
        self.limits.send_replace(Arc::new(limits));
        self.log.set_level(new.log_level);
        let record = Record::ConfigChanged {
            applied: changes.applied,
            restart: changes.restart,
            field_map: fields.hash(),
        };
        engine.configure(new.ledger.clone(), fields.clone(), record);
        // After the record: a run names the field map, and none that the log does not know yet.
        self.maintenance.configure(Settings::of(&new, fields));
        self.config = new;
        Ok(())
    }
}
