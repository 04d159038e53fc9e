//! What an index looks like inside, how it is made and how a changed one is told.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use super::{IndexError, postings};

/// `PRAGMA application_id`: "AuLg".
pub(super) const APPLICATION_ID: i32 = 0x4175_4c67;
/// What every database of SQLite begins with.
pub(super) const MAGIC: &[u8] = b"SQLite format 3\0";
/// `PRAGMA user_version` of the schema that this program makes and reads.
pub(super) const VERSION: i32 = 2;
/// A block is `1 << BLOCK_SHIFT` sequence numbers; `tables.sql` and the queries depend on it.
pub(super) const BLOCK_SHIFT: u32 = 13;

const TABLES: &str = include_str!("tables.sql");
const VIEWS: &str = include_str!("views.sql");

/// What `sqlite_stat1` is told about 10 million rows: rows, rows for each value of the first column, rows
/// for each pair. With it SQLite knows, also for somebody who types SQL by hand, that nearly every value differs in the
/// time index, and that few events are failures or severe.
const STATISTICS: [(&str, &str); 3] = [
    ("events_ts", "10000000 10 2"),
    ("events_failure", "500000 1"),
    ("events_severe", "100000 1 1"),
];

/// The statements of one of the two files, each with its object's name.
fn statements(text: &str, log_id: &str) -> Vec<(String, String)> {
    let text: Vec<&str> = text.lines().filter(|line| !line.starts_with("--")).collect();
    let prefix = log_id.get(..12).unwrap_or(log_id);
    let text = text.join("\n").replace("{log}", prefix);
    let name = |sql: &str| sql.split_whitespace().nth(2).unwrap_or_default().to_owned();
    let each = text.split(";\n").map(|sql| sql.trim().trim_end_matches(';'));
    each.filter(|sql| !sql.is_empty()).map(|sql| (name(sql), sql.to_owned())).collect()
}

/// The views, those that look up one field first.
fn views(log_id: &str) -> Vec<(String, String)> {
    let mut views = statements(VIEWS, log_id);
    views.extend(postings::FIELDS.iter().zip(1..).map(|(field, number)| view_by(field, number)));
    views
}

/// The view that finds events by a field's value, newest first.
fn view_by(field: &str, number: usize) -> (String, String) {
    let columns = EVENT_COLUMNS.replace(&format!(" e.{field},"), &format!(" p.value AS {field},"));
    let name = format!("by_{field}");
    let sql = format!(
        "CREATE VIEW {name} AS
SELECT {columns}
FROM blocks b CROSS JOIN postings p ON p.block = b.block AND p.field = {number}
     CROSS JOIN json_each(p.places) j
     CROSS JOIN events e ON e.seq = (b.block << {BLOCK_SHIFT}) + j.value AND e.{field} = p.value
ORDER BY b.block DESC, e.seq DESC"
    );
    (name, sql)
}

/// The columns of the view `events`.
const EVENT_COLUMNS: &str = "e.seq, e.ts_ns, e.ts, e.id, e.client_id, e.event_type, e.priority, e.source, e.actor, e.action,
       e.outcome, e.target, e.client_ip, e.session_id, e.correlation_id, e.operation, e.duration_ms,
       e.client_ts_ns, e.client_ts, e.uid, e.gid, e.pid, e.unit, e.exe, e.mac, e.event";

/// Makes everything in an empty database, in one transaction.
pub(super) fn create(db: &Connection, log_id: &str) -> rusqlite::Result<()> {
    let_space_be_given_back(db)?;
    let tx = db.unchecked_transaction()?;
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", VERSION)?;
    for (_, sql) in statements(TABLES, log_id) {
        tx.execute_batch(&sql)?;
    }
    tx.execute("INSERT INTO meta VALUES (1, ?1, 0)", [log_id])?;
    tx.execute_batch("ANALYZE event_rows")?;
    for (index, stat) in STATISTICS {
        tx.execute("INSERT INTO sqlite_stat1 VALUES ('event_rows', ?1, ?2)", [index, stat])?;
    }
    for (_, sql) in views(log_id) {
        tx.execute_batch(&sql)?;
    }
    tx.commit()
}

/// Lets pages that become free be given back to the file system later. Only an empty database takes this.
pub(super) fn let_space_be_given_back(db: &Connection) -> rusqlite::Result<()> {
    db.pragma_update(None, "auto_vacuum", "INCREMENTAL")
}

/// Whether nothing was ever made in it, as in a file of zero bytes.
pub(super) fn is_empty(db: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT NOT EXISTS (SELECT * FROM sqlite_schema) AND application_id = 0 FROM pragma_application_id";
    db.query_row(sql, [], |row| row.get(0))
}

/// Brings the views to this program's form; views of other names are somebody's own and stay.
pub(super) fn refresh_views(db: &Connection, log_id: &str) -> rusqlite::Result<()> {
    let found = objects(db)?;
    let views = views(log_id);
    let old: Vec<_> = views.iter().filter(|(name, sql)| found.get(name) != Some(sql)).collect();
    if old.is_empty() {
        return Ok(());
    }
    let tx = db.unchecked_transaction()?;
    for (name, sql) in old {
        tx.execute_batch(&format!("DROP VIEW IF EXISTS {name}; {sql}"))?;
    }
    tx.commit()
}

/// Refuses a database of another program or of a newer version of this one.
pub(super) fn check_version(db: &Connection, path: &Path) -> Result<(), IndexError> {
    let pragma = |name| {
        let value = db.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
        value.map_err(|e| IndexError::sqlite(path, e))
    };
    if pragma("application_id")? != APPLICATION_ID {
        return Err(IndexError::NotOurs { path: path.into() });
    }
    match pragma("user_version")? {
        VERSION => Ok(()),
        found if found > VERSION => {
            Err(IndexError::NewerVersion { path: path.into(), found, known: VERSION })
        }
        found => {
            Err(IndexError::Changed { path: path.into(), detail: format!("user_version {found}") })
        }
    }
}

/// Refuses a database whose log is another, or whose tables or indexes somebody changed. Additional
/// tables, views and plain indexes are somebody's own; an additional unique index could make insertion
/// fail, so it counts as a change. Triggers are switched off on the writing connection.
pub(super) fn check_contents(db: &Connection, path: &Path, log_id: &str) -> Result<(), IndexError> {
    let changed = |detail| Err(IndexError::Changed { path: path.into(), detail });
    let Some(found) = self::log_id(db).map_err(|e| IndexError::sqlite(path, e))? else {
        return changed("\"meta\" is empty".into());
    };
    if found != log_id {
        return Err(IndexError::OtherLog { path: path.into(), found, expected: log_id.to_owned() });
    }
    let found = objects(db).map_err(|e| IndexError::sqlite(path, e))?;
    let expected = statements(TABLES, log_id);
    for (name, sql) in &expected {
        match found.get(name) {
            None => return changed(format!("{name:?} is missing")),
            Some(other) if other != sql => return changed(format!("{name:?} differs")),
            Some(_) => {}
        }
    }
    let unique = "SELECT i.name FROM sqlite_schema s JOIN pragma_index_list(s.name) i
        WHERE s.name IN ('event_rows', 'postings', 'seals', 'segments', 'blocks', 'judged', 'field_maps', 'meta') AND i.\"unique\" AND i.origin <> 'pk'";
    let unique: Option<String> = db
        .query_row(unique, [], |row| row.get(0))
        .optional()
        .map_err(|e| IndexError::sqlite(path, e))?;
    unique.map_or(Ok(()), |name| changed(format!("the unique index {name:?} was added")))
}

/// The id of the log that the database indexes.
pub(super) fn log_id(db: &Connection) -> rusqlite::Result<Option<String>> {
    db.query_row("SELECT log_id FROM meta", [], |row| row.get(0)).optional()
}

/// The text that made each table, index and view, by name.
fn objects(db: &Connection) -> rusqlite::Result<BTreeMap<String, String>> {
    let mut select = db.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}
