//! What is in the index held against what should be in it, for verification. Tables are read by rowid only: an
//! index of SQLite may have been changed too.

mod made;
mod part;
mod postings;

use std::ops::RangeInclusive;

use rusqlite::Transaction;
use rusqlite::types::ValueRef;

use super::reader::Reader;
use super::stored::Table;
use super::{IndexError, SegmentRow};
pub use made::Made;
pub use part::{Part, Progress};

/// A row that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its table.
    pub table: &'static str,
    /// Its rowid: `seq`, or the number of the block or segment.
    pub key: i64,
    /// In what it differs.
    pub kind: Kind,
}

/// How a row differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is not there.
    Missing,
    /// It should not be there.
    Extra,
    /// These columns have other values.
    Changed(Vec<&'static str>),
}

/// Is told each difference.
pub type Found<'f> = dyn FnMut(Difference) + 'f;

/// Rows within a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// How many.
    pub rows: u64,
    /// The lowest rowid.
    pub first: i64,
    /// The highest.
    pub last: i64,
}

/// The index at one moment. The write-ahead log cannot be emptied while there is one: it should not live long.
pub struct Snapshot<'r> {
    tx: Transaction<'r>,
    reader: &'r Reader,
    /// The next leaf that is not in it.
    pub indexed: u64,
}

impl Reader {
    /// What the index holds now.
    pub fn snapshot(&self) -> Result<Snapshot<'_>, IndexError> {
        let tx = self.db.unchecked_transaction().map_err(|e| self.error(e))?;
        // The first statement decides which moment it is.
        let indexed = self.indexed()?;
        Ok(Snapshot { tx, reader: self, indexed })
    }

    /// What SQLite finds wrong with its file: indexes that lack rows, values that no column takes, damaged
    /// pages; at most `most` sentences. Reads everything: minutes for ten million events.
    pub fn integrity(&self, most: usize) -> Result<Vec<String>, IndexError> {
        let check = || {
            let mut select = self.db.prepare(&format!("PRAGMA integrity_check({most})"))?;
            let found = select.query_map([], |row| row.get::<_, String>(0))?;
            found
                .filter(|said| !said.as_ref().is_ok_and(|said| said == "ok"))
                .collect::<Result<_, _>>()
        };
        check().map_err(|e| self.error(e))
    }
}

impl Snapshot<'_> {
    /// The definitions of the field maps, each with the first `seq` that was read with it, in order.
    pub fn field_maps(&self) -> Result<Vec<(i64, String)>, IndexError> {
        let read = || {
            let sql =
                "SELECT first_seq, definition FROM field_maps ORDER BY first_seq LIMIT 100000";
            let mut select = self.tx.prepare_cached(sql)?;
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<Result<_, _>>()
        };
        read().map_err(|e| self.reader.error(e))
    }

    /// The events and seals that have a `seq` in this range, if there are any.
    pub fn leaves(&self, seqs: RangeInclusive<i64>) -> Result<Option<Extent>, IndexError> {
        let sql = "SELECT count(*), min(seq), max(seq) FROM (
            SELECT seq FROM event_rows NOT INDEXED WHERE seq BETWEEN ?1 AND ?2
            UNION ALL SELECT seq FROM seals WHERE seq BETWEEN ?1 AND ?2)";
        let read = || {
            let mut select = self.tx.prepare_cached(sql)?;
            select.query_row([seqs.start(), seqs.end()], |row| {
                let rows: i64 = row.get(0)?;
                let (first, last) = (row.get::<_, Option<_>>(1)?, row.get::<_, Option<_>>(2)?);
                let extent = |(first, last)| Extent { rows: rows.unsigned_abs(), first, last };
                Ok(first.zip(last).map(extent))
            })
        };
        read().map_err(|e| self.reader.error(e))
    }

    /// Compares the table of segments with these, which are in order.
    pub fn segments(
        &self,
        numbers: RangeInclusive<i64>,
        rows: &[SegmentRow<'_>],
        found: &mut Found<'_>,
    ) -> Result<(), IndexError> {
        self.compare(&SegmentRow::TABLE, numbers, rows.iter().map(SegmentRow::values), found)
    }

    /// Compares the rows of a table whose rowids are in the range with those that should be there, in order.
    fn compare<'v, const N: usize>(
        &self,
        table: &Table,
        keys: RangeInclusive<i64>,
        rows: impl IntoIterator<Item = [ValueRef<'v>; N]>,
        found: &mut Found<'_>,
    ) -> Result<(), IndexError> {
        self.try_compare(table, keys, rows, found).map_err(|e| self.reader.error(e))
    }

    fn try_compare<'v, const N: usize>(
        &self,
        table: &Table,
        keys: RangeInclusive<i64>,
        rows: impl IntoIterator<Item = [ValueRef<'v>; N]>,
        found: &mut Found<'_>,
    ) -> rusqlite::Result<()> {
        let (name, columns, key) = (table.name, table.columns.join(", "), table.columns[0]);
        let sql = format!(
            "SELECT {columns} FROM {name} NOT INDEXED WHERE {key} BETWEEN ?1 AND ?2 ORDER BY {key}"
        );
        let mut select = self.tx.prepare_cached(&sql)?;
        let mut stored = select.query([keys.start(), keys.end()])?;
        let mut next = stored.next()?;
        let mut differ = |key, kind| found(Difference { table: name, key, kind });
        for want in rows {
            let wanted = want[0].as_i64()?;
            while let Some(row) = next
                && row.get::<_, i64>(0)? < wanted
            {
                differ(row.get(0)?, Kind::Extra);
                next = stored.next()?;
            }
            match next {
                Some(row) if row.get::<_, i64>(0)? == wanted => {
                    let mut changed = Vec::new();
                    for (at, value) in want.iter().enumerate() {
                        if row.get_ref(at)? != *value {
                            changed.push(table.columns[at]);
                        }
                    }
                    if !changed.is_empty() {
                        differ(wanted, Kind::Changed(changed));
                    }
                    next = stored.next()?;
                }
                _ => differ(wanted, Kind::Missing),
            }
        }
        while let Some(row) = next {
            differ(row.get(0)?, Kind::Extra);
            next = stored.next()?;
        }
        Ok(())
    }
}
