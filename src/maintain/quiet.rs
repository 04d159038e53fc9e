//! Being no trouble to others: the priority of the thread that maintains, and the page cache.

use std::fs::File;
use std::io;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

/// Gives the calling thread, and what it starts from now on, the lowest priority (nice 19); it never goes up
/// again. The I/O priority follows: a thread without one of its own has the best-effort class, at a level
/// of (nice + 20) / 5, so the last of the eight (Linux, ioprio.h, `task_nice_ioprio`).
pub fn lower_priority() -> io::Result<()> {
    // To Linux a process of number 0 is the thread that asks.
    Ok(rustix::process::setpriority_process(None, 19)?)
}

/// Takes a part of a file that nobody needs soon out of the page cache, where it would push out what others
/// need; what is not on disk yet stays there. `len` 0 is all that follows.
pub(super) fn forget(file: &File, offset: u64, len: u64) {
    let (Ok(offset), Ok(len)) = (offset.try_into(), len.try_into()) else { return };
    let _it_is_only_advice =
        posix_fadvise(file, offset, len, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
}
