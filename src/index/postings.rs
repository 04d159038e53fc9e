//! Where each value of some fields is, block by block (an inverted index): SQLite's own indexes would take an entry a
//! row, in many places of a large tree; one posting stands for all rows of a batch that share a value, and comes
//! to the end of a table.

use std::hash::RandomState;

use hashbrown::HashMap;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, params};

use super::EventRow;
use super::row::sql_int;
use super::schema::BLOCK_SHIFT;

/// The fields that are looked up; the table numbers them from 1 on.
pub(super) const FIELDS: [&str; 6] =
    ["actor", "client_id", "correlation_id", "event_type", "session_id", "source"];

/// Bytes of values from which on postings are written before their block is complete.
const MUCH: usize = 1 << 20;

/// The values of some rows of one block.
#[derive(Default)]
pub(super) struct Postings {
    block: i64,
    fields: [Field; FIELDS.len()],
    bytes: usize,
}

/// The values of one field, each with a number, and which row has which.
#[derive(Default)]
struct Field {
    numbers: HashMap<Box<[u8]>, u32, RandomState>,
    places: Vec<(u32, u16)>,
}

impl Postings {
    /// None yet of this block.
    pub fn of(block: i64) -> Self {
        Self { block, ..Self::default() }
    }

    /// Takes a row. Those of the block before its block are written first, and so are too many.
    pub fn note(&mut self, db: &Connection, row: &EventRow<'_>) -> rusqlite::Result<()> {
        let seq = sql_int(row.seq);
        if seq >> BLOCK_SHIFT != self.block || self.bytes >= MUCH {
            self.write(db)?;
            self.block = seq >> BLOCK_SHIFT;
        }
        let fields = row.fields;
        let values = [
            &fields.actor,
            &None,
            &fields.correlation_id,
            &fields.event_type,
            &fields.session_id,
            &fields.source,
        ];
        let mut values = values.map(|value| value.as_deref().map(str::as_bytes));
        values[1] = row.client_id.map(str::as_bytes);
        self.add(seq, values);
        Ok(())
    }

    /// Takes the values of row `seq`, which is of this block, in the order of [`FIELDS`].
    pub fn add(&mut self, seq: i64, values: [Option<&[u8]>; FIELDS.len()]) {
        // The lowest bits of the number: no more than 2^13.
        let place = (seq & ((1 << BLOCK_SHIFT) - 1)) as u16;
        for (field, value) in self.fields.iter_mut().zip(values) {
            let Some(value) = value else { continue };
            let next = field.numbers.len() as u32;
            let number = match field.numbers.get(value) {
                Some(number) => *number,
                None => {
                    self.bytes += value.len() + size_of::<(Box<[u8]>, u32)>();
                    *field.numbers.entry(value.into()).insert(next).get()
                }
            };
            field.places.push((number, place));
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.fields.iter().map(|field| field.places.len()).sum()
    }

    /// Writes them, in the order of the table, and forgets them.
    pub fn write(&mut self, db: &Connection) -> rusqlite::Result<()> {
        let sql =
            "INSERT OR REPLACE INTO postings (block, field, value, places) VALUES (?1, ?2, ?3, ?4)";
        let mut insert = db.prepare_cached(sql)?;
        let block = self.block;
        let mut text = String::new();
        self.each(|field, value, places| {
            text.clear();
            for place in places {
                text.push(if text.is_empty() { '[' } else { ',' });
                push_number(&mut text, place);
            }
            text.push(']');
            insert
                .execute(params![block, field, ToSqlOutput::Borrowed(ValueRef::Text(value)), text])
                .map(drop)
        })?;
        for field in &mut self.fields {
            field.numbers.clear();
            field.places.clear();
        }
        self.bytes = 0;
        Ok(())
    }

    /// Gives each field's number and each of its values with the places, in order.
    pub fn each<E>(
        &mut self,
        mut give: impl FnMut(i64, &[u8], &mut dyn Iterator<Item = u16>) -> Result<(), E>,
    ) -> Result<(), E> {
        for (number, field) in (1..).zip(&mut self.fields) {
            let mut values: Vec<(&[u8], u32)> =
                field.numbers.iter().map(|(value, number)| (&**value, *number)).collect();
            values.sort_unstable();
            let mut ranks = vec![0; values.len()];
            for (rank, (_, number)) in (0u32..).zip(&values) {
                ranks[*number as usize] = rank;
            }
            let rank = |(number, place): &(u32, u16)| (ranks[*number as usize], *place);
            field.places.sort_unstable_by_key(rank);
            let groups = field.places.chunk_by(|a, b| a.0 == b.0);
            for ((value, _), places) in values.into_iter().zip(groups) {
                give(number, value, &mut places.iter().map(|(_, place)| *place))?;
            }
        }
        Ok(())
    }

    /// Those that the rows of a block give.
    pub fn of_rows(db: &Connection, block: i64) -> rusqlite::Result<Self> {
        let sql = format!(
            "SELECT seq, {} FROM event_rows NOT INDEXED WHERE seq BETWEEN ?1 AND ?2",
            FIELDS.join(", ")
        );
        let mut select = db.prepare_cached(&sql)?;
        let first = block << BLOCK_SHIFT;
        let mut rows = select.query([first, first + (1 << BLOCK_SHIFT) - 1])?;
        let mut postings = Self::of(block);
        while let Some(row) = rows.next()? {
            let mut values = [None; FIELDS.len()];
            for (at, value) in values.iter_mut().enumerate() {
                *value = match row.get_ref(at + 1)? {
                    ValueRef::Text(text) => Some(text),
                    _ => None,
                };
            }
            postings.add(row.get(0)?, values);
        }
        Ok(postings)
    }
}

/// Makes the postings of a block anew if there are others than its rows give: rows were deleted or replaced.
pub(super) fn renew(db: &Connection, block: i64) -> rusqlite::Result<()> {
    let mut postings = Postings::of_rows(db, block)?;
    let sql = "SELECT total(json_array_length(places)) FROM postings WHERE block = ?1";
    let stored: f64 = db.prepare_cached(sql)?.query_row([block], |row| row.get(0))?;
    if stored == postings.len() as f64 {
        return Ok(());
    }
    forget(db, block)?;
    postings.write(db)
}

/// The number of a field.
pub(super) fn number(field: &str) -> i64 {
    (1..).zip(FIELDS).find(|(_, known)| *known == field).map_or(0, |(number, _)| number)
}

/// Deletes the postings of a block.
pub(super) fn forget(db: &Connection, block: i64) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM postings WHERE block = ?1")?.execute([block]).map(drop)
}

/// Appends a number below 10,000; several times as fast as formatting it.
fn push_number(text: &mut String, number: u16) {
    let mut started = false;
    for unit in [1000, 100, 10, 1] {
        let digit = (number / unit % 10) as u8;
        started |= digit > 0 || unit == 1;
        if started {
            text.push(char::from(b'0' + digit));
        }
    }
}
