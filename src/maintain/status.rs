//! How maintenance is, for whoever asks.

use std::path::Path;

use super::desk::Desk;
use super::run::LAG_NS;
use super::space;
use crate::clock::{Now, rfc3339};
use crate::metrics::MaintenanceStatus;

pub(super) fn status(desk: &Desk, now: Now, log_dir: &Path) -> MaintenanceStatus {
    let board = desk.lock();
    // The wall clock may step until then; the run does not mind.
    let next = board.due.map(|due| {
        let wait = due.saturating_sub(now.boot_ns);
        rfc3339(now.wall_ns.saturating_add_unsigned(wait))
    });
    let lag_ns = board.state.believed.as_ref().map(|believed| believed.lag_ns());
    MaintenanceStatus {
        doing: board.doing.clone(),
        next,
        history: board.state.history.clone(),
        behind_seconds: lag_ns.filter(|lag| *lag > LAG_NS).map(|lag| lag / 1_000_000_000),
        free_bytes: space::free(log_dir).ok(),
        min_free_bytes: board.settings.config.min_free_bytes,
        forecast: Some(board.state.samples.forecast()),
    }
}
