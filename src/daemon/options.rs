//! The daemon's command line.

use std::path::PathBuf;

use crate::config::Sources;

/// The audit log daemon
///
/// Takes events of local applications from a Unix socket and keeps them in a signed, append-only ledger and
/// a SQLite index.
///
/// Without options it uses the system's directories if root runs it, and otherwise the user's own
/// ($XDG_STATE_HOME/auditlogd), creating what is missing.
#[derive(Debug, clap::Parser)]
#[command(
    name = "auditlogd",
    version,
    after_help = "\
Examples:
  auditlogd                         the system's daemon for root, your own for anybody else
  auditlogd --root ./try            everything below ./try, to try it out
  auditlogd --check                 is the configuration right, and what is in force?

Signals:
  SIGHUP            read the configuration again, close the epoch, reopen the log after it was renamed;
                    `auditlog reload` waits until that is done
  SIGUSR1           the same as SIGTERM, but the service manager keeps the connections for the next start
  SIGTERM, SIGINT   take in what clients have sent, seal the log, end with status 0
As process 1 (in a container) it runs the daemon as a child, passes signals on, and reaps orphans.

Exit status:
  0  stopped as told, or --check found nothing wrong
  1  anything else
  2  wrong usage
  3  the log is decommissioned (auditlog decommission): starting again is of no use"
)]
pub struct Options {
    /// Keep everything below DIR: DIR/run/auditd.sock, DIR/var/log/auditlogd, DIR/var/lib/auditlogd,
    /// DIR/etc/auditlogd
    #[arg(long, value_name = "DIR", env = "AUDITLOGD_ROOT")]
    pub root: Option<PathBuf>,
    /// Read FILE, and conf.d/*.toml beside it, instead of etc/auditlogd/auditlogd.toml
    #[arg(long, value_name = "FILE", env = "AUDITLOGD_CONFIG")]
    pub config: Option<PathBuf>,
    /// Validate the configuration, print what would be in force, and end
    #[arg(long)]
    pub check: bool,
    /// Draw the sheet with the keys of the log that was just created, and end: the daemon runs itself
    /// with this, so that it never has the auditor key in memory again
    #[arg(long, hide = true)]
    pub announce_keys: bool,
}

impl Options {
    /// Where the configuration comes from.
    pub fn sources(&self) -> Sources {
        Sources::from_process(self.root.clone(), self.config.clone())
    }
}
