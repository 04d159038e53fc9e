//! Being no trouble to others: the page cache.

use std::fs::File;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

/// Takes a part of a file that nobody needs soon out of the page cache, where it would push out what others
/// need; what is not on disk yet stays there. `len` 0 is all that follows.
pub(super) fn forget(file: &File, offset: u64, len: u64) {
    let (Ok(offset), Ok(len)) = (offset.try_into(), len.try_into()) else { return };
    let _it_is_only_advice =
        posix_fadvise(file, offset, len, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
}
