//! Where each value of some fields is, block by block (an inverted index): SQLite's own indexes would take an entry a
//! row, in many places of a large tree; one posting stands for all rows of a batch that share a value, and comes
//! to the end of a table.

use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::LazyLock;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::EventRow;
use super::row::sql_int;
use super::schema::BLOCK_SHIFT;
use super::statement::Insert;
use super::stored::Table;

/// The fields that are looked up; the table numbers them from 1 on.
pub(super) const FIELDS: [&str; 6] =
    ["actor", "client_id", "correlation_id", "event_type", "session_id", "source"];

/// Bytes of values from which on postings are written before their block is complete.
const MUCH: usize = 2 << 20;

const TABLE: Table = Table { name: "postings", columns: &["block", "field", "value", "places"] };

/// What was followed twice is there already.
static INSERT: LazyLock<Insert> = LazyLock::new(|| Insert::missing(&TABLE));

/// The values of some rows of one block.
#[derive(Default)]
pub(super) struct Postings {
    block: i64,
    fields: [Field; FIELDS.len()],
}

/// The values of one field, each with a number, and which row has which.
#[derive(Default)]
struct Field {
    /// The values, one after the other, and where each begins and ends: most occur once, and an allocation for
    /// each would cost more than what is done with it.
    text: Vec<u8>,
    spans: Vec<Range<usize>>,
    /// The numbers of the values. Who makes values of one hash makes each of a block be compared with the others, no more.
    numbers: HashTable<u32>,
    hasher: DefaultHashBuilder,
    places: Vec<(u32, u16)>,
}

impl Field {
    /// Takes a value of the row at this place.
    fn add(&mut self, value: &[u8], place: u16) {
        let Self { text, spans, numbers, hasher, places } = self;
        let of = |number: &u32| &text[spans[*number as usize].clone()];
        let hash = |value: &[u8]| hasher.hash_one(value);
        let known = |number: &u32| of(number) == value;
        let number = match numbers.entry(hash(value), known, |number| hash(of(number))) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let number = spans.len() as u32;
                entry.insert(number);
                spans.push(text.len()..text.len() + value.len());
                text.extend_from_slice(value);
                number
            }
        };
        places.push((number, place));
    }

    /// Roughly how much memory it takes.
    fn bytes(&self) -> usize {
        self.text.len() + self.spans.len() * size_of::<Range<usize>>()
    }

    fn clear(&mut self) {
        self.text.clear();
        self.spans.clear();
        self.numbers.clear();
        self.places.clear();
    }
}

impl Postings {
    /// None yet of this block.
    pub fn of(block: i64) -> Self {
        Self { block, ..Self::default() }
    }

    /// Takes a row. Those of the block before its block are written first, and so are too many.
    pub fn note(&mut self, db: &Connection, row: &EventRow<'_>) -> rusqlite::Result<()> {
        let seq = sql_int(row.seq);
        let bytes: usize = self.fields.iter().map(Field::bytes).sum();
        if seq >> BLOCK_SHIFT != self.block || bytes >= MUCH {
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
            if let Some(value) = value {
                field.add(value, place);
            }
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.fields.iter().map(|field| field.places.len()).sum()
    }

    /// Writes them, in the order of the table, and forgets them.
    pub fn write(&mut self, db: &Connection) -> rusqlite::Result<()> {
        let block = ValueRef::Integer(self.block);
        let mut entries = Vec::new();
        // The places of all, one after the other.
        let mut text = String::new();
        self.each(|field, value, places| {
            let start = text.len();
            for place in places {
                text.push(if text.len() == start { '[' } else { ',' });
                push_number(&mut text, place);
            }
            text.push(']');
            entries.push((field, value, start..text.len()));
        });
        INSERT.rows(db, &entries, |(field, value, places)| {
            let places = &text.as_bytes()[places.clone()];
            [block, ValueRef::Integer(*field), ValueRef::Text(value), ValueRef::Text(places)]
        })?;
        self.fields.iter_mut().for_each(Field::clear);
        Ok(())
    }

    /// Gives each field's number and each of its values with the places, in order.
    pub fn each<'a>(
        &'a mut self,
        mut give: impl FnMut(i64, &'a [u8], &mut dyn Iterator<Item = u16>),
    ) {
        for (number, field) in (1..).zip(&mut self.fields) {
            let Field { text, spans, places, .. } = field;
            let values = spans.iter().zip(0u32..).map(|(at, number)| (&text[at.clone()], number));
            let mut values: Vec<(&[u8], u32)> = values.collect();
            values.sort_unstable();
            let mut ranks = vec![0; values.len()];
            for (rank, (_, number)) in (0u32..).zip(&values) {
                ranks[*number as usize] = rank;
            }
            let rank = |(number, place): &(u32, u16)| (ranks[*number as usize], *place);
            places.sort_unstable_by_key(rank);
            let groups = places.chunk_by(|a, b| a.0 == b.0);
            for ((value, _), places) in values.into_iter().zip(groups) {
                give(number, value, &mut places.iter().map(|(_, place)| *place));
            }
        }
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
