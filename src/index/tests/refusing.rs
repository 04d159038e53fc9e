//! What is not a sound index of this log is refused with the remedy, and the remedy works.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

/// Whether a refusal is the expected one.
type Expected = fn(&IndexError) -> bool;

/// Everything that may stand in the index's place, with the refusal and whether a reset moves it aside.
fn wrecks() -> Vec<(&'static str, Place, Expected, bool)> {
    let changed: Expected = |e| matches!(e, IndexError::Changed { .. });
    let mut all: Vec<(&'static str, Place, Expected, bool)> = Vec::new();
    let sql = |sql: &str| {
        let place = Place::with_events(1000);
        place.other().execute_batch(sql).expect("is accepted");
        place
    };
    let newer: Expected = |e| matches!(e, IndexError::NewerVersion { found: 99, known: 2, .. });
    all.push(("newer", sql("PRAGMA user_version = 99"), newer, false));
    let older = sql("PRAGMA user_version = 0");
    all.push(("no version", older, changed, false));
    let foreign: Expected = |e| matches!(e, IndexError::NotOurs { .. });
    all.push(("another program's", sql("PRAGMA application_id = 7"), foreign, true));
    all.push((
        "a renamed column",
        sql("ALTER TABLE seals RENAME COLUMN root TO top"),
        changed,
        false,
    ));
    all.push(("a missing index", sql("DROP INDEX events_failure"), changed, false));
    all.push(("a missing table", sql("DROP TABLE seals"), changed, false));
    let unique = sql("CREATE UNIQUE INDEX own ON event_rows (mac, seq)");
    all.push(("a unique index", unique, changed, false));
    let foreign_log: Expected = |e| matches!(e, IndexError::OtherLog { .. });
    all.push(("an empty meta", sql("DELETE FROM meta"), changed, false));
    let other_log = sql(&format!("UPDATE meta SET log_id = '{OTHER_LOG}'"));
    all.push(("another log's", other_log, foreign_log, true));

    let corrupt: Expected = |e| matches!(e, IndexError::Corrupt { .. });
    let text = Place::new();
    fs::write(&text.path, "this is not a database, but somebody may want it\n".repeat(100))
        .unwrap();
    all.push(("a text file", text, corrupt, true));
    let torn = Place::with_events(1000);
    let mut bytes = fs::read(&torn.path).unwrap();
    bytes[100..4096].fill(0xee);
    fs::write(&torn.path, bytes).unwrap();
    all.push(("a torn first page", torn, corrupt, false));
    let short = Place::with_events(1000);
    let bytes = fs::read(&short.path).unwrap();
    fs::write(&short.path, &bytes[..8192]).unwrap();
    all.push(("a cut file", short, corrupt, false));
    all
}

#[test]
fn each_wreck_is_refused_with_the_remedy_and_left_as_it_was() {
    for (what, place, expected, _) in wrecks() {
        let before = fs::read(&place.path).unwrap();
        let error = place.open().map(drop).expect_err(what);
        assert!(expected(&error), "{what}: {error:?}");
        assert!(error.needs_reindex() && !error.is_temporary(), "{what}");
        assert!(error.to_string().contains("`auditlog reindex`"), "{what}: {error}");
        assert_eq!(fs::read(&place.path).unwrap(), before, "{what}");
    }
}

#[test]
fn a_reset_makes_an_empty_index_of_each_wreck_and_keeps_what_is_not_one() {
    for (what, place, _, moved) in wrecks() {
        let before = fs::read(&place.path).unwrap();
        let (mut writer, aside) = Writer::reset(&place.path, LOG, &options()).expect(what);
        let name = place.path.with_file_name("audit.db.damaged-1");
        assert_eq!(aside, moved.then_some(name.clone()), "{what}");
        if moved {
            assert_eq!(fs::read(name).unwrap(), before, "{what}");
        }
        assert_eq!(writer.indexed().expect(what), 0);
        put(&mut writer, 0..50, 50);
        writer.close().expect(what);
        assert_eq!(place.reader().count(&Filter::default()).expect(what), 50, "{what}");
        let check: String =
            place.other().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok", "{what}");
        place.writer();
    }
}

#[test]
fn files_that_were_moved_aside_are_never_overwritten() {
    let place = Place::new();
    for n in 1..4 {
        fs::write(&place.path, format!("damaged {n}")).unwrap();
        fs::write(place.path.with_file_name("audit.db-wal"), "its wal").unwrap();
        let (writer, aside) = Writer::reset(&place.path, LOG, &options()).expect("resets");
        writer.close().expect("closes");
        let aside = aside.expect("was moved");
        assert!(aside.ends_with(format!("audit.db.damaged-{n}")));
        assert_eq!(fs::read_to_string(&aside).unwrap(), format!("damaged {n}"));
        assert_eq!(
            fs::read_to_string(aside.with_file_name(format!("audit.db.damaged-{n}-wal"))).unwrap(),
            "its wal"
        );
    }
}

#[test]
fn a_reset_in_place_is_seen_by_a_reader_that_stays_open() {
    let place = Place::with_events(100);
    let reader = place.reader();
    assert_eq!(reader.last_seq().expect("reads"), Some(99));
    let (mut writer, _) = Writer::reset(&place.path, LOG, &options()).expect("resets");
    put(&mut writer, 0..3, 3);
    assert_eq!(reader.last_seq().expect("reads"), Some(2));
}

#[test]
fn a_reset_waits_for_a_lock_instead_of_moving_a_good_index_away() {
    let place = Place::with_events(10);
    let writer = place.writer();
    let other = place.other();
    other.execute_batch("BEGIN IMMEDIATE").expect("locks");
    let error = Writer::reset(&place.path, LOG, &options()).map(drop).expect_err("locked");
    assert!(matches!(error, IndexError::Busy { .. }), "{error}");
    drop((other, writer));
    assert_eq!(place.reader().last_seq().expect("reads"), Some(9));
}

#[test]
fn damage_that_shows_only_later_is_told_as_damage() {
    let place = Place::with_events(5000);
    let mut bytes = fs::read(&place.path).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0x55);
    fs::write(&place.path, bytes).unwrap();
    let reader = place.reader();
    let rows = reader.query(&Filter::default(), Order::Oldest, None);
    let error = rows.map_or_else(Some, |mut rows| rows.find_map(Result::err)).expect("damage");
    assert!(matches!(error, IndexError::Corrupt { .. }), "{error:?}");
}

#[test]
fn own_views_tables_and_indexes_stay_and_own_triggers_do_not_fire() {
    let place = Place::with_events(10);
    place
        .other()
        .execute_batch(
            "CREATE VIEW mine AS SELECT 1; CREATE TABLE notes (t); CREATE INDEX notes_t ON event_rows (pid);
             CREATE TRIGGER no AFTER INSERT ON event_rows BEGIN SELECT raise(ABORT, 'no'); END;
             DROP VIEW log; CREATE VIEW log AS SELECT 'changed' AS ts",
        )
        .expect("is accepted");
    let mut writer = place.writer();
    put(&mut writer, 10..20, 20);
    let sql = "SELECT (SELECT count(*) FROM log), (SELECT count(*) FROM mine), (SELECT count(*) FROM notes)";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let found: (i64, i64, i64) = place.other().query_row(sql, [], read).expect("one row");
    assert_eq!(found, (20, 1, 0));
}

#[test]
fn a_new_index_has_the_mode_that_was_asked_for() {
    let place = Place::new();
    let mut writer = place.writer();
    put(&mut writer, 0..1, 1);
    for name in ["audit.db", "audit.db-wal", "audit.db-shm"] {
        let file = fs::metadata(place.path.with_file_name(name)).expect(name);
        assert_eq!(file.permissions().mode() & 0o777, 0o640, "{name}");
    }
}

#[test]
fn a_missing_directory_or_index_is_named() {
    let place = Place::new();
    let missing = Reader::open(&place.path).map(drop).expect_err("is not there");
    assert!(matches!(missing, IndexError::Missing { .. }), "{missing:?}");
    // So it is while a daemon on a full disk makes it: a header that says nothing, and no table.
    let made = rusqlite::Connection::open(&place.path).expect("opens");
    made.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; VACUUM").expect("writes");
    assert!(fs::metadata(&place.path).expect("is there").len() > 0);
    let unmade = Reader::open(&place.path).map(drop).expect_err("is not made");
    assert!(matches!(unmade, IndexError::Missing { .. }), "{unmade:?}");
    let path = place.path.with_file_name("no/audit.db");
    let denied = Writer::open(&path, LOG, &options()).map(drop).expect_err("no directory");
    assert!(matches!(denied, IndexError::Denied { .. }), "{denied:?}");
    assert!(denied.to_string().contains("no/audit.db"));
}
