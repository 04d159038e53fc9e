//! `auditlog rotate`: a new segment, now.

use clap::Args;

use super::context::Context;
use super::daemon::{ask, unexpected};
use super::error::{Error, Exit};
use super::output::Out;
use super::text::visible;
use crate::control::{Reply, Request};
use crate::words::count;

const HELP: &str = "\
The daemon rotates by itself, as [ledger] rotate_bytes and rotate_seconds say. By hand it is of use
before a copy of the log is taken away: what is in a closed segment does not change any more.

Examples:
  sudo auditlog rotate
  auditlog --root DIR rotate

Exit codes:
  0  the segment is closed, and a new one is written
  2  the command line or the configuration is wrong
  3  the daemon does not run, or refused: only root and the daemon's own user may ask";

/// Close the segment that is written, and begin a new one
///
/// The file is renamed and sealed, and events go on in a new audit.jsonl. Nothing is lost, and clients
/// notice nothing.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(super) struct Rotate {
    /// Say nothing on success
    #[arg(long, short)]
    quiet: bool,
}

impl Rotate {
    pub(super) fn run(&self, context: &Context, out: &mut Out) -> Result<Exit, Error> {
        let socket = context.config()?.control_socket();
        let Reply::Rotated { path, bytes } = ask(&socket, &Request::Rotate)? else {
            return Err(unexpected());
        };
        if !self.quiet {
            let path = path.display().to_string();
            out.line(format_args!("closed: {}, {}", visible(&path), count(bytes, "byte")))?;
        }
        out.flush()?;
        Ok(Exit::Done)
    }
}
