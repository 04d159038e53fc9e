//! The size of the file, and what of it can be given back.

use rusqlite::Connection;

use crate::index::reader::Reader;
use crate::index::{IndexError, reset};

/// Free pages are given back when they are more than one of so many of the file's, and then until they are no more
/// than half of that. Below it they wait for new rows: in a database that keeps ninety days, what is deleted in
/// a day is one of ninety, and comes in again within a day. Giving back moves rows about and makes the file
/// grow again tomorrow, so it is for what a burst or a shortened time of keeping leaves.
const SHARE: i64 = 8;
/// Less than so many pages are not worth it.
const FEW_PAGES: i64 = 1024;
/// Pages that are given back between two looks at the clock.
const UNIT_PAGES: i64 = 16;

/// How large the index is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// The database without its companions, bytes.
    pub bytes: u64,
    /// Those of it that hold nothing now.
    pub free_bytes: u64,
    /// The write-ahead log, bytes.
    pub wal_bytes: u64,
}

impl Reader {
    /// How large the index is now; cheap.
    pub fn space(&self) -> Result<Space, IndexError> {
        let read = || {
            let page = pragma(&self.db, "page_size")?.unsigned_abs();
            let pages = |name| pragma(&self.db, name).map(|pages| pages.unsigned_abs() * page);
            Ok((pages("page_count")?, pages("freelist_count")?))
        };
        let (bytes, free_bytes) = read().map_err(|e| self.error(e))?;
        let wal = reset::companion(&self.path, "-wal");
        let wal_bytes = std::fs::metadata(wal).map_or(0, |file| file.len());
        Ok(Space { bytes, free_bytes, wal_bytes })
    }
}

/// Bytes of pages that hold something.
pub(super) fn used_bytes(db: &Connection) -> rusqlite::Result<u64> {
    let pages = pragma(db, "page_count")? - pragma(db, "freelist_count")?;
    Ok((pages * pragma(db, "page_size")?).unsigned_abs())
}

/// Takes free pages off the file's end while `go_on` says so, by moving what is there; says how many bytes, or `None` if there is
/// no need, or no need any more where it is `under_way`.
pub(super) fn give_back(
    tx: &Connection,
    under_way: bool,
    go_on: &dyn Fn() -> bool,
) -> rusqlite::Result<Option<u64>> {
    let share = if under_way { 2 * SHARE } else { SHARE };
    let (pages, free) = (pragma(tx, "page_count")?, pragma(tx, "freelist_count")?);
    if free <= (pages / share).max(FEW_PAGES) {
        return Ok(None);
    }
    let wanted = free - (pages / (2 * SHARE)).max(FEW_PAGES);
    let mut given = 0;
    while given < wanted && (given == 0 || go_on()) {
        let mut vacuum = tx.prepare_cached(&format!("PRAGMA incremental_vacuum({UNIT_PAGES})"))?;
        let mut rows = vacuum.query([])?;
        while rows.next()?.is_some() {}
        given = pages - pragma(tx, "page_count")?;
        if given == 0 {
            return Ok(None);
        }
    }
    Ok(Some((given * pragma(tx, "page_size")?).unsigned_abs()))
}

fn pragma(db: &Connection, name: &str) -> rusqlite::Result<i64> {
    db.prepare_cached(&format!("PRAGMA {name}"))?.query_row([], |row| row.get(0))
}
