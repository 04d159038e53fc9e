//! INSERT statements of many rows: what a statement costs beside its rows is paid once for all of them, and SQLite finds
//! the place of a row beside that of the row before without a look from the root.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Statement};

use super::stored::Table;

/// Rows that one statement carries; 64 gain nothing over 32.
const ROWS: usize = 32;

/// An INSERT into a table. A statement that fails leaves what it has done: the transaction is to be dropped then. To undo
/// it alone, SQLite would copy each page before it is changed.
pub(super) struct Insert {
    // The cache of prepared statements finds them by their text.
    many: String,
    one: String,
}

impl Insert {
    /// One that fails where a row is there already.
    pub fn new(table: &Table) -> Self {
        Self::or("FAIL", table)
    }

    /// One that takes the place of a row that is there already.
    pub fn replacing(table: &Table) -> Self {
        Self::or("REPLACE", table)
    }

    /// One that leaves a row as it is that is there already.
    pub fn missing(table: &Table) -> Self {
        Self::or("IGNORE", table)
    }

    fn or(otherwise: &str, table: &Table) -> Self {
        let tuple = format!("({})", vec!["?"; table.columns.len()].join(","));
        let columns = table.columns.join(", ");
        let sql = |rows| {
            let tuples = vec![tuple.as_str(); rows].join(",");
            format!("INSERT OR {otherwise} INTO {} ({columns}) VALUES {tuples}", table.name)
        };
        Self { many: sql(ROWS), one: sql(1) }
    }

    /// Inserts rows, each made of `of` by `values`.
    pub fn rows<'v, T, const N: usize>(
        &self,
        db: &Connection,
        of: &'v [T],
        values: impl Fn(&'v T) -> [ValueRef<'v>; N],
    ) -> rusqlite::Result<()> {
        let full = of.chunks_exact(ROWS);
        let rest = full.remainder();
        for some in full {
            insert(&mut *db.prepare_cached(&self.many)?, some.iter().map(&values))?;
        }
        rest.iter().try_for_each(|row| insert(&mut *db.prepare_cached(&self.one)?, [values(row)]))
    }
}

fn insert<'v, const N: usize>(
    statement: &mut Statement<'_>,
    rows: impl IntoIterator<Item = [ValueRef<'v>; N]>,
) -> rusqlite::Result<()> {
    for (at, value) in (1..).zip(rows.into_iter().flatten()) {
        statement.raw_bind_parameter(at, ToSqlOutput::Borrowed(value))?;
    }
    statement.raw_execute().map(drop)
}
