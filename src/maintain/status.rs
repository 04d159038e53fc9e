//! How maintenance is, for whoever asks: as the daemon knows it, and as the files say without it.

use std::path::Path;
use std::sync::Arc;

use super::run::LAG_NS;
use super::shared::Shared;
use super::space;
use super::state::{State, StateFile};
use crate::clock::{Now, rfc3339};
use crate::config;
use crate::fs::Real;
use crate::ledger::Paths;
use crate::metrics::MaintenanceStatus;

pub(super) fn status(shared: &Shared, now: Now, log_dir: &Path) -> MaintenanceStatus {
    let inner = shared.lock();
    // The wall clock may step until then; the run does not mind.
    let next = inner.due.map(|due| {
        let wait = due.saturating_sub(now.boot_ns);
        rfc3339(now.wall_ns.saturating_add_unsigned(wait))
    });
    let known = of(&inner.state, &inner.settings.config, log_dir);
    MaintenanceStatus { doing: inner.doing.clone(), next, ..known }
}

/// What is remembered of maintenance while no daemon runs; none if it never ran, or the state directory cannot be
/// read.
pub fn remembered(paths: &Paths, config: &config::Maintenance) -> Option<MaintenanceStatus> {
    let (state, _) = StateFile::new(Arc::new(Real::default()), &paths.state_dir).read();
    state.began.is_some().then(|| of(&state, config, &paths.log_dir))
}

fn of(state: &State, config: &config::Maintenance, log_dir: &Path) -> MaintenanceStatus {
    let lag_ns = state.believed.as_ref().map(|believed| believed.lag_ns());
    MaintenanceStatus {
        doing: None,
        next: None,
        history: state.history.clone(),
        archives: Vec::new(),
        behind_seconds: lag_ns.filter(|lag| *lag > LAG_NS).map(|lag| lag / 1_000_000_000),
        free_bytes: space::free(log_dir).ok(),
        min_free_bytes: config.min_free_bytes,
        forecast: Some(state.samples.forecast()),
    }
}
