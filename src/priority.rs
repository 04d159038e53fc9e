//! Who goes first when threads want more cores than there are: the ledger, then the index, then maintenance.

use std::io;

/// Nice of the index: the ledger takes what comes at its own speed, and the index has what is left; with nothing left
/// about a tenth of a core.
pub const INDEX: i32 = 10;
/// Nice of maintenance, the lowest there is.
pub const MAINTENANCE: i32 = 19;

/// Gives the calling thread, and what it starts from now on, this nice value; it never goes up again. The I/O priority
/// follows: a thread without one of its own has the best-effort class, at a level of (nice + 20) / 5 (Linux,
/// ioprio.h, `task_nice_ioprio`).
pub fn lower(nice: i32) -> io::Result<()> {
    // To Linux a process of number 0 is the thread that asks.
    Ok(rustix::process::setpriority_process(None, nice)?)
}
