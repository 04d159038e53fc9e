//! The postings against the rows: whether each value of a row is found where it is, and nowhere else.

use std::collections::HashMap;

use rusqlite::{Connection, Transaction};

use crate::index::IndexError;
use crate::index::postings::{FIELDS, PostingsBuilder};
use crate::index::reader::Reader;
use crate::index::schema::BLOCK_SHIFT;

impl Reader {
    /// What is wrong with the postings, at most `most` sentences: a row that they hide, one that they show for a value
    /// that it has not, or twice. A place whose row retention has deleted is no finding.
    pub fn wrong_postings(&self, most: usize) -> Result<Vec<String>, IndexError> {
        let mut wrong = Vec::new();
        let mut from = i64::MIN >> BLOCK_SHIFT;
        while wrong.len() < most {
            // One block at a time: the write-ahead log cannot be emptied meanwhile.
            let next = self.check_next(from, &mut wrong).map_err(|e| self.error(e))?;
            let Some(block) = next.filter(|block| *block < i64::MAX) else { break };
            from = block + 1;
        }
        wrong.truncate(most);
        Ok(wrong)
    }

    /// Checks the first block from this one on; says which it was.
    fn check_next(&self, from: i64, wrong: &mut Vec<String>) -> rusqlite::Result<Option<i64>> {
        let tx = self.db.unchecked_transaction()?;
        let sql = format!(
            "SELECT min(block) FROM (
             SELECT min(seq) >> {BLOCK_SHIFT} AS block FROM event_rows WHERE seq >= ?1
             UNION ALL SELECT min(block) FROM postings WHERE block >= ?2)"
        );
        let first = from.saturating_mul(1 << BLOCK_SHIFT);
        let block: Option<i64> =
            tx.prepare_cached(&sql)?.query_row([first, from], |row| row.get(0))?;
        if let Some(block) = block {
            Block::check(&tx, block, wrong)?;
        }
        Ok(block)
    }
}

/// One block.
struct Block<'w> {
    number: i64,
    /// For each value, in which rows it is, and how often it was found there.
    values: HashMap<(i64, Vec<u8>), HashMap<u16, u32>>,
    wrong: &'w mut Vec<String>,
}

impl<'w> Block<'w> {
    fn check(
        tx: &Transaction<'_>,
        number: i64,
        wrong: &'w mut Vec<String>,
    ) -> rusqlite::Result<()> {
        let mut values = HashMap::new();
        PostingsBuilder::of_rows(tx, number)?.each(|field, value, places| {
            let rows = places.map(|place| (place, 0)).collect();
            values.insert((field, value.to_vec()), rows);
        });
        let mut block = Self { number, values, wrong };
        block.compare(tx)?;
        block.tell_missing();
        Ok(())
    }

    fn compare(&mut self, tx: &Connection) -> rusqlite::Result<()> {
        let sql = "SELECT field, value, places FROM postings WHERE block = ?1";
        let mut select = tx.prepare_cached(sql)?;
        let mut rows = select.query([self.number])?;
        while let Some(row) = rows.next()? {
            let bytes = |at| -> rusqlite::Result<&[u8]> { Ok(row.get_ref(at)?.as_bytes()?) };
            let field = row.get(0)?;
            let value = bytes(1)?.to_vec();
            let Ok(places) = serde_json::from_slice::<Vec<u16>>(bytes(2)?) else {
                self.wrong.push(format!(
                    "the places of {} are no list of numbers",
                    self.name(field, &value)
                ));
                continue;
            };
            for place in places {
                self.found(tx, field, &value, place)?;
            }
        }
        Ok(())
    }

    /// A posting says that this row has this value.
    fn found(
        &mut self,
        tx: &Connection,
        field: i64,
        value: &[u8],
        place: u16,
    ) -> rusqlite::Result<()> {
        let rows = self.values.get_mut(&(field, value.to_vec()));
        let times = rows.and_then(|rows| rows.get_mut(&place)).map(|times| {
            *times += 1;
            *times
        });
        let seq = (self.number << BLOCK_SHIFT) + i64::from(place);
        let how = match times {
            Some(1) => return Ok(()),
            Some(_) => "twice",
            None => {
                let sql = "SELECT EXISTS (SELECT 1 FROM event_rows WHERE seq = ?1)
                    OR ?1 >= (SELECT indexed FROM meta) OR ?2";
                let beyond = name_of(field).is_none() || place >> BLOCK_SHIFT > 0;
                let wrong = tx.prepare_cached(sql)?.query_row((seq, beyond), |row| row.get(0))?;
                match wrong {
                    true => "which it is not",
                    false => return Ok(()),
                }
            }
        };
        let name = self.name(field, value);
        self.wrong.push(format!("the postings of {name} show seq {seq}, {how}"));
        Ok(())
    }

    fn tell_missing(&mut self) {
        let mut missing = Vec::new();
        for ((field, value), rows) in &self.values {
            let places = rows.iter().filter(|(_, times)| **times == 0);
            missing.extend(places.map(|(place, _)| (*place, *field, value)));
        }
        missing.sort_unstable();
        for (place, field, value) in missing {
            let seq = (self.number << BLOCK_SHIFT) + i64::from(place);
            let name = self.name(field, value);
            self.wrong.push(format!("the postings of {name} lack seq {seq}"));
        }
    }

    /// A field and a value that somebody else may have given.
    fn name(&self, field: i64, value: &[u8]) -> String {
        let value: String = String::from_utf8_lossy(value).chars().take(60).collect();
        let field = name_of(field).unwrap_or("a field that has none,");
        format!("{field} {value:?} in block {}", self.number)
    }
}

fn name_of(field: i64) -> Option<&'static str> {
    let at = usize::try_from(field).ok()?.checked_sub(1)?;
    FIELDS.get(at).copied()
}
