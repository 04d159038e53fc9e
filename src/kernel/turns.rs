//! How soon a thread gets a core that others keep busy.

use std::io;

use nix::errno::Errno;
use nix::libc::{self, sched_attr};
use rustix::process::getpriority_process;

/// Nanoseconds that the kernel lets a thread with short turns run before others get theirs.
const TURN_NS: u64 = 200_000;

/// Gives the calling thread shorter turns: it gets them sooner when it wakes up while all cores are busy, and gets no
/// more of them (sched(7); EEVDF, the `sched_runtime` of sched_setattr(2)). Linux before 6.12 changes nothing. Where it is
/// forbidden the thread goes on as it is.
pub fn short_turns() {
    if let Err(error) = ask() {
        tracing::debug!(%error, "a thread keeps the kernel's usual turns");
    }
}

fn ask() -> io::Result<()> {
    let attr = sched_attr {
        size: size_of::<sched_attr>() as u32,
        sched_policy: libc::SCHED_OTHER as u32,
        sched_flags: 0,
        // It stays as it is.
        sched_nice: getpriority_process(None)?,
        sched_priority: 0,
        sched_runtime: TURN_NS,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: `attr` lives through the call, and the kernel reads `size` bytes of it; 0 is the calling thread, and
    // there are no flags.
    let done = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attr, 0) };
    Errno::result(done)?;
    Ok(())
}
