//! Rows go in whole, once, and whoever reads in between is no obstacle.

use super::*;

#[test]
fn following_a_part_twice_leaves_the_same_rows() {
    let place = Place::new();
    let mut writer = place.writer();
    put(&mut writer, 0..100, 100);
    let before = all(&place.reader());
    put(&mut writer, 50..100, 100);
    let after = all(&place.reader());
    assert_eq!(before.len(), 100);
    assert_eq!(before, after);
}

#[test]
fn a_row_that_differs_from_the_ledger_is_replaced() {
    let place = Place::new();
    let mut writer = place.writer();
    put(&mut writer, 0..40, 40);
    place
        .other()
        .execute("UPDATE event_rows SET actor = 'nobody', event = '{}'", [])
        .expect("updates");
    put(&mut writer, 0..40, 40);
    let reader = place.reader();
    let nobody = Filter { actor: Some("nobody".into()), ..Filter::default() };
    assert_eq!(reader.count(&nobody).expect("counts"), 0);
    assert_eq!(reader.get(33).expect("reads").expect("is there").event, event_text(33));
}

#[test]
fn a_dropped_batch_leaves_neither_rows_nor_progress() {
    let place = Place::new();
    let mut writer = place.writer();
    put(&mut writer, 0..10, 10);
    let (fields, event) = (fields(10), event_text(10));
    let mut batch = writer.begin().expect("begins");
    let row = EventRow {
        seq: 10,
        ts_ns: START,
        client_id: None,
        uid: Some(0),
        gid: Some(0),
        pid: Some(1),
        unit: None,
        exe: None,
        event: &event,
        mac: [0; 32],
        fields: &fields,
    };
    batch.events(&[row]).expect("inserts");
    drop(batch);
    assert_eq!(writer.indexed().expect("reads"), 10);
    assert_eq!(place.reader().last_seq().expect("reads"), Some(9));
}

#[test]
fn seals_and_segments_are_kept_and_replaced() {
    let place = Place::new();
    let mut writer = place.writer();
    let line = r#"{"seq":5}"#;
    for reason in ["time", "stop"] {
        let mut batch = writer.begin().expect("begins");
        let (root, prev, next_pub) = ("aa", "bb", "cc");
        let seal = SealRow {
            seq: 5,
            ts_ns: START,
            epoch: 0,
            first_seq: 0,
            size: 5,
            root,
            prev,
            next_pub,
            reason,
            boot_id: "b",
            boottime_ns: 1,
            line,
        };
        batch.seal(&seal).expect("inserts");
        let segment =
            SegmentRow { number: 0, first_seq: 0, opened: "2026-11-21T01:23:45Z", host: "h" };
        batch.segment(&segment).expect("inserts");
        batch.commit(6).expect("commits");
    }
    let db = place.other();
    let sql = "SELECT ts || reason || (SELECT host FROM segments) FROM seals";
    let found: String = db.query_row(sql, [], |row| row.get(0)).expect("one row");
    assert_eq!(found, "2026-11-21T01:23:45.000000000Zstoph");
    let lines: Vec<_> = place.reader().seal_lines(0).map(Result::unwrap).collect();
    assert_eq!((lines.len(), lines[0].text.as_str()), (1, line));
}

#[test]
fn times_and_ids_are_readable_and_agree_with_the_ledgers_form() {
    let place = Place::with_events(10);
    let db = place.other();
    for ns in [0, 1, -1, START + 123_456_789, i64::MIN, i64::MAX] {
        db.execute("UPDATE event_rows SET ts_ns = ?1, client_ts_ns = ?1", [ns]).expect("updates");
        let sql = "SELECT ts, client_ts FROM events LIMIT 1";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let found: (String, String) = db.query_row(sql, [], read).expect("one row");
        let expected = crate::clock::rfc3339(ns);
        assert_eq!(found, (expected.clone(), expected));
    }
    let reader = place.reader();
    let id = |seq| reader.get(seq).expect("reads").expect("is there").id;
    assert_eq!((id(4).as_str(), id(5).as_str()), ("client-4", "0123456789ab-5"));
}

#[test]
fn a_lock_held_by_somebody_is_busy_and_passes() {
    let place = Place::new();
    let mut writer = place.writer();
    let other = place.other();
    other.execute_batch("BEGIN IMMEDIATE").expect("locks");
    let error = writer.begin().map(drop).expect_err("locked");
    assert!(matches!(error, IndexError::Busy { .. }) && error.is_temporary(), "{error}");
    other.execute_batch("ROLLBACK").expect("unlocks");
    put(&mut writer, 0..3, 3);
}

#[test]
fn a_long_read_does_not_stop_insertion_until_the_wal_is_at_its_limit() {
    let place = Place::new();
    let limits = Options { max_wal_bytes: 200_000, checkpoint_pages: 10, ..options() };
    let mut writer = Writer::open(&place.path, LOG, &limits).expect("opens");
    put(&mut writer, 0..10, 10);
    let other = place.other();
    other.execute_batch("BEGIN; SELECT count(*) FROM events").expect("reads");
    let mut next = 10;
    let error = loop {
        match writer.begin() {
            Err(error) => break error,
            Ok(batch) => drop(batch),
        }
        put(&mut writer, next..next + 100, next + 100);
        next += 100;
        assert!(writer.checkpoint_due(false).expect("tells"));
        let state = writer.checkpoint().expect("never waits");
        assert!(state.checkpointed < state.pages && state.bytes > 0, "{state:?}");
    };
    assert!(matches!(error, IndexError::HeldByReader { bytes, .. } if bytes > 200_000), "{error}");
    assert!(next > 200, "{next}");
    other.execute_batch("COMMIT").expect("ends");
    put(&mut writer, next..next + 10, next + 10);
    assert!(writer.wal().expect("tells").bytes < 200_000);
}

#[test]
fn a_checkpoint_lets_the_wal_be_used_from_the_front() {
    let place = Place::new();
    let mut writer = place.writer();
    let mut largest = 0;
    for n in 0..50 {
        put(&mut writer, n * 10..n * 10 + 10, n * 10 + 10);
        let state = writer.checkpoint().expect("checkpoints");
        assert_eq!(state.pages, state.checkpointed);
        largest = largest.max(state.bytes);
    }
    assert!(largest < 1 << 20, "{largest}");
}

#[test]
fn rows_come_in_while_another_thread_does_a_checkpoint() {
    let place = Place::new();
    let mut writer = place.writer();
    let mut next = 0;
    let mut insert = |writer: &mut Writer| {
        put(writer, next..next + 100, next + 100);
        next += 100;
    };
    (0..20).for_each(|_| insert(&mut writer));
    let state = loop {
        match writer.checkpoint_meanwhile().expect("never waits") {
            Some(state) => break state,
            None => insert(&mut writer),
        }
        writer.look().expect("is well, whatever is half done");
    };
    assert_eq!(state.pages, state.checkpointed, "also what came meanwhile");
    insert(&mut writer);
    assert!(writer.wal().expect("tells").pages < state.pages, "it begins at the front again");
    // Whoever closes it waits for what is under way.
    writer.checkpoint_meanwhile().expect("never waits");
    writer.close().expect("closes");
    assert_eq!(place.reader().last_seq().expect("reads"), Some(next - 1));
    let other = place.other();
    let check: String =
        other.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checks");
    assert_eq!(check, "ok");
}

#[test]
fn a_closed_index_is_one_file_that_opens_again_where_it_was() {
    let place = Place::with_events(100);
    let names = std::fs::read_dir(place.path.parent().unwrap()).unwrap().count();
    assert_eq!(names, 1);
    assert_eq!(place.writer().indexed().expect("reads"), 100);
}

#[test]
fn a_reader_at_the_wrong_moment_does_not_keep_the_writer_from_closing() {
    let place = Place::with_events(10);
    let mut writer = place.writer();
    put(&mut writer, 10..20, 20);
    let other = place.other();
    other.execute_batch("BEGIN; SELECT count(*) FROM events").expect("reads");
    writer.close().expect("closes");
    assert_eq!(place.reader().last_seq().expect("reads"), Some(19));
}
