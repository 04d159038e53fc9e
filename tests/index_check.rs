//! The database against the log: every change of it is caught and repaired by `auditlog reindex`, and
//! nothing that happens in normal service is taken for one.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Daemon, tool};
use rusqlite::Connection;
use tempfile::TempDir;

/// An event with every member that has a column.
fn event(n: u64) -> String {
    format!(
        r#"{{"event_type":"auth.login","priority":{},"source":"web","actor":"user-{n}","action":"logs in","outcome":"success","target":"host","client_ip":"10.0.0.1","session_id":"s-{n}","correlation_id":"c-{n}","operation":"login","duration_ms":1.5,"event_id":"id-{n}","timestamp":"2026-11-21T01:23:45Z"}}"#,
        n % 8
    )
}

fn store(daemon: &Daemon, events: std::ops::Range<u64>) {
    let mut client = daemon.greeted();
    for (line, n) in (1..).zip(events) {
        client.store(&event(n), line);
    }
}

/// The directory of a daemon that stored some events and stopped.
fn stopped_log() -> TempDir {
    let daemon = Daemon::start();
    store(&daemon, 0..30);
    daemon.stop().daemon.kill()
}

/// A copy of one and the same log.
fn copy_of_log() -> TempDir {
    static LOG: LazyLock<TempDir> = LazyLock::new(stopped_log);
    copy(LOG.path())
}

fn copy(root: &Path) -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let from = root.join(".");
    let copied = Command::new("cp").arg("-a").arg(from).arg(dir.path()).status().expect("cp runs");
    assert!(copied.success());
    dir
}

fn database(root: &Path) -> PathBuf {
    root.join("var/lib/auditlogd/audit.db")
}

fn change(root: &Path, sql: &str) {
    let db = Connection::open(database(root)).expect("opens");
    db.execute_batch(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
}

fn verify(root: &Path) -> (Option<i32>, String) {
    common::verify(root)
}

fn assert_ok(root: &Path, what: &str) {
    let (code, said) = verify(root);
    assert_eq!(code, Some(0), "{what}: {said}");
}

fn reindex(root: &Path) {
    let output = tool(root, &["reindex"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Makes the change in a copy; it is told with that text and as repairable, and repaired.
fn assert_caught(sql: &str, text: &str) {
    let log = copy_of_log();
    change(log.path(), sql);
    assert_told(log.path(), sql, text, 4);
}

fn assert_told(root: &Path, what: &str, text: &str, code: i32) {
    let (found, said) = verify(root);
    assert_eq!(found, Some(code), "{what}: {said}");
    assert!(said.contains(text), "{what}: {said}");
    assert!(said.contains("auditlog reindex"), "{what}: {said}");
    reindex(root);
    assert_ok(root, what);
}

#[test]
fn an_untouched_database_is_ok() {
    assert_ok(copy_of_log().path(), "untouched");
}

/// The block that the last row stands in was begun before the part that a quick run compares.
#[test]
fn an_untouched_database_is_ok_for_a_quick_run_too() {
    let daemon = Daemon::start();
    let quick = |root: &Path, what: &str| {
        let output = tool(root, &["verify", "--quick"]);
        let said = String::from_utf8(output.stdout).expect("utf-8");
        assert_eq!(output.status.code(), Some(0), "{what}: {said}");
        said
    };
    store(&daemon, 0..30);
    let root = daemon.stop().daemon.kill();
    quick(root.path(), "the whole log");
    let said = quick(root.path(), "nothing is new");
    assert!(said.starts_with("OK, UNANCHORED: everything holds up to seq "), "{said}");
    assert!(said.contains("the rows of what was read compared"), "{said}");
    let daemon = Daemon::start_in(root, "");
    let root = daemon.stop().daemon.kill();
    quick(root.path(), "a start and a stop are new");
    change(root.path(), "INSERT INTO blocks VALUES (1, 0, 0)");
    let output = tool(root.path(), &["verify", "--quick"]);
    assert_eq!(output.status.code(), Some(4), "a block was added");
}

#[test]
fn each_column_of_an_event_is_compared() {
    let text = "client_id event_type source actor action target client_ip session_id correlation_id \
        operation unit exe event";
    for column in text.split_whitespace() {
        let sql =
            format!("UPDATE event_rows SET {column} = coalesce({column}, '') || 'x' WHERE seq = 9");
        assert_caught(&sql, &format!("for seq 9 in event_rows: {column}"));
    }
    for column in ["ts_ns", "client_ts_ns", "duration_ms", "uid", "gid", "pid", "priority"] {
        let sql = format!("UPDATE event_rows SET {column} = {column} + 1 WHERE seq = 9");
        assert_caught(&sql, &format!("for seq 9 in event_rows: {column}"));
    }
    for (column, value) in [("mac", "x'00'"), ("outcome", "'failure'"), ("actor", "NULL")] {
        let sql = format!("UPDATE event_rows SET {column} = {value} WHERE seq = 9");
        assert_caught(&sql, &format!("for seq 9 in event_rows: {column}"));
    }
}

#[test]
fn each_column_of_a_seal_a_segment_and_a_block_is_compared() {
    for column in ["root", "prev", "next_pub", "reason", "boot_id", "line"] {
        let sql = format!("UPDATE seals SET {column} = {column} || 'x'");
        assert_caught(&sql, &format!("in seals: {column}"));
    }
    for column in ["ts_ns", "epoch", "first_seq", "size", "boottime_ns"] {
        let sql = format!("UPDATE seals SET {column} = {column} + 1");
        assert_caught(&sql, &format!("in seals: {column}"));
    }
    assert_caught("UPDATE segments SET first_seq = 1", "for segment 0 in segments: first_seq");
    assert_caught("UPDATE segments SET opened = ''", "for segment 0 in segments: opened");
    assert_caught("UPDATE segments SET host = 'h'", "for segment 0 in segments: host");
    assert_caught("UPDATE blocks SET first_ts_ns = first_ts_ns + 1", "for block 0 in blocks");
    assert_caught("UPDATE blocks SET last_ts_ns = last_ts_ns + 1", "for block 0 in blocks");
}

#[test]
fn rows_that_were_removed_added_or_moved_are_found_in_every_table() {
    assert_caught("DELETE FROM event_rows WHERE seq = 9", "lacks seq 9 in event_rows");
    assert_caught("DELETE FROM seals", "in seals");
    assert_caught("DELETE FROM segments", "lacks segment 0 in segments");
    assert_caught("DELETE FROM blocks", "lacks block 0 in blocks");
    assert_caught(
        "INSERT INTO blocks VALUES (7, 0, 0)",
        "has block 7 in blocks, where the log has none",
    );
    assert_caught("INSERT INTO blocks VALUES (-7, 0, 0)", "has block -7 in blocks");
    assert_caught("UPDATE event_rows SET seq = 1000 WHERE seq = 9", "1 rows from seq 1000 on");
    assert_caught("UPDATE event_rows SET seq = -9 WHERE seq = 9", "1 rows with a seq below 0");
    let sealed =
        "INSERT INTO event_rows (seq, ts_ns, mac, event) SELECT seq, ts_ns, x'', '{}' FROM seals";
    assert_caught(sealed, "in event_rows, where the log has none");
    let both =
        "INSERT INTO seals SELECT 9, ts_ns, epoch, first_seq, size, root, prev, next_pub, reason,
        boot_id, boottime_ns, line FROM seals LIMIT 1";
    assert_caught(both, "has seq 9 in seals, where the log has none");
    assert_caught("UPDATE meta SET indexed = 1", "though it says that it ends before seq 1");
    assert_caught("UPDATE meta SET log_id = replace(log_id, '0', '1') || '1'", "the log's id");
    assert_caught("DELETE FROM meta", "the log's id");
}

#[test]
fn many_differences_are_counted() {
    let log = copy_of_log();
    change(log.path(), "UPDATE event_rows SET actor = 'nobody'");
    let (code, said) = verify(log.path());
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("more differences between the database and the log"), "{said}");
    assert!(said.lines().count() < 60, "{said}");
}

#[test]
fn whatever_was_made_in_it_besides_is_found() {
    assert_caught(
        "CREATE TRIGGER t AFTER INSERT ON event_rows BEGIN DELETE FROM event_rows; END",
        "the trigger \"t\" was added",
    );
    assert_caught("CREATE VIEW mine AS SELECT 1", "the view \"mine\" was added");
    assert_caught("CREATE TABLE mine (x)", "the table \"mine\" was added");
    assert_caught("CREATE INDEX mine ON event_rows (pid)", "the index \"mine\" was added");
    assert_caught("DROP VIEW log", "the view \"log\" was removed");
    assert_caught(
        "DROP VIEW log; CREATE VIEW log AS SELECT * FROM events WHERE actor <> 'user-3'",
        "the view \"log\" was changed",
    );
    assert_caught("DROP INDEX events_failure", "the index \"events_failure\" was removed");
    assert_caught(
        "DROP INDEX events_ts; CREATE INDEX events_ts ON event_rows (ts_ns, event_type) WHERE seq <> 9",
        "the index \"events_ts\" was changed",
    );
    assert_caught("DROP TABLE segments", "the table \"segments\" was removed");
    assert_caught(
        "ALTER TABLE event_rows ADD COLUMN own TEXT",
        "the table \"event_rows\" was changed",
    );
    assert_caught("DROP TABLE event_rows", "the table \"event_rows\" was removed");
    assert_caught(
        "DELETE FROM sqlite_stat1 WHERE idx = 'events_ts'",
        "statistics of \"events_ts\"",
    );
    assert_caught("ANALYZE", "the planner's statistics of \"events_ts\" were changed");
    assert_caught("CREATE TABLE \"a\u{1b}[2J\" (x)", "the table \"a\\u{1b}[2J\" was added");
}

#[test]
fn an_index_of_sqlite_that_hides_a_row_is_found() {
    let log = copy_of_log();
    let db = database(log.path());
    let hidden = "SELECT count(*) FROM event_rows INDEXED BY events_ts WHERE ts_ns > 0 AND event_type GLOB '*-x'";
    let count = || {
        let db = Connection::open(&db).expect("opens");
        db.query_row(hidden, [], |row| row.get::<_, u32>(0)).expect("counts")
    };
    assert_eq!(count(), 0);
    // The entry moves with the row; then the row goes back while SQLite knows nothing of its index.
    change(
        log.path(),
        "UPDATE event_rows SET event_type = event_type || '-x' WHERE actor = 'user-5'",
    );
    change(
        log.path(),
        "PRAGMA writable_schema = ON; CREATE TABLE kept AS SELECT * FROM sqlite_schema WHERE name = 'events_ts';
         DELETE FROM sqlite_schema WHERE name = 'events_ts'",
    );
    change(
        log.path(),
        "UPDATE event_rows SET event_type = replace(event_type, '-x', '') WHERE actor = 'user-5'; PRAGMA writable_schema = ON;
         INSERT INTO sqlite_schema SELECT * FROM kept; DROP TABLE kept",
    );
    assert_eq!(count(), 1);
    assert_told(log.path(), "hidden", "missing from index events_ts", 4);
    assert_eq!(count(), 0);
}

#[test]
fn postings_that_hide_a_row_or_show_another_are_found() {
    let of = "WHERE field = 1 AND value = 'user-5'";
    let lacks = "the postings of actor \"user-5\" in block 0 lack seq ";
    assert_caught(&format!("DELETE FROM postings {of}"), lacks);
    assert_caught(&format!("UPDATE postings SET value = 'user-x' {of}"), lacks);
    assert_caught(&format!("UPDATE postings SET places = '[]' {of}"), lacks);
    let is_not = "the postings of actor \"user-x\" in block 0 show seq 9, which it is not";
    assert_caught("INSERT INTO postings VALUES (0, 1, 'user-x', '[9]')", is_not);
    assert_caught("INSERT INTO postings VALUES (0, 9, 'user-x', '[9]')", "show seq 9, which");
    assert_caught("INSERT INTO postings VALUES (7, 1, 'x', '[9]')", "show seq 57353, which");
    assert_caught("INSERT INTO postings VALUES (0, 1, 'x', '[9000]')", "show seq 9000, which");
    assert_caught("INSERT INTO postings VALUES (-1, 1, 'x', '[9000]')", "show seq 808, which");
    assert_caught(
        "UPDATE postings SET places = replace(places, '[', '[9,') WHERE field = 1
            AND EXISTS (SELECT 1 FROM json_each(places) WHERE value = 9)",
        "show seq 9, twice",
    );
    assert_caught(
        "UPDATE postings SET places = 'x' WHERE field = 1 AND value = 'user-5'",
        "are no list of numbers",
    );
    assert_caught("DROP TABLE postings", "the table \"postings\" was removed");
}

#[test]
fn a_database_that_reaches_further_than_the_log_shows_that_the_log_was_rolled_back() {
    let before = stopped_log();
    let daemon = Daemon::start_in(copy(before.path()), "");
    store(&daemon, 100..110);
    let after = daemon.stop().daemon.kill();
    assert_ok(after.path(), "complete");
    fs::copy(database(after.path()), database(before.path())).expect("copies");
    assert_told(before.path(), "rolled back", "its end was cut off, or the rows were added", 4);
}

#[test]
fn the_database_of_another_log_is_not_compared() {
    let log = copy_of_log();
    fs::copy(database(stopped_log().path()), database(log.path())).expect("copies");
    assert_told(log.path(), "another log's", "belongs to the log", 6);
}

#[test]
fn a_database_that_is_behind_is_no_finding() {
    let daemon = Daemon::start();
    store(&daemon, 0..10);
    daemon.settle();
    let other = Connection::open(daemon.database()).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("locks");
    store(&daemon, 10..20);
    assert_ok(daemon.root(), "behind beside a live daemon");
    let log = daemon.kill();
    drop(other);
    let (code, said) = verify(log.path());
    assert_eq!(code, Some(0), "behind after a kill: {said}");
    assert!(said.contains("it lacks the last 1"), "{said}");
}

/// Also if the test fails: its threads are waited for.
struct StopWhenDropped<'a>(&'a AtomicBool);

impl Drop for StopWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn nothing_is_found_while_a_daemon_writes_rotates_reloads_and_rebuilds() {
    let daemon = Daemon::start();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stopped = StopWhenDropped(&stop);
        scope.spawn(|| {
            let mut client = daemon.greeted();
            let mut line = 0;
            while !stop.load(Ordering::Relaxed) {
                line += 1;
                client.store(&event(line), line);
            }
        });
        for round in 0..6 {
            assert_ok(daemon.root(), "live");
            match round % 3 {
                0 => {
                    fs::rename(daemon.segment(), daemon.segment().with_extension(round.to_string()))
                        .expect("renames")
                }
                1 => daemon.configure(&format!("[fields]\nactor = [\"/n{round}\", \"/actor\"]\n")),
                _ => {}
            }
            daemon.reload();
            assert_ok(daemon.root(), "after a reload");
        }
    });
    reindex(daemon.root());
    assert_ok(daemon.root(), "rebuilt");
    assert_ok(daemon.stop().daemon.root(), "stopped");
}

/// The directory of a daemon that found actors in two ways, one after the other.
fn log_with_two_field_maps() -> TempDir {
    let daemon = Daemon::start_with("[fields]\nactor = [\"/session_id\"]\n");
    store(&daemon, 0..5);
    daemon.settle();
    daemon.configure("[fields]\nactor = [\"/operation\"]\n");
    daemon.reload();
    store(&daemon, 5..10);
    daemon.stop().daemon.kill()
}

/// The rows' first sequence numbers and the maps.
fn field_maps(root: &Path) -> Vec<(u32, String)> {
    let db = Connection::open(database(root)).expect("opens");
    let mut select = db.prepare("SELECT first_seq, definition FROM field_maps").expect("prepares");
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("reads");
    rows.map(|row| row.expect("a row")).collect()
}

/// Makes the postings of actors anew.
const POST_ACTORS: &str = "DELETE FROM postings WHERE field = 1;
    INSERT INTO postings SELECT seq >> 13, 1, actor, json_group_array(seq & 8191) FROM event_rows
    WHERE actor IS NOT NULL GROUP BY seq >> 13, actor";

#[test]
fn rows_that_were_read_with_an_earlier_configuration_are_compared_with_that() {
    let log = log_with_two_field_maps();
    assert_eq!(field_maps(log.path()).len(), 2);
    assert_ok(log.path(), "two maps");
    change(log.path(), "UPDATE event_rows SET actor = operation WHERE seq = 3");
    assert_told(log.path(), "the other map's value", "for seq 3 in event_rows: actor", 4);
    assert_eq!(field_maps(log.path()).len(), 1, "rebuilt with the one in force");

    // Another one, with a rebuild before the daemon has seen it, and with a daemon that has.
    let config = log.path().join("etc/auditlogd/auditlogd.toml");
    fs::write(&config, "[fields]\nactor = [\"/target\"]\n").expect("writes");
    assert_ok(log.path(), "a change that nobody has read yet");
    reindex(log.path());
    assert_ok(log.path(), "rebuilt with the configured one");
    let daemon = Daemon::start_in(log, "[fields]\nactor = [\"/source\"]\n");
    store(&daemon, 10..12);
    let log = daemon.stop().daemon.kill();
    let (code, said) = verify(log.path());
    assert_eq!(code, Some(6), "nothing vouches for the map of that rebuild: {said}");
    reindex(log.path());
    assert_ok(log.path(), "rebuilt");
}

#[test]
fn the_field_map_in_the_database_is_not_believed_by_itself() {
    let log = log_with_two_field_maps();
    let maps = field_maps(log.path());
    let told = |sql: &str, text, code| {
        let log = copy(log.path());
        change(log.path(), sql);
        assert_told(log.path(), sql, text, code);
    };
    let other = maps[0].1.replace("\"actor\":[\"/session_id\"]", "\"actor\":[\"/action\"]");
    // Rows that agree with a map of the attacker's choice.
    told(
        &format!("UPDATE field_maps SET definition = '{other}' WHERE first_seq = 0; UPDATE event_rows SET actor = action
            WHERE seq < {} AND event_type NOT GLOB 'auditlogd.*'; {POST_ACTORS}", maps[1].0),
        "neither the log nor the configuration",
        6,
    );
    // Rows that agree with a map that was no longer in force when their lines were written.
    told(
        &format!(
            "DELETE FROM field_maps WHERE first_seq > 0; UPDATE event_rows SET actor = session_id
            WHERE event_type NOT GLOB 'auditlogd.*'; {POST_ACTORS}"
        ),
        "neither the log nor the configuration",
        6,
    );
    told("DELETE FROM field_maps", "does not say with which field map", 4);
    told("UPDATE field_maps SET definition = '{}'", "is none", 4);
    told(&format!("INSERT INTO field_maps VALUES (1000, '{other}')"), "field map", 4);
    let version = maps[1].1.replace("\"version\":1", "\"version\":9");
    let sql = format!("UPDATE field_maps SET definition = '{version}'");
    told(&sql, "another version", 6);
}
