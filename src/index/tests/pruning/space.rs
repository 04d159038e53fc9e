//! What deleted rows leave behind: free pages, and a write-ahead log that a reader holds.

use super::*;

/// A database with many rows, all in the file.
fn large(rows: u64) -> (Place, Writer) {
    let place = Place::new();
    let mut writer = place.writer();
    for first in (0..rows).step_by(1000) {
        put(&mut writer, first..first + 1000, first + 1000);
    }
    writer.checkpoint().expect("checkpoints");
    (place, writer)
}

fn free_share(space: Space) -> f64 {
    space.free_bytes as f64 / space.bytes as f64
}

#[test]
fn what_a_burst_leaves_goes_back_to_the_file_system_and_an_ordinary_day_is_kept_for_the_next() {
    let (place, mut writer) = large(60_000);
    let mut before = place.reader().space().expect("tells");
    assert!(free_share(before) < 0.01, "{before:?}");
    // The oldest fiftieth: what is free is used again.
    let little = PruneRows { gone: vec![0..=1_199], ..job(rules(90, None), 0) };
    let done = prune(&mut writer, little);
    assert_eq!((done.rows, done.returned_bytes), (1_200, 0));
    let after = place.reader().space().expect("tells");
    assert_eq!(after.bytes, before.bytes);
    assert_eq!(after.free_bytes - before.free_bytes, done.freed_bytes);
    put(&mut writer, 60_000..61_200, 61_200);
    let grown = place.reader().space().expect("tells").bytes - before.bytes;
    assert!(grown < done.freed_bytes / 2, "{grown} of {done:?}");

    before = place.reader().space().expect("tells");
    let burst = PruneRows { gone: vec![0..=49_999], ..job(rules(90, None), 0) };
    let done = prune(&mut writer, burst);
    assert!(done.returned_bytes > before.bytes / 2, "{done:?} of {before:?}");
    writer.checkpoint().expect("checkpoints");
    let after = place.reader().space().expect("tells");
    assert_eq!(after.bytes, before.bytes - done.returned_bytes);
    assert_eq!(std::fs::metadata(&place.path).expect("is there").len(), after.bytes);
    let reader = place.reader();
    assert!(reader.integrity(10).expect("checks").is_empty());
    assert!(reader.made(LOG).expect("compares").differences.is_empty());
    assert_eq!(all(&reader).len(), 11_200);
}

#[test]
fn space_can_be_given_back_also_after_a_reset() {
    let (place, writer) = large(1000);
    drop(writer);
    let pragma = || numbers(&place, "PRAGMA auto_vacuum");
    assert_eq!(pragma(), [2]);
    place.other().execute_batch("PRAGMA auto_vacuum = NONE; VACUUM").expect("vacuums");
    assert_eq!(pragma(), [0]);
    let (writer, _) = Writer::reset(&place.path, LOG, &options()).expect("resets");
    writer.close().expect("closes");
    assert_eq!(pragma(), [2]);
}

#[test]
fn with_a_long_reader_a_job_ends_before_the_index_has_to_and_goes_on_afterwards() {
    let (place, writer) = large(20_000);
    writer.close().expect("closes");
    let limits = Options { max_wal_bytes: 4 << 20, checkpoint_pages: 10, ..options() };
    let mut writer = Writer::open(&place.path, LOG, &limits).expect("opens");
    let other = place.other();
    other.execute_batch("BEGIN; SELECT count(*) FROM events").expect("reads");
    let what = job(rules(1, None), 90);
    let mut first = Pruning::new(what.clone());
    let error = loop {
        match first.step(&mut writer) {
            Err(error) => break error,
            Ok(done) => assert!(!done, "a reader is there"),
        }
    };
    assert!(matches!(error, IndexError::HeldByReader { bytes, .. } if bytes > 1 << 20), "{error}");
    // It does not begin anew, and there is room for rows on their way in.
    let error = Pruning::new(what.clone()).step(&mut writer).expect_err("still held");
    assert!(error.is_temporary(), "{error}");
    put(&mut writer, 20_000..21_000, 21_000);
    assert!(writer.wal().expect("tells").bytes < 4 << 20);
    other.execute_batch("COMMIT").expect("ends");
    let rest = prune(&mut writer, what).rows;
    assert_eq!(first.done().rows + rest, 21_000);
    assert!(first.done().rows > 0 && rest > 0, "{rest}");
}
