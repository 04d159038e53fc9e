//! What happens to the daemon, its disk and its clock. After each fault the host is as it was, and the daemon runs.

use std::fs::{self, File};
use std::io::Write;
use std::time::Duration;

use fastrand::Rng;
use nix::sys::signal::Signal;

use crate::common::logrotate::{as_shipped, logrotate, said};
use crate::common::tool;
use crate::host::Host;
use crate::knobs::Knob;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// kill -9.
    Kill,
    /// SIGSTOP, and SIGCONT a while later.
    Pause,
    /// Not a byte is left on the file system of log and state, for a while.
    FullDisk,
    /// The same, and the daemon is killed meanwhile: it has to start on a full disk.
    KillOnFullDisk,
    /// Each fdatasync takes long.
    SlowDisk,
    /// Each fdatasync fails with EIO.
    FailedSyncs,
    /// SIGHUP.
    Reload,
    /// logrotate with the configuration that is shipped.
    Logrotate,
    /// `auditlog rotate`.
    Rotate,
    /// Somebody holds a lock on the database.
    LockedDatabase,
    /// The wall clock is set forward or back.
    ClockStep,
}

/// All of them.
pub const ALL: [Fault; 11] = [
    Fault::Kill,
    Fault::Pause,
    Fault::FullDisk,
    Fault::KillOnFullDisk,
    Fault::SlowDisk,
    Fault::FailedSyncs,
    Fault::Reload,
    Fault::Logrotate,
    Fault::Rotate,
    Fault::LockedDatabase,
    Fault::ClockStep,
];

/// Those that no daemon ends by, and that need no room of memory for what waits.
pub const GENTLE: [Fault; 4] = [Fault::Pause, Fault::Reload, Fault::Logrotate, Fault::Rotate];

impl Fault {
    /// Plays it; false if that is not possible here.
    pub fn strike(self, host: &mut Host, has_small_disk: bool, rng: &mut Rng) -> bool {
        let mut last =
            |most_ms| std::thread::sleep(Duration::from_millis(rng.u64(most_ms / 8..most_ms)));
        match self {
            Fault::Kill => host.kill(),
            Fault::Pause => {
                host.signal(Signal::SIGSTOP);
                last(800);
                host.signal(Signal::SIGCONT);
            }
            Fault::FullDisk | Fault::KillOnFullDisk if !has_small_disk => return false,
            Fault::FullDisk => full(host, |_| last(1_500)),
            Fault::KillOnFullDisk => full(host, |host| {
                last(400);
                host.kill();
                host.restart_if_ended();
                last(800);
            }),
            Fault::SlowDisk | Fault::FailedSyncs | Fault::ClockStep if !host.has_knobs() => {
                return false;
            }
            Fault::SlowDisk => {
                host.set(Knob::SyncMs, 150);
                last(2_000);
                host.set(Knob::SyncMs, 0);
            }
            Fault::FailedSyncs => {
                host.set(Knob::SyncErrno, nix::libc::EIO.into());
                last(600);
                host.set(Knob::SyncErrno, 0);
            }
            Fault::Reload => host.signal(Signal::SIGHUP),
            Fault::Logrotate => {
                let output = logrotate(host.root(), Some(host.pid()), as_shipped, &["--force"]);
                let said = said(&output);
                // Twice in a second, or just when the daemon has renamed the file itself.
                let passing = ["already exists", "No such file"];
                let fine =
                    output.status.success() || passing.iter().any(|text| said.contains(text));
                assert!(fine, "{said}");
            }
            Fault::Rotate => {
                let output = tool(host.root(), &["rotate"]);
                assert!(output.status.success(), "{output:?}");
            }
            Fault::LockedDatabase => {
                let path = host.root().join("var/lib/auditlogd/audit.db");
                let database = rusqlite::Connection::open(path).expect("opens");
                // The daemon may be writing: then it is the one who has the lock.
                if database.execute_batch("BEGIN IMMEDIATE").is_ok() {
                    last(1_500);
                }
            }
            Fault::ClockStep => host.set(Knob::WallSeconds, rng.i64(-200_000..200_000)),
        }
        host.revive();
        true
    }
}

/// Fills the file system of the log, and frees it again.
fn full(host: &mut Host, meanwhile: impl FnOnce(&mut Host)) {
    let path = host.root().join("var/filler");
    let mut filler = File::create(&path).expect("creates");
    let mut piece = vec![0_u8; 1 << 20];
    while !piece.is_empty() {
        if filler.write_all(&piece).is_err() {
            piece.truncate(piece.len() / 2);
        }
    }
    meanwhile(host);
    fs::remove_file(path).expect("removes");
}
