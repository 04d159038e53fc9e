//! Where each value of some fields is, block by block (an inverted index): SQLite's own indexes would take an entry a
//! row, in many places of a large tree; one posting stands for all rows of a batch that share a value, and comes
//! to the end of a table.

mod builder;

use std::sync::LazyLock;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::statement::Insert;
use super::stored::Table;
pub use builder::PostingsBuilder;

/// The fields that are looked up; the table numbers them from 1 on.
pub(super) const FIELDS: [&str; 6] =
    ["actor", "client_id", "correlation_id", "event_type", "session_id", "source"];

const TABLE: Table = Table { name: "postings", columns: &["block", "field", "value", "places"] };

/// What was followed twice is there already.
static INSERT: LazyLock<Insert> = LazyLock::new(|| Insert::missing(&TABLE));

/// Which rows of one block have which values, as the table has it and in its order.
#[derive(Debug)]
pub struct Postings {
    block: i64,
    entries: Vec<Entry>,
    /// The value and the places of each, one after the other.
    text: Vec<u8>,
}

/// A value, `text[value..places]`, and where it is, `text[places..end]`.
#[derive(Debug)]
struct Entry {
    field: i64,
    value: u32,
    places: u32,
    end: u32,
}

impl Postings {
    /// Whether no row has a value.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn write(&self, db: &Connection) -> rusqlite::Result<()> {
        let block = ValueRef::Integer(self.block);
        let text = |from: u32, to: u32| ValueRef::Text(&self.text[from as usize..to as usize]);
        INSERT.rows(db, &self.entries, |entry| {
            let Entry { field, value, places, end } = *entry;
            [block, ValueRef::Integer(field), text(value, places), text(places, end)]
        })
    }
}

/// Makes the postings of a block anew if there are others than its rows give: rows were deleted or replaced.
pub(super) fn renew(db: &Connection, block: i64) -> rusqlite::Result<()> {
    let mut postings = PostingsBuilder::of_rows(db, block)?;
    let sql = "SELECT total(json_array_length(places)) FROM postings WHERE block = ?1";
    let stored: f64 = db.prepare_cached(sql)?.query_row([block], |row| row.get(0))?;
    if stored == postings.len() as f64 {
        return Ok(());
    }
    forget(db, block)?;
    postings.finish().write(db)
}

/// The number of a field.
pub(super) fn number(field: &str) -> i64 {
    (1..).zip(FIELDS).find(|(_, known)| *known == field).map_or(0, |(number, _)| number)
}

/// Deletes the postings of a block.
pub(super) fn forget(db: &Connection, block: i64) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM postings WHERE block = ?1")?.execute([block]).map(drop)
}
