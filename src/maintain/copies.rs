//! Segments that are in several files: while they are compressed, and when somebody has copied them.

use std::io;

use crate::ledger::segment::Found;
use crate::ledger::verify::is_copy;

/// The files of each segment; `listed` are in the order of the log.
pub(super) fn of_each(listed: &[Found]) -> impl Iterator<Item = &[Found]> {
    listed.chunk_by(|a, b| a.header == b.header)
}

/// The file that holds all that is in the others; none if no file does, so that nobody knows which is right.
pub(super) fn whole(copies: &[Found]) -> io::Result<Option<&Found>> {
    for whole in copies {
        if holds_all(whole, copies)? {
            return Ok(Some(whole));
        }
    }
    Ok(None)
}

fn holds_all(whole: &Found, copies: &[Found]) -> io::Result<bool> {
    for copy in copies {
        if copy != whole && !is_copy(whole, copy)? {
            return Ok(false);
        }
    }
    Ok(true)
}
