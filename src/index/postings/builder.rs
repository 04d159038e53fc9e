//! Postings in the making: rows come in their order, values go out in that of the table.

use std::hash::BuildHasher;
use std::ops::Range;

use hashbrown::hash_table::Entry as Slot;
use hashbrown::{DefaultHashBuilder, HashTable};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::{Entry, FIELDS, Postings};
use crate::index::EventRow;
use crate::index::row::sql_int;
use crate::index::schema::BLOCK_SHIFT;

/// Bytes of values from which on postings are written before their block is complete.
const MUCH: usize = 2 << 20;

/// The values of some rows of one block, and where they are.
#[derive(Default)]
pub struct PostingsBuilder {
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
            Slot::Occupied(entry) => *entry.get(),
            Slot::Vacant(entry) => {
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

impl PostingsBuilder {
    /// None yet of this block.
    fn of(block: i64) -> Self {
        Self { block, ..Self::default() }
    }

    /// Takes a row. Gives those of the block before its block, or what has become too much.
    pub fn note(&mut self, row: &EventRow<'_>) -> Option<Postings> {
        let seq = sql_int(row.seq);
        let bytes: usize = self.fields.iter().map(Field::bytes).sum();
        let full = seq >> BLOCK_SHIFT != self.block || bytes >= MUCH;
        let before = full.then(|| self.finish()).filter(|before| !before.is_empty());
        self.block = seq >> BLOCK_SHIFT;
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
        before
    }

    /// Takes the values of row `seq`, which is of this block, in the order of [`FIELDS`].
    fn add(&mut self, seq: i64, values: [Option<&[u8]>; FIELDS.len()]) {
        // The lowest bits of the number: no more than 2^13.
        let place = (seq & ((1 << BLOCK_SHIFT) - 1)) as u16;
        for (field, value) in self.fields.iter_mut().zip(values) {
            if let Some(value) = value {
                field.add(value, place);
            }
        }
    }

    /// How many there are.
    pub(in crate::index) fn len(&self) -> usize {
        self.fields.iter().map(|field| field.places.len()).sum()
    }

    /// Those of the rows since the last time.
    pub fn finish(&mut self) -> Postings {
        let (mut entries, mut text) = (Vec::new(), Vec::new());
        self.each(|field, value, places| {
            let start = text.len();
            text.extend_from_slice(value);
            let middle = text.len();
            for place in places {
                text.push(if text.len() == middle { b'[' } else { b',' });
                push_number(&mut text, place);
            }
            text.push(b']');
            let [value, places, end] = [start, middle, text.len()].map(|at| at as u32);
            entries.push(Entry { field, value, places, end });
        });
        self.fields.iter_mut().for_each(Field::clear);
        Postings { block: self.block, entries, text }
    }

    /// Gives each field's number and each of its values with the places, in order.
    pub(in crate::index) fn each<'a>(
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
    pub(in crate::index) fn of_rows(db: &Connection, block: i64) -> rusqlite::Result<Self> {
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

/// Appends a number below 10,000; several times as fast as formatting it.
fn push_number(text: &mut Vec<u8>, number: u16) {
    let mut started = false;
    for unit in [1000, 100, 10, 1] {
        let digit = (number / unit % 10) as u8;
        started |= digit > 0 || unit == 1;
        if started {
            text.push(b'0' + digit);
        }
    }
}
