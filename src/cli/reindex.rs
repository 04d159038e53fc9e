//! `auditlog reindex`: the database anew from the ledger, by the daemon if it runs, else here.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::context::Context;
use super::error::{Error, Exit};
use super::output::Out;
use super::progress::bar;
use super::text::{count, visible};
use crate::config::Config;
use crate::control::{self, ControlError, Reply, Request, Status};
use crate::engine::{IndexSetup, reindex_offline};
use crate::index;
use crate::ledger::segment;

/// How often the daemon is asked how far it is.
const POLL: Duration = Duration::from_millis(100);
/// A log so small that it is rebuilt between two questions is done when the head has stayed that long.
const SETTLED: Duration = Duration::from_secs(2);
const BAR: &str = "{bar:30} {percent}%, {human_pos} of {human_len} lines, {eta} left {msg}";

const HELP: &str = "\
Events go on being stored meanwhile; queries see the part that is done.

Examples:
  auditlog reindex

Exit codes:
  0  the database has every line of the ledger
  2  the command line or the configuration is wrong
  3  the database cannot be written, or the daemon refused";

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
        let lines = match control::request(&socket, Request::Reindex) {
            Ok(Reply::Accepted) => follow(&socket)?,
            Ok(Reply::Refused(why)) => return Err(Error::Refused(why)),
            Ok(Reply::Status(_)) => {
                return Err(Error::Refused("the daemon gave another answer".into()));
            }
            Err(ControlError::Unreachable { source, .. }) if nobody_listens(&source) => {
                offline(config)?
            }
            Err(error) => return Err(Error::Control(error)),
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

/// Waits until the daemon's index has reached what the ledger has now.
fn follow(socket: &Path) -> Result<u64, Error> {
    let target = status(socket)?.metrics.ledger_head;
    let bar = bar(Some(target), Duration::ZERO, BAR);
    let mut seen_below = false;
    let mut settled = Instant::now();
    loop {
        let Status { metrics, index_error, .. } = status(socket)?;
        bar.set_position(metrics.index_head.min(target));
        bar.set_message(visible(index_error.as_deref().unwrap_or_default()).into_owned());
        if metrics.index_head < target || index_error.is_some() {
            seen_below = true;
            settled = Instant::now();
        } else if seen_below || settled.elapsed() >= SETTLED {
            bar.finish_and_clear();
            return Ok(target);
        }
        std::thread::sleep(POLL);
    }
}

fn status(socket: &Path) -> Result<Status, Error> {
    match control::request(socket, Request::Status).map_err(Error::Control)? {
        Reply::Status(status) => Ok(*status),
        Reply::Refused(why) => Err(Error::Refused(why)),
        Reply::Accepted => Err(Error::Refused("the daemon gave another answer".into())),
    }
}

/// Does the work in this process. No daemon can start as long as the log directory is locked.
fn offline(config: &Config) -> Result<u64, Error> {
    let dir = &config.log_dir;
    let unreadable = |source| Error::Directory { path: dir.clone(), source };
    let opened = File::open(dir).map_err(unreadable)?;
    let _lock =
        Flock::lock(opened, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
            Errno::EWOULDBLOCK => Error::InUse { path: dir.clone() },
            errno => unreadable(errno.into()),
        })?;
    let segments = segment::list(dir).map_err(unreadable)?;
    let Some(first) = segments.first() else { return Err(Error::NoLog { path: dir.clone() }) };
    let bar = bar(None, Duration::ZERO, "{spinner} {human_pos} lines");
    let setup = setup(config)?;
    let lines =
        reindex_offline(&setup, &first.header.log_id, &mut |lines| bar.set_position(lines))?;
    bar.finish_and_clear();
    Ok(lines)
}

fn setup(config: &Config) -> Result<IndexSetup, Error> {
    let group = match &config.group {
        None => None,
        Some(name) => match nix::unistd::Group::from_name(name) {
            Ok(Some(group)) => Some(group.gid.as_raw()),
            _ => {
                return Err(Error::Usage(format!(
                    "there is no group '{name}', which `group` names"
                )));
            }
        },
    };
    let cache_bytes = config.index.cache_bytes as u64;
    Ok(IndexSetup {
        database: config.database(),
        log_dir: config.log_dir.clone(),
        options: index::Options { cache_bytes, group, ..index::Options::default() },
        batch_rows: config.index.batch_rows,
        queue_bytes: config.index.queue_bytes,
        fields: Arc::new(config.field_map()?),
    })
}
