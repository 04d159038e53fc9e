//! Whether everything in the file was made by this program, and nothing else is in it.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};

use crate::index::reader::Reader;
use crate::index::{IndexError, schema};

/// The most sentences about it.
const MOST: usize = 50;
/// The most characters of a name that somebody else gave.
const NAME_CHARS: usize = 60;

/// How the database was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// What was added, removed or changed, a sentence each.
    pub differences: Vec<String>,
    /// Whether the tables are ours, so that their rows can be compared.
    pub has_tables: bool,
}

/// An object by its type and name, with the statement that made it.
type Object = ((String, String), Option<String>);

impl Reader {
    /// Compares tables, indexes, views and triggers with those of a new index of the log `log_id`. Fails with
    /// [`IndexError::OtherLog`] if it is, in itself, the index of another log.
    pub fn made(&self, log_id: &str) -> Result<Made, IndexError> {
        let found = schema::log_id(&self.db).ok().flatten().unwrap_or_default();
        let made = self.compare_made(log_id).map_err(|e| self.error(e))?;
        if found != log_id {
            let fits = |other: Made| other.differences.len() < made.differences.len();
            if self.compare_made(&found).is_ok_and(fits) {
                let expected = log_id.to_owned();
                return Err(IndexError::OtherLog { path: self.path.clone(), found, expected });
            }
            let mut made = made;
            made.differences.push("the log's id in the table \"meta\" was changed".into());
            return Ok(made);
        }
        Ok(made)
    }

    fn compare_made(&self, log_id: &str) -> rusqlite::Result<Made> {
        let ours = Connection::open_in_memory()?;
        schema::create(&ours, log_id)?;
        let mut made = Made { differences: Vec::new(), has_tables: true };
        let objects = "SELECT type, name, sql FROM sqlite_schema";
        compare(&self.db, &ours, objects, &mut |object, what| {
            let ((kind, name), _) = object;
            // A view or a trigger beside the tables does not change what is in them.
            made.has_tables &= kind != "table" || what == "added";
            let known =
                ["table", "index", "view", "trigger"].into_iter().find(|known| kind == known);
            let kind = known.unwrap_or("object");
            made.differences.push(format!("the {kind} {} was {what}", visible(name)));
        })?;
        let statistics = "SELECT tbl, idx, group_concat(stat, ';')
            FROM (SELECT * FROM sqlite_stat1 ORDER BY tbl, idx, stat) GROUP BY tbl, idx";
        let is_there = "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1' AND type = 'table'";
        if self.db.query_row(is_there, [], |_| Ok(())).optional()?.is_some() {
            compare(&self.db, &ours, statistics, &mut |((_, index), _), what| {
                let of = visible(index);
                made.differences.push(format!("the planner's statistics of {of} were {what}"));
            })?;
        }
        made.differences.truncate(MOST);
        Ok(made)
    }
}

fn compare(
    db: &Connection,
    ours: &Connection,
    sql: &str,
    differ: &mut dyn FnMut(&Object, &str),
) -> rusqlite::Result<()> {
    let mut expected = BTreeMap::new();
    each(ours, sql, &mut |(key, made)| drop(expected.insert(key, made)))?;
    each(db, sql, &mut |object| match expected.remove(&object.0) {
        Some(made) if made == object.1 => {}
        Some(_) => differ(&object, "changed"),
        None => differ(&object, "added"),
    })?;
    expected.into_iter().for_each(|object| differ(&object, "removed"));
    Ok(())
}

fn each(db: &Connection, sql: &str, give: &mut dyn FnMut(Object)) -> rusqlite::Result<()> {
    let mut select = db.prepare(sql)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let text = |at| row.get::<_, Option<String>>(at).map(Option::unwrap_or_default);
        give(((text(0)?, text(1)?), row.get(2)?));
    }
    Ok(())
}

/// A name in quotes with nothing in it that a terminal obeys.
fn visible(name: &str) -> String {
    let short: String = name.chars().take(NAME_CHARS).collect();
    format!("{short:?}")
}
