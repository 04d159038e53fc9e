//! `auditlog reindex`: the database anew from the ledger, by the daemon if it runs, else here.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;

use super::context::Context;
use super::daemon::{ask, unexpected};
use super::error::{Error, Exit};
use super::output::Out;
use super::progress::bar;
use super::text::visible;
use crate::config::Config;
use crate::control::{ControlError, Reply, Request, Status};
use crate::engine::{IndexSetup, Lock, reindex_offline};
use crate::fs::Real;
use crate::ledger::segment;
use crate::words::count;

/// How often the daemon is asked how far it is.
const POLL: Duration = Duration::from_millis(100);
/// How long the daemon may be kept from beginning, as by a lock that somebody holds.
const PATIENCE: Duration = Duration::from_secs(10);
const BAR: &str = "{bar:30} {percent}%, {human_pos} of {human_len} lines, {eta} left {msg}";

const HELP: &str = "\
Events go on being stored meanwhile; queries see the part that is done.

Examples:
  auditlog reindex

Exit codes:
  0  the database has every line of the ledger
  2  the command line or the configuration is wrong
  3  the database cannot be written, or the daemon refused; if somebody has the database locked
     for ten seconds, the daemon rebuilds it as soon as it can";

/// Rebuild the database from the ledger
///
/// The signed ledger is the log; the database only makes it quick to search. Rebuild it when it is
/// damaged, was changed, or was made by another version or configuration.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(super) struct Reindex {
    /// Say nothing on success
    #[arg(long, short)]
    quiet: bool,
}

impl Reindex {
    pub(super) fn run(&self, context: &Context, out: &mut Out) -> Result<Exit, Error> {
        let config = context.config()?;
        let socket = config.control_socket();
        let lines = match status(&socket) {
            Ok(before) => online(&socket, &before)?,
            Err(Error::Control(ControlError::Unreachable { source, .. }))
                if nobody_listens(&source) =>
            {
                offline(config)?
            }
            Err(error) => return Err(error),
        };
        if !self.quiet {
            out.line(format_args!("rebuilt: {} of the ledger", count(lines, "line")))?;
        }
        out.flush()?;
        Ok(Exit::Done)
    }
}

fn nobody_listens(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused)
}

/// Has the daemon do it, and waits until its index has reached what the ledger has now.
fn online(socket: &Path, before: &Status) -> Result<u64, Error> {
    let Reply::Accepted = ask(socket, &Request::Reindex)? else { return Err(unexpected()) };
    let target = before.metrics.ledger_head;
    let bar = bar(Some(target), Duration::ZERO, BAR);
    let begin_by = Instant::now() + PATIENCE;
    loop {
        let Status { metrics, index_error, .. } = status(socket)?;
        let begun = metrics.index_rebuilds > before.metrics.index_rebuilds;
        bar.set_position(if begun { metrics.index_head.min(target) } else { 0 });
        bar.set_message(visible(index_error.as_deref().unwrap_or_default()).into_owned());
        if begun && metrics.index_head >= target && index_error.is_none() {
            bar.finish_and_clear();
            return Ok(target);
        }
        if let Some(why) = index_error.filter(|_| !begun && Instant::now() >= begin_by) {
            bar.finish_and_clear();
            return Err(Error::Waits(why));
        }
        std::thread::sleep(POLL);
    }
}

fn status(socket: &Path) -> Result<Status, Error> {
    match ask(socket, &Request::Status)? {
        Reply::Status(status) => Ok(*status),
        _ => Err(unexpected()),
    }
}

/// Does the work in this process. No daemon can start as long as the directories are locked.
fn offline(config: &Config) -> Result<u64, Error> {
    let dir = &config.log_dir;
    let unreadable = |source| Error::Directory { path: dir.clone(), source };
    let disk = Real::for_group(config.group.as_deref()).map_err(|source| {
        let group = config.group.as_deref().unwrap_or_default();
        Error::Usage(format!("the group '{group}', which `group` names, cannot be used: {source}"))
    })?;
    let _lock = Lock::take(&config.state_dir, dir)?;
    let segments = segment::list(dir).map_err(unreadable)?;
    let Some(first) = segments.first() else { return Err(Error::NoLog { path: dir.clone() }) };
    let bar = bar(None, Duration::ZERO, "{spinner} {human_pos} lines");
    let setup = IndexSetup::new(config, Arc::new(config.field_map()?), disk.group);
    let lines =
        reindex_offline(&setup, &first.header.log_id, &mut |lines| bar.set_position(lines))?;
    bar.finish_and_clear();
    Ok(lines)
}
