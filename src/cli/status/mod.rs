//! `auditlog status`: how the daemon is, and what is on disk.

mod anchors;
mod check;
mod daemon;
mod files;
mod maintenance;
mod readers;
mod slowed;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use self::files::{Database, Segments};
use super::context::{Context, paths};
use super::daemon::{ask, unexpected};
use super::error::{Error, Exit};
use super::output::{Form, Look, Out};
use super::text::visible;
use crate::config::Config;
use crate::control::{self, Reply, Request};
use crate::ledger::Decommissioned;
use crate::ledger::auditor::Whereabouts;
use crate::maintain::{self, holds::Holds};
use crate::metrics::MaintenanceStatus;

const HELP: &str = "\
Examples:
  auditlog status
  auditlog status --format json | jq .daemon.metrics.index_head
  auditlog status --format json | jq '.daemon.anchors[] | select(.error)'
  auditlog status --format json | jq '.daemon.accounts | map_values(.slowed_ms)'
  auditlog status --format json | jq -r '.daemon.problems[].what'
  auditlog status --check                                  # Nagios, Icinga: a plugin as it is
  auditlog status --check || test $? -eq 1                 # a probe: warnings pass

Exit codes:
  0  the daemon answered
  2  the command line or the configuration is wrong
  3  it did not: what is on disk is shown

Exit codes with --check, which prints one line:
  0  nothing is wrong
  1  a warning: something wants attention, events are stored
  2  critical: events are not stored, or will not be soon, or no daemon answers;
     also if the command line or the configuration is wrong
  3  unknown: this user may not ask the daemon";

/// Ask the daemon how it is, and look at what is on disk
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(super) struct Status {
    /// In which form
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Form,
    /// Only whether something is wrong: one line, and an exit code for monitoring
    #[arg(long, conflicts_with = "format")]
    check: bool,
}

/// Everything that is shown.
#[derive(Serialize)]
struct Report {
    /// The daemon's answer; null if there is none.
    daemon: Option<Box<control::Status>>,
    /// Why there is none.
    error: Option<String>,
    maintenance: Option<MaintenanceStatus>,
    database: Database,
    segments: Segments,
    /// Where the auditor key is; null if the state directory cannot be searched.
    auditor_key: Option<Whereabouts>,
    /// Whether the log has come to its end on this host, and how; null if it has not.
    decommissioned: Option<Decommissioned>,
    /// How many holds are in force; null if that cannot be told.
    holds: Option<u64>,
    /// Why that cannot be told.
    holds_error: Option<String>,
}

impl Status {
    pub(super) fn run(&self, context: &Context, out: &mut Out) -> Result<Exit, Error> {
        let config = context.config()?;
        if self.check {
            return check::run(config, out);
        }
        let report = Report::gather(config);
        match self.format {
            Form::Json => out.json(&report)?,
            Form::Text => {
                let text = report.text(&out.look, Timestamp::now());
                out.line(text)?;
            }
        }
        out.flush()?;
        Ok(if report.daemon.is_some() { Exit::Done } else { Exit::Io })
    }
}

impl Report {
    fn gather(config: &Config) -> Self {
        let (daemon, error) = match ask(&config.control_socket(), &Request::Status) {
            Ok(Reply::Status(status)) => (Some(status), None),
            Ok(_) => (None, Some(unexpected().to_string())),
            Err(error) => (None, Some(error.to_string())),
        };
        let mut daemon = daemon;
        let told = daemon.as_mut().and_then(|daemon| daemon.maintenance.take());
        let maintenance =
            told.or_else(|| maintain::remembered(&paths(config), &config.maintenance));
        let pid = daemon.as_ref().map(|daemon| daemon.pid);
        let (database, segments) =
            (Database::of(&config.database(), pid), Segments::of(&config.log_dir));
        let auditor_key = Whereabouts::of(&paths(config)).ok();
        let decommissioned = Decommissioned::of(&paths(config)).ok().flatten();
        let (holds, holds_error) = match Holds::load(&config.state_dir) {
            Ok(holds) => (Some(holds.len() as u64), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Self {
            daemon,
            error,
            maintenance,
            database,
            segments,
            auditor_key,
            decommissioned,
            holds,
            holds_error,
        }
    }

    fn text(&self, look: &Look, now: Timestamp) -> String {
        let mut lines = Vec::new();
        let mut line = |name: &str, value: String| {
            let name = look.paint(anstyle::Style::new().bold(), format_args!("{name:<10}"));
            lines.push(format!("{name}  {}", visible(&value)));
        };
        for problem in self.daemon.iter().flat_map(|daemon| &daemon.problems) {
            line(check::word(problem.severity), check::sentence(problem, look));
        }
        match &self.daemon {
            Some(daemon) => {
                daemon::lines(daemon, look, now, &mut line);
                slowed::lines(&daemon.accounts, now, &mut line);
            }
            None => line("daemon", self.error.clone().unwrap_or_default()),
        }
        if let Some(ended) = &self.decommissioned {
            line("log", format!("{ended}; no daemon starts on it any more"));
        }
        line("database", self.database.text(look));
        let held = self.daemon.as_ref().map_or(0, |daemon| daemon.metrics.wal_held_bytes);
        if held > 0 {
            line("warning", self.database.held(held));
        }
        line("segments", self.segments.text(look));
        if let Some(maintenance) = &self.maintenance {
            maintenance::lines(maintenance, look, &mut line);
        }
        match (&self.holds_error, self.holds) {
            (Some(error), _) => line("holds", error.clone()),
            (None, Some(n @ 1..)) => {
                line("holds", format!("{n} in force; `auditlog hold list` shows them"));
            }
            _ => {}
        }
        if let Some(here @ Whereabouts::OnHost { .. }) = &self.auditor_key {
            line("reminder", format!("auditor key: {here}"));
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Problem, Severity, Snapshot};

    fn report() -> Report {
        let metrics =
            Snapshot { ledger_head: 2_912, index_head: 2_900, epoch: 3, ..Snapshot::default() };
        let mut problem = Problem::new("index", Severity::Warning, "it is locked; unlock it");
        problem.since = "2026-11-21T02:00:00.000000000Z".into();
        let daemon = control::Status {
            version: "1.2.3".into(),
            pid: 7,
            started: "2026-11-21T01:00:00.000000000Z".into(),
            log_id: "0f".into(),
            socket: "/run/auditd.sock".into(),
            index_error: Some("locked\u{1b}".into()),
            problems: vec![problem],
            anchors: Vec::new(),
            maintenance: None,
            space: Default::default(),
            metrics,
            accounts: Default::default(),
        };
        Report {
            daemon: Some(Box::new(daemon)),
            error: None,
            maintenance: None,
            database: Database { error: Some("damaged".into()), ..Database::default() },
            segments: Segments {
                path: "/x".into(),
                files: 2,
                bytes: 1 << 20,
                ..Segments::default()
            },
            auditor_key: Some(Whereabouts::OnHost { file: "k".into(), since: "today".into() }),
            decommissioned: None,
            holds: Some(0),
            holds_error: None,
        }
    }

    #[test]
    fn the_text_says_how_far_the_index_is_and_why() {
        let now = "2026-11-21T03:00:00Z".parse().expect("a time");
        let text = report().text(&Look::plain(), now);
        for line in [
            "warning     it is locked, since 2026-11-21T02:00:00.000000000Z; unlock it",
            "daemon      auditlogd 1.2.3, pid 7, up since 2026-11-21T01:00:00.000000000Z (2 hours)",
            "ledger      2,912 lines, epoch 3",
            "index       12 lines behind: locked\\u001b",
            "database    damaged",
            "segments    /x, 1.00 MiB in 2 files",
            "reminder    auditor key: still on this host since today; take it away with `auditlog keys export --auditor FILE`",
        ] {
            assert!(text.lines().any(|l| l == line), "{line:?} is missing in\n{text}");
        }
    }

    #[test]
    fn without_an_answer_the_text_begins_with_the_reason() {
        let report = Report { daemon: None, error: Some("nobody listens".into()), ..report() };
        let text = report.text(&Look::plain(), Timestamp::UNIX_EPOCH);
        assert!(text.starts_with("daemon      nobody listens\ndatabase    damaged\n"), "{text}");
    }
}
