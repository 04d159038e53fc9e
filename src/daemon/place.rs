//! Where the log and its keys are, and what that place takes from what the log promises: told at the start, in the
//! daemon's own log, in the ledger and in its status.

mod judge;
mod mounts;

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, IFlags, StatxFlags};

use self::judge::{Facts, Place};
use self::mounts::Mount;
use crate::config::Config;
use crate::engine::Engine;
use crate::ledger::Paths;
use crate::metrics::{Metrics, Severity};
use crate::record::{Record, StorageProblem};

/// More mounts than any host has, in bytes of text.
const MAX_MOUNTS: u64 = 16 << 20;
/// A few lines.
const MAX_PRELOADED: u64 = 64 << 10;

/// Files that engines put into a container.
const MARKS: [&str; 2] = ["/.dockerenv", "/run/.containerenv"];
/// What systemd was told about the container that it runs in.
const TOLD: &str = "/run/systemd/container";
/// Containers that are machines, with files that are meant to stay.
const MACHINES: [&str; 5] = ["lxc", "lxc-libvirt", "systemd-nspawn", "openvz", "wsl"];

/// What is wrong with the places of `config`, whose directories are there. What cannot be told is no trouble.
pub fn look(config: &Config) -> Vec<StorageProblem> {
    let mounts = match mounts() {
        Ok(mounts) => mounts,
        Err(e) => {
            tracing::info!("what the log is stored on cannot be told: /proc/self/mountinfo: {e}");
            Vec::new()
        }
    };
    judge::judge(&Facts {
        container: in_container(),
        preloaded: preloaded(),
        log: place(&config.log_dir, &mounts),
        state: place(&config.state_dir, &mounts),
    })
}

/// Tells what [`look`] found, if anything, to whoever reads the daemon's own log, its status, and the ledger: at each
/// start, since who begins to read there has to know it, too.
pub fn tell(problems: Vec<StorageProblem>, metrics: &Metrics, engine: &Engine) {
    for problem in &problems {
        tracing::warn!("{problem}");
        let about = format!("{} {}", problem.directories.join("+"), problem.weakness);
        metrics.problems.say(about, Severity::Warning, problem);
    }
    if !problems.is_empty() {
        engine.record(Record::StorageWarning { problems });
    }
}

fn mounts() -> io::Result<Vec<Mount>> {
    mounts::read(BufReader::new(File::open("/proc/self/mountinfo")?.take(MAX_MOUNTS)))
}

fn place(dir: &Path, mounts: &[Mount]) -> Place {
    let real = fs::canonicalize(dir).unwrap_or_else(|_| dir.into());
    let mount = mounts::of(mounts, mount_id(&real), &real).cloned();
    Place { path: dir.into(), mount, no_copy_on_write: no_copy_on_write(&real) }
}

/// The number of the mount that a directory is on; none before Linux 5.8.
fn mount_id(dir: &Path) -> Option<u64> {
    let found = rustix::fs::statx(CWD, dir, AtFlags::empty(), StatxFlags::MNT_ID).ok()?;
    let told = found.stx_mask & StatxFlags::MNT_ID.bits() != 0;
    told.then_some(found.stx_mnt_id)
}

/// Whether the directory passes `chattr +C` on to files, and the one with the keys, if there is one, has it.
fn no_copy_on_write(dir: &Path) -> bool {
    let keys = Paths { log_dir: dir.into(), state_dir: dir.into() }.state();
    let has = |path: &Path| {
        let flags = File::open(path).map(|file| rustix::fs::ioctl_getflags(&file));
        flags.map(|flags| flags.is_ok_and(|flags| flags.contains(IFlags::NOCOW)))
    };
    has(dir).unwrap_or(false) && has(&keys).unwrap_or(true)
}

/// Whether this is a container of one application. What makes it is not asked, only what it says.
fn in_container() -> bool {
    let said = std::env::var("container").ok().or_else(|| fs::read_to_string(TOLD).ok());
    match said.as_deref().map(str::trim).filter(|said| !said.is_empty()) {
        Some(said) => !MACHINES.contains(&said),
        None => {
            MARKS.iter().any(|mark| Path::new(mark).exists())
                || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
        }
    }
}

fn preloaded() -> String {
    let mut named = std::env::var("LD_PRELOAD").unwrap_or_default();
    // Most hosts have no such file.
    if let Ok(file) = File::open("/etc/ld.so.preload") {
        let _what_was_read_counts = file.take(MAX_PRELOADED).read_to_string(&mut named);
    }
    named
}
