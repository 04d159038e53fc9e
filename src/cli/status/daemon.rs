//! How the daemon is, for people.

use indicatif::{BinaryBytes, HumanDuration};
use jiff::Timestamp;

use super::super::output::Look;
use super::anchors;
use crate::control;
use crate::words::count;

/// The lines about the daemon and its anchors.
pub(super) fn lines(
    daemon: &control::Status,
    look: &Look,
    now: Timestamp,
    line: &mut dyn FnMut(&str, String),
) {
    let metrics = &daemon.metrics;
    let started: Option<Timestamp> = daemon.started.parse().ok();
    let since = match started {
        Some(started) => {
            let up = std::time::Duration::try_from(now.duration_since(started)).unwrap_or_default();
            let ns = i64::try_from(started.as_nanosecond()).unwrap_or_default();
            format!("{} ({})", look.time(ns), HumanDuration(up))
        }
        None => daemon.started.clone(),
    };
    line("daemon", format!("auditlogd {}, pid {}, up since {since}", daemon.version, daemon.pid));
    line("log", daemon.log_id.clone());
    line("socket", daemon.socket.clone());
    line("ledger", format!("{}, epoch {}", count(metrics.ledger_head, "line"), metrics.epoch));
    let behind = metrics.ledger_head.saturating_sub(metrics.index_head);
    line(
        "index",
        match (&daemon.index_error, behind) {
            (Some(error), _) => format!("{} behind: {error}", count(behind, "line")),
            (None, 0) => "up to date".into(),
            (None, _) => format!("{} behind", count(behind, "line")),
        },
    );
    anchors::lines(daemon, look, line);
    line(
        "clients",
        format!(
            "{} connected, {} since the start",
            metrics.connections, metrics.connections_accepted
        ),
    );
    line(
        "events",
        format!(
            "{} stored, {} repeated, {} rejected, {} of a wrong type",
            count(metrics.events_stored, "event"),
            metrics.events_repeated,
            count(metrics.lines_rejected, "line"),
            count(metrics.members_mistyped, "member")
        ),
    );
    if metrics.event_ids_reused > 0 {
        line(
            "event ids",
            format!(
                "{} stored under an event_id that the same user had just given to another one",
                count(metrics.event_ids_reused, "event")
            ),
        );
    }
    line(
        "written",
        format!(
            "{} in {}, {} waiting",
            BinaryBytes(metrics.bytes_appended),
            count(metrics.commits, "commit"),
            BinaryBytes(metrics.bytes_waiting)
        ),
    );
}
