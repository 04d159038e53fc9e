//! Everything that is wrong, in one list: what was said by whoever noticed it, and what anchors, archives and maintenance
//! report of themselves.

use crate::metrics::{AnchorStatus, MaintenanceStatus, Metrics, Problem, Severity, worst_first};

/// All that is wrong now, the worst first.
pub fn gather(
    metrics: &Metrics,
    anchors: &[AnchorStatus],
    maintenance: &MaintenanceStatus,
) -> Vec<Problem> {
    let mut problems = metrics.problems.list();
    let mut warn = |about: &str, error: &str, since: Option<&String>| {
        let mut problem =
            Problem::new(about, Severity::Warning, &format!("{about} fails: {error}"));
        if let Some(since) = since {
            problem.since.clone_from(since);
        }
        problems.push(problem);
    };
    for anchor in anchors {
        if let Some(error) = &anchor.error {
            warn(&format!("anchor {}", anchor.anchor), error, anchor.failing_since.as_ref());
        }
    }
    for archive in &maintenance.archives {
        if let Some(error) = &archive.error {
            warn(&format!("archive {}", archive.archive), error, archive.failing_since.as_ref());
        }
    }
    for failing in &maintenance.history.failing {
        warn(&format!("maintenance to {}", failing.task), &failing.error, Some(&failing.since));
    }
    worst_first(&mut problems);
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Failing, History};

    #[test]
    fn what_fails_is_listed_with_its_time_after_what_is_worse() {
        let metrics = Metrics::default();
        metrics.problems.say("log", Severity::Critical, "the log is full; free some space");
        let anchor = AnchorStatus {
            anchor: "file /a".into(),
            size: None,
            delivered: None,
            error: Some("no such directory; make it".into()),
            failing_since: Some("2026-11-21T01:00:00.000000000Z".into()),
        };
        let well = AnchorStatus { error: None, ..anchor.clone() };
        let (task, since, error) = ("prune".into(), "2026-11-20".into(), "no".into());
        let history =
            History { failing: vec![Failing { task, since, error }], ..History::default() };
        let maintenance = MaintenanceStatus { history, ..MaintenanceStatus::default() };
        let list = gather(&metrics, &[well, anchor], &maintenance);
        let list: Vec<_> = list.iter().map(ToString::to_string).collect();
        let want = [
            "the log is full; free some space",
            "maintenance to prune fails: no",
            "anchor file /a fails: no such directory; make it",
        ];
        assert_eq!(list, want);
    }
}
