//! The daemon's own sandbox (landlock(7)), besides whatever the service manager lays around it: where it may
//! write, and little more that it may read. It holds for the main thread and all that are started after it, which is
//! all but [`outside`].
//!
//! It keeps a defect from reaching a file that is none of the daemon's: a path that leads elsewhere, through a
//! link or a directory that was exchanged. Code that took over the process could make the thread outside work for it.

use std::fs;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus, make_bitflags, path_beneath_rules,
};

use super::{DaemonError, system};
use crate::config::{Anchor, ArchiveTo, Config};
use crate::{index, outside};

/// What is restricted, where the kernel knows it: later versions know more, each of which needs a look first.
const KNOWN: ABI = ABI::V7;
/// What may be read: libraries, certificates, names, time zones and what the kernel says. All of it can be read by
/// everybody, or is closed to the daemon by other means.
const READABLE: [&str; 10] = [
    "/etc",
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/nix/store",
    "/proc",
    "/sys",
    "/run",
    "/var/lib/ca-certificates",
];
/// The same, named by the environment (openssl(1)).
const READABLE_BY_NAME: [&str; 3] = ["CREDENTIALS_DIRECTORY", "SSL_CERT_DIR", "SSL_CERT_FILE"];
/// Devices that libraries read.
const DEVICES: [&str; 3] = ["/dev/null", "/dev/random", "/dev/urandom"];

/// What the daemon restricted itself to.
pub struct Sandbox {
    /// Where it may write, without links; none if it may write wherever its user may.
    writable: Option<Vec<PathBuf>>,
}

impl Sandbox {
    /// Restricts this thread and all that it starts from now on, once [`outside`] has been opened. `binds`: the
    /// daemon makes the socket's file itself. What cannot be restricted is logged, and is no error: the log is
    /// worth more than this.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn enter(config: &Config, binds: bool) -> Result<Self, DaemonError> {
        if !config.landlock {
            tracing::info!("landlock = false: the daemon does not restrict itself");
            return Ok(Self { writable: None });
        }
        outside::open().map_err(system("threads could not be started"))?;
        if let Err(e) = index::keep_temporary_files_in(&config.state_dir) {
            tracing::warn!("temporary files of the database: {e}");
        }
        let writable = writable(config);
        let restricted = match restrict(&writable, config.socket.parent().filter(|_| binds)) {
            Ok(restricted) => restricted,
            Err(e) => {
                tracing::warn!("the daemon could not restrict itself with landlock: {e}");
                false
            }
        };
        Ok(Self { writable: restricted.then_some(writable) })
    }

    /// Whether all files that anchors of `config` append to are where the daemon may write.
    pub fn allows_anchors(&self, config: &Config) -> bool {
        anchored(config).all(|path| self.allows(&path))
    }

    /// The same for the directories of archives.
    pub fn allows_archives(&self, config: &Config) -> bool {
        archived(config).all(|path| self.allows(&path))
    }

    fn allows(&self, path: &Path) -> bool {
        let Some(writable) = &self.writable else { return true };
        fs::canonicalize(path).is_ok_and(|path| writable.iter().any(|dir| path.starts_with(dir)))
    }
}

/// Restricts this thread, and says how far; whether it is restricted at all. `socket_dir` is where it makes a
/// socket besides.
fn restrict(writable: &[PathBuf], socket_dir: Option<&Path>) -> Result<bool, RulesetError> {
    let all = AccessFs::from_all(KNOWN);
    let read = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    let bind = make_bitflags!(AccessFs::{MakeSock | RemoveFile});
    let named = READABLE_BY_NAME.iter().filter_map(std::env::var_os);
    // What is not on this host needs no rule. Nothing is executed: programs are started outside.
    let status = Ruleset::default()
        .handle_access(all)?
        .handle_access(AccessNet::BindTcp)?
        .create()?
        .add_rules(path_beneath_rules(writable, all & !AccessFs::Execute))?
        .add_rules(path_beneath_rules(socket_dir, bind))?
        .add_rules(path_beneath_rules(READABLE.into_iter().chain(DEVICES), read))?
        .add_rules(path_beneath_rules(named, read))?
        .restrict_self()?;
    let how = match status.ruleset {
        RulesetStatus::FullyEnforced => "fully",
        RulesetStatus::PartiallyEnforced => "as far as this kernel can",
        RulesetStatus::NotEnforced => {
            tracing::info!("there is no landlock here: the daemon does not restrict itself");
            return Ok(false);
        }
    };
    tracing::info!("restricted by landlock, {how}: writes go to {writable:?} only");
    Ok(true)
}

/// Where the daemon may write, of what is there; it says what is not.
fn writable(config: &Config) -> Vec<PathBuf> {
    let own = [&config.log_dir, &config.state_dir, &config.run_dir].map(Clone::clone);
    let mut found = Vec::new();
    for path in own.into_iter().chain(anchored(config)).chain(archived(config)) {
        match fs::canonicalize(&path) {
            Ok(path) if found.contains(&path) => {}
            Ok(path) => found.push(path),
            Err(e) => tracing::warn!(
                "{path:?} is where the configuration has the daemon write, but it cannot be found: {e}; once it can, restart the daemon"
            ),
        }
    }
    found
}

/// Where files of anchors are made: the directory that a path leads to, or just the file if it is a device.
fn anchored(config: &Config) -> impl Iterator<Item = PathBuf> {
    config.anchors.iter().filter_map(|anchor| match anchor {
        Anchor::File { path } => {
            let found = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
            let device = fs::metadata(&found).is_ok_and(|meta| !meta.is_file());
            if device { Some(found) } else { found.parent().map(Path::to_owned) }
        }
        _ => None,
    })
}

fn archived(config: &Config) -> impl Iterator<Item = PathBuf> {
    config.archives.iter().filter_map(|archive| match &archive.to {
        ArchiveTo::Directory(path) => Some(path.clone()),
        ArchiveTo::Exec { .. } => None,
    })
}
