//! From the ledger's lines to the database.

use std::hint::black_box;

use auditlogd::engine::{Sink, each_row};
use auditlogd::event::FieldMap;
use auditlogd::index::{EventRow, IndexError, SealRow};

use crate::insert::insert;
use crate::lines::{LOG_ID, Lines};
use crate::runs::median;
use crate::{EVENTS, RUNS, Stage, time};

/// Rows of a run that inserts: a small table is faster.
const ROWS: u64 = 200_000;

pub fn stages() -> Vec<Stage> {
    let mut batch = Lines::new(usize::MAX);
    batch.next(EVENTS);
    let whole = batch.whole();
    let map = FieldMap::builtin();
    let row = time(|| {
        let mut seen = Seen(0);
        each_row(&whole, &map, LOG_ID, &mut seen).expect("nothing can fail here");
        assert_eq!(seen.0, EVENTS, "each line is a row");
    });
    let insert = median((0..RUNS).map(|_| 1e9 / insert(ROWS)));
    vec![
        Stage { name: "row", ns: row, note: "the line and its event parsed once more" },
        Stage {
            name: "insert",
            ns: insert,
            note: "into the database, with commits and checkpoints",
        },
    ]
}

/// Counts rows.
struct Seen(u64);

impl Sink for Seen {
    fn events(&mut self, rows: &[EventRow<'_>]) -> Result<(), IndexError> {
        self.0 += black_box(rows).len() as u64;
        Ok(())
    }

    fn seal(&mut self, _: &SealRow<'_>) -> Result<(), IndexError> {
        unreachable!("there are no seals among the lines")
    }
}
