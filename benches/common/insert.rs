//! Rows inserted into an index, and nothing else.

use std::path::Path;
use std::time::{Duration, Instant};

use auditlogd::config::{self, Config, Sources};
use auditlogd::engine::{Sink, each_row};
use auditlogd::event::FieldMap;
use auditlogd::index::{Batch, EventRow, IndexError, Options, PostingsBuilder, SealRow, Writer};

use crate::lines::{LOG_ID, Lines};
use crate::runs::{directory, warm};

/// One thread that inserts rows into an index, by the library's own statements, pragmas and checkpoints, in
/// transactions as large as the daemon's may be: rows a second. The rows are made before the clock starts.
pub fn insert(rows: u64) -> f64 {
    warm(rows);
    let dir = directory();
    let config = defaults();
    let options = Options { cache_bytes: config.index.cache_bytes as u64, ..Options::default() };
    let path = dir.path().join("audit.db");
    let mut writer = Writer::open(&path, LOG_ID, &options).expect("a new database");
    let mut lines = Lines::new(usize::MAX);
    let mut spent = Duration::ZERO;
    let map = FieldMap::builtin();
    while lines.seq < rows {
        lines.next(rows.min(lines.seq + config.index.batch_rows as u64));
        let text = lines.whole();
        let begun = Instant::now();
        let mut batch = writer.begin().expect("nobody else writes");
        spent += begun.elapsed();
        let mut inserted = Inserted::into(&mut batch);
        each_row(&text, &map, LOG_ID, &mut inserted).expect("inserted");
        spent += inserted.finish().expect("inserted");
        let begun = Instant::now();
        batch.commit(lines.seq).expect("committed");
        if writer.checkpoint_due(false).expect("is said") {
            writer.checkpoint().expect("is done");
        }
        spent += begun.elapsed();
    }
    assert_eq!(writer.indexed().expect("reads"), rows);
    rows as f64 / spent.as_secs_f64()
}

/// Rows and their postings go into the database, on the clock; what is between them, which makes the rows, is not.
pub struct Inserted<'b, 'w> {
    batch: &'b mut Batch<'w>,
    postings: PostingsBuilder,
    spent: Duration,
}

impl<'b, 'w> Inserted<'b, 'w> {
    pub fn into(batch: &'b mut Batch<'w>) -> Self {
        Self { batch, postings: PostingsBuilder::default(), spent: Duration::ZERO }
    }

    /// Inserts what is left; the time that all took.
    pub fn finish(mut self) -> Result<Duration, IndexError> {
        let begun = Instant::now();
        self.batch.postings(&self.postings.finish())?;
        Ok(self.spent + begun.elapsed())
    }
}

impl Sink for Inserted<'_, '_> {
    fn events(&mut self, rows: &[EventRow<'_>]) -> Result<(), IndexError> {
        let begun = Instant::now();
        self.batch.rows(rows)?;
        for row in rows {
            if let Some(full) = self.postings.note(row) {
                self.batch.postings(&full)?;
            }
        }
        self.spent += begun.elapsed();
        Ok(())
    }

    fn seal(&mut self, _: &SealRow<'_>) -> Result<(), IndexError> {
        unreachable!("there are no seals among the lines")
    }
}

/// The daemon's own defaults.
pub fn defaults() -> Config {
    let sources = Sources { root: Some(Path::new("/nowhere").into()), ..Sources::default() };
    config::load(&sources).expect("the defaults are valid")
}
