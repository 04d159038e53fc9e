//! `auditlog status`: how the daemon is, and what is on disk.

mod anchors;

use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{BinaryBytes, HumanDuration};
use jiff::Timestamp;
use serde::Serialize;

use super::context::{Context, paths};
use super::daemon::{ask, unexpected};
use super::error::{Error, Exit};
use super::output::{Form, Look, Out};
use super::text::{count, visible};
use super::time;
use crate::clock::rfc3339;
use crate::config::Config;
use crate::control::{self, Reply, Request};
use crate::index::{IndexError, Reader};
use crate::ledger::auditor::Whereabouts;
use crate::ledger::segment;

const HELP: &str = "\
Examples:
  auditlog status
  auditlog status --format json | jq .daemon.metrics.index_head
  auditlog status --format json | jq '.daemon.anchors[] | select(.error)'

Exit codes:
  0  the daemon answered
  2  the command line or the configuration is wrong
  3  it did not: what is on disk is shown";

/// Ask the daemon how it is, and look at what is on disk
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(super) struct Status {
    /// In which form
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Form,
}

/// Everything that is shown.
#[derive(Serialize)]
struct Report {
    /// The daemon's answer; null if there is none.
    daemon: Option<Box<control::Status>>,
    /// Why there is none.
    error: Option<String>,
    database: Database,
    segments: Segments,
    /// Where the auditor key is; null if the state directory cannot be searched.
    auditor_key: Option<Whereabouts>,
}

#[derive(Default, Serialize)]
struct Database {
    path: PathBuf,
    /// With what is in its write-ahead log.
    bytes: u64,
    /// The next leaf that is not in it.
    indexed: Option<u64>,
    last_seq: Option<u64>,
    last_ts: Option<String>,
    error: Option<String>,
}

#[derive(Default, Serialize)]
struct Segments {
    path: PathBuf,
    files: u64,
    bytes: u64,
    error: Option<String>,
}

impl Status {
    pub(super) fn run(&self, context: &Context, out: &mut Out) -> Result<Exit, Error> {
        let config = context.config()?;
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
        let (database, segments) =
            (Database::of(&config.database()), Segments::of(&config.log_dir));
        let auditor_key = Whereabouts::of(&paths(config)).ok();
        Self { daemon, error, database, segments, auditor_key }
    }

    fn text(&self, look: &Look, now: Timestamp) -> String {
        let mut lines = Vec::new();
        let mut line = |name: &str, value: String| {
            let name = look.paint(anstyle::Style::new().bold(), format_args!("{name:<10}"));
            lines.push(format!("{name}  {}", visible(&value)));
        };
        match &self.daemon {
            Some(daemon) => daemon_lines(daemon, look, now, &mut line),
            None => line("daemon", self.error.clone().unwrap_or_default()),
        }
        line("database", self.database.text(look));
        line("segments", self.segments.text());
        if let Some(here @ Whereabouts::OnHost { .. }) = &self.auditor_key {
            line("warning", format!("auditor key: {here}"));
        }
        lines.join("\n")
    }
}

fn daemon_lines(
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
            format!("{} ({})", when(ns, look), HumanDuration(up))
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
            "{} stored, {} rejected, {} of a wrong type",
            count(metrics.events_stored, "event"),
            count(metrics.lines_rejected, "line"),
            count(metrics.members_mistyped, "member")
        ),
    );
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

/// On a terminal in its own zone.
fn when(ns: i64, look: &Look) -> String {
    if look.terminal { time::local(ns, &look.zone) } else { rfc3339(ns) }
}

impl Database {
    fn of(path: &Path) -> Self {
        let mut wal = path.as_os_str().to_owned();
        wal.push("-wal");
        let bytes = len(path) + len(Path::new(&wal));
        let mut database = Self { path: path.into(), bytes, ..Self::default() };
        if let Err(error) = database.read() {
            database.error = Some(error.to_string());
        }
        database
    }

    fn read(&mut self) -> Result<(), IndexError> {
        let reader = Reader::open(&self.path)?;
        self.indexed = Some(reader.indexed()?);
        self.last_seq = reader.last_seq()?;
        let last = self.last_seq.map(|seq| reader.get(seq)).transpose()?.flatten();
        self.last_ts = last.map(|row| rfc3339(row.ts_ns));
        Ok(())
    }

    fn text(&self, look: &Look) -> String {
        let path = self.path.display();
        let last = match (&self.error, self.last_seq, self.last_ts.as_deref()) {
            (Some(error), ..) => return error.clone(),
            (None, Some(seq), Some(ts)) => {
                let ns = crate::clock::parse_rfc3339(ts).unwrap_or_default();
                format!("last event seq {seq} of {}", when(ns, look))
            }
            _ => "no events".into(),
        };
        format!("{path}, {}, {last}", BinaryBytes(self.bytes))
    }
}

/// The size of a file; nothing if it is not there.
fn len(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |meta| meta.len())
}

impl Segments {
    fn of(dir: &Path) -> Self {
        let mut segments = Self { path: dir.into(), ..Self::default() };
        match segment::list(dir) {
            Ok(found) => {
                segments.files = found.len() as u64;
                segments.bytes = found.iter().map(|found| len(&found.path)).sum();
            }
            Err(error) => segments.error = Some(error.to_string()),
        }
        segments
    }

    fn text(&self) -> String {
        let path = self.path.display();
        match &self.error {
            Some(error) => format!("{path} cannot be read: {error}"),
            None => format!("{path}, {} in {}", BinaryBytes(self.bytes), count(self.files, "file")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Snapshot;

    fn report() -> Report {
        let metrics =
            Snapshot { ledger_head: 2_912, index_head: 2_900, epoch: 3, ..Snapshot::default() };
        let daemon = control::Status {
            version: "1.2.3".into(),
            pid: 7,
            started: "2026-11-21T01:00:00.000000000Z".into(),
            log_id: "0f".into(),
            socket: "/run/auditd.sock".into(),
            index_error: Some("locked\u{1b}".into()),
            anchors: Vec::new(),
            metrics,
        };
        Report {
            daemon: Some(Box::new(daemon)),
            error: None,
            database: Database { error: Some("damaged".into()), ..Database::default() },
            segments: Segments { path: "/x".into(), files: 2, bytes: 1 << 20, error: None },
            auditor_key: Some(Whereabouts::OnHost { file: "k".into(), since: "today".into() }),
        }
    }

    #[test]
    fn the_text_says_how_far_the_index_is_and_why() {
        let now = "2026-11-21T03:00:00Z".parse().expect("a time");
        let text = report().text(&Look::plain(), now);
        for line in [
            "daemon      auditlogd 1.2.3, pid 7, up since 2026-11-21T01:00:00.000000000Z (2 hours)",
            "ledger      2,912 lines, epoch 3",
            "index       12 lines behind: locked\\u001b",
            "database    damaged",
            "segments    /x, 1.00 MiB in 2 files",
            "warning     auditor key: still on this host since today; take it away with `auditlog keys export --auditor FILE`",
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
