//! Row 13: only the database is changed, which people query, and not the ledger.

use rusqlite::Connection;

use crate::common::Daemon;
use crate::common::auditor::{Auditor, Macs};

const CHANGES: [(&str, &str); 13] = [
    ("a deleted row", "DELETE FROM event_rows WHERE seq = 4"),
    (
        "a changed event",
        "UPDATE event_rows SET event = replace(event, 'alice', 'mallory') WHERE seq = 4",
    ),
    ("a changed column", "UPDATE event_rows SET actor = 'mallory' WHERE seq = 4"),
    ("a changed uid", "UPDATE event_rows SET uid = 4711 WHERE seq = 4"),
    ("a changed time", "UPDATE event_rows SET ts_ns = ts_ns + 1 WHERE seq = 4"),
    ("a changed mac", "UPDATE event_rows SET mac = zeroblob(32) WHERE seq = 4"),
    (
        "a row that is not in the ledger",
        "INSERT INTO event_rows (seq, ts_ns, mac, event) SELECT 99, ts_ns, mac, '{}' FROM events WHERE seq = 4",
    ),
    ("a posting that hides rows", "DELETE FROM postings WHERE field = 1 AND value = 'alice'"),
    ("a changed seal", "UPDATE seals SET root = prev WHERE epoch = 1"),
    ("a missing index", "DROP INDEX events_ts"),
    (
        "an index that lacks rows",
        "DROP INDEX events_ts; CREATE INDEX events_ts ON event_rows (ts_ns, event_type) WHERE actor <> 'alice'",
    ),
    (
        "a trigger",
        "CREATE TRIGGER forget AFTER INSERT ON event_rows BEGIN DELETE FROM event_rows WHERE actor = 'alice'; END",
    ),
    (
        "a view",
        "DROP VIEW detail; CREATE VIEW detail AS SELECT * FROM events WHERE actor IS NOT 'alice'",
    ),
];

/// A stopped daemon with events of alice and bob, the database of which was changed.
fn changed(name: &str, sql: &str) -> (Daemon, Auditor) {
    let daemon = Daemon::start();
    let auditor = Auditor::of(daemon.root());
    let mut client = daemon.greeted();
    for (number, actor) in (1..).zip(["bob", "alice", "bob", "alice"]) {
        client.store(&format!("{{\"event_type\":\"auth.login\",\"actor\":\"{actor}\"}}"), number);
    }
    daemon.settle();
    let daemon = daemon.stop().daemon;
    auditor.verify(daemon.root(), Macs::Unchecked, &[]).clean();
    let database = Connection::open(daemon.database()).expect("opens");
    database.execute_batch(sql).unwrap_or_else(|e| panic!("{name}: {e}"));
    (daemon, auditor)
}

#[test]
fn row_13_change_only_the_database() {
    for (name, sql) in CHANGES {
        let (daemon, auditor) = changed(name, sql);
        let said = auditor.verify(daemon.root(), Macs::Unchecked, &[]);
        assert_eq!(said.code, Some(4), "{name}: {}", said.text);
        let sentence = said.text.lines().next().expect("a sentence");
        assert!(sentence.contains("`auditlog reindex`"), "{name}: {sentence}");
        let output = daemon.tool(&["reindex"]);
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let said = auditor.verify(daemon.root(), Macs::Unchecked, &[]);
        assert_eq!(said.code, Some(0), "{name}, after reindex: {}", said.text);
        let output = daemon.tool(&["query", "--actor", "alice", "--format", "jsonl"]);
        assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 2, "{name}");
    }
}

/// An index whose pages do not agree with its table answers a query wrongly while every row is right.
#[test]
fn row_13_change_the_pages_of_an_index() {
    let name = "an index that disagrees with its table";
    let sql = "PRAGMA writable_schema = ON;
        UPDATE sqlite_schema SET sql = replace(sql, 'ts_ns, event_type', 'ts_ns, target')
        WHERE name = 'events_ts';
        PRAGMA writable_schema = RESET;";
    let (daemon, auditor) = changed(name, sql);
    let database = Connection::open(daemon.database()).expect("opens");
    database
        .execute_batch("UPDATE event_rows SET target = 'x'; UPDATE event_rows SET target = NULL")
        .ok();
    drop(database);
    let said = auditor.verify(daemon.root(), Macs::Unchecked, &[]);
    assert_eq!(said.code, Some(4), "{name}: {}", said.text);
}
