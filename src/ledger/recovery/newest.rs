//! Which segment is the newest.

use std::io;

use crate::ledger::Paths;
use crate::ledger::log::hex;
use crate::ledger::segment::{self, Found, Header, NewestFirst};
use crate::ledger::state::State;

/// The newest segment of the log that `state` belongs to, if there is any. Of two files of one segment, one of them a
/// copy, the one with more lines; else the active one.
pub fn of(paths: &Paths, state: &State) -> io::Result<Option<Found>> {
    let log_id = hex(&state.log_id);
    let mut newest = NewestFirst::new(&paths.log_dir, &log_id)?;
    let mut found = Vec::new();
    while let Some(next) = newest.older()? {
        if found.last().is_some_and(|last| place(last) != place(&next)) {
            break;
        }
        found.push(next);
    }
    let last = state.seal.as_ref().map_or(0, |seal| seal.segment);
    let newest = choose(found, paths).filter(|newest| {
        newest.path == paths.active() && (last..=last + 1).contains(&newest.header.segment)
    });
    match newest {
        // Somebody has moved files: what they are called says nothing any more.
        None => Ok(choose(segment::list_of(&paths.log_dir, &log_id)?, paths)),
        newest => Ok(newest),
    }
}

fn choose(segments: Vec<Found>, paths: &Paths) -> Option<Found> {
    let len = |found: &Found| std::fs::metadata(&found.path).map_or(0, |meta| meta.len());
    let order = |found: &Found| (place(found), len(found), found.path == paths.active());
    segments.into_iter().max_by_key(order)
}

fn place(found: &Found) -> (u64, u64) {
    let Header { first_seq, segment, .. } = found.header;
    (first_seq, segment)
}
