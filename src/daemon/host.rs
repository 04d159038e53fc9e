//! What the daemon asks of the host: directories, threads, a name, and to be left alone.

use std::path::{Path, PathBuf};

use super::{DaemonError, system};
use crate::config::Config;
use crate::fs::{Access, Fs, Real};
use crate::ledger::Host;

/// Least privilege that needs no configuration: no dumps of a process that holds keys, no capability for the
/// programs that it runs; and as many descriptors as the system allows.
pub fn harden() {
    if let Err(e) = nix::sys::prctl::set_dumpable(false) {
        tracing::warn!("core dumps of the daemon could not be switched off: {e}");
    }
    if let Err(e) = rustix::thread::clear_ambient_capability_set() {
        tracing::warn!("programs get the capabilities of the daemon: {e}");
    }
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(e) = raised {
        tracing::warn!("the limit of open files could not be raised: {e}");
    }
}

/// Makes the daemon's directories where they are missing; the way to the disk for its group.
pub fn prepare_directories(config: &Config) -> Result<Real, DaemonError> {
    let unusable = format!("group = {:?} cannot be used", config.group.as_deref().unwrap_or(""));
    let disk = Real::for_group(config.group.as_deref()).map_err(system(&unusable))?;
    for dir in [&config.log_dir, &config.state_dir, &config.run_dir] {
        let created = disk.create_dir(dir, Access::Shared);
        created.map_err(system(&format!("the directory {dir:?} could not be created")))?;
        let writable = nix::unistd::access(dir, nix::unistd::AccessFlags::W_OK);
        writable.map_err(|e| DaemonError::System {
            what: format!("the directory {dir:?} cannot be written; change its owner or mode, or set another one"),
            source: e.into(),
        })?;
    }
    if let Some(parent) = config.socket.parent() {
        let created = std::fs::create_dir_all(parent);
        created.map_err(system(&format!("the directory {parent:?} could not be created")))?;
    }
    Ok(disk)
}

/// Connections are served this often at most before it is asked which others have sent something. One of a flood
/// takes hundreds of microseconds.
const SERVED_AT_ONCE: u32 = 7;

/// The threads of ingest; 0 is as many as there are cores, four at most.
pub fn runtime(threads: usize) -> Result<tokio::runtime::Runtime, DaemonError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if threads == 0 { cores.min(4) } else { threads };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .event_interval(SERVED_AT_ONCE)
        .thread_name("ingest")
        .enable_all()
        .build();
    runtime.map_err(system("threads could not be started"))
}

/// The name and the boot that records and seals say.
pub fn host() -> Result<Host, DaemonError> {
    Host::of_this_machine().map_err(system("the host's name or boot id cannot be read"))
}

/// A credential of the service manager (systemd.exec(5), "Credentials"), whether or not it is there.
pub fn credential(name: &str) -> Option<PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY").map(|dir| Path::new(&dir).join(name))
}
