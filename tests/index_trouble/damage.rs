//! The damages, and what is to be seen of each.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use rusqlite::Connection;

use crate::common::Daemon;

/// What is to be seen.
#[derive(Clone, Copy)]
pub enum Shown {
    /// Nothing for long: it is repaired by itself.
    Healed,
    /// The index stands still for this reason, and is to be built anew.
    Damaged(&'static str),
    /// Somebody wrote to it.
    Written,
    /// Nothing, but `auditlog verify` finds it.
    OnlyByVerify,
}

pub struct Damage {
    pub name: &'static str,
    pub group: &'static str,
    pub apply: fn(&Path),
    pub running: Shown,
    pub stopped: Shown,
}

const fn files(name: &'static str, apply: fn(&Path), running: Shown, stopped: Shown) -> Damage {
    Damage { name, group: "files", apply, running, stopped }
}

const fn place(name: &'static str, apply: fn(&Path), running: Shown, stopped: Shown) -> Damage {
    Damage { name, group: "place", apply, running, stopped }
}

const fn sql(name: &'static str, apply: fn(&Path), running: Shown, stopped: Shown) -> Damage {
    Damage { name, group: "sql", apply, running, stopped }
}

use Shown::{Damaged, Healed, OnlyByVerify, Written};

pub const DAMAGES: &[Damage] = &[
    files(
        "header zeroed",
        |db| write_at(db, 0, &[0; 100]),
        Damaged("is damaged"),
        Damaged("is damaged"),
    ),
    files("cut to nothing", |db| cut(db, 0), Damaged("is damaged ("), Healed),
    files("cut in half", |db| cut(db, len(db) / 2), Damaged("is damaged"), Damaged("is damaged")),
    files("-wal deleted", |db| remove(&beside(db, "-wal")), Healed, Healed),
    files("-wal cut", |db| cut(&beside(db, "-wal"), 0), Damaged("is damaged ("), Healed),
    files(
        "-wal overwritten",
        |db| write_at(&beside(db, "-wal"), 0, &[0x55; 5000]),
        Damaged("is damaged ("),
        Healed,
    ),
    files("-shm deleted", |db| remove(&beside(db, "-shm")), Healed, Healed),
    files("deleted", remove, Healed, Healed),
    files(
        "deleted with all that belongs to it",
        |db| ["", "-wal", "-shm"].iter().for_each(|suffix| remove(&beside(db, suffix))),
        Healed,
        Healed,
    ),
    place(
        "a text",
        |db| replace(db, |db| fs::write(db, "not a database\n".repeat(50)).expect("writes")),
        Damaged("is damaged"),
        Damaged("is damaged"),
    ),
    place(
        "a database of another program",
        |db| replace(db, |db| run(db, "CREATE TABLE other (x)")),
        Damaged("is a database of another program"),
        Damaged("is a database of another program"),
    ),
    place(
        "a directory",
        |db| replace(db, |db| fs::create_dir(db).expect("creates")),
        Damaged("is a directory"),
        Damaged("is a directory"),
    ),
    place(
        "a FIFO",
        |db| replace(db, |db| mkfifo(db, Mode::S_IRWXU).expect("creates")),
        Damaged("is a FIFO"),
        Damaged("is a FIFO"),
    ),
    place(
        "a socket",
        |db| replace(db, |db| drop(UnixListener::bind(db).expect("binds"))),
        Damaged("is a socket"),
        Damaged("is a socket"),
    ),
    place(
        "a link to where it is now",
        |db| replace(db, |db| symlink(db.with_file_name("was"), db).expect("links")),
        Damaged("is a symbolic link"),
        Damaged("is a symbolic link"),
    ),
    place("an older copy", |db| replace(db, put_older), Healed, Healed),
    place(
        "the index of another log",
        |db| replace(db, put_other_log),
        Damaged("belongs to the log"),
        Damaged("belongs to the log"),
    ),
    sql(
        "a table dropped",
        |db| run(db, "DROP TABLE event_rows"),
        Damaged("is not as auditlogd made it"),
        Damaged("is not as auditlogd made it"),
    ),
    sql(
        "an index dropped",
        |db| run(db, "DROP INDEX events_ts"),
        Damaged("\"events_ts\" is missing"),
        Damaged("\"events_ts\" is missing"),
    ),
    sql(
        "a column renamed",
        |db| run(db, "ALTER TABLE seals RENAME COLUMN root TO top"),
        Damaged("is not as auditlogd made it"),
        Damaged("is not as auditlogd made it"),
    ),
    sql(
        "a later version",
        |db| run(db, "PRAGMA user_version = 99"),
        Damaged("has schema version 99"),
        Damaged("has schema version 99"),
    ),
    sql(
        "no longer ours",
        |db| run(db, "PRAGMA application_id = 7"),
        Damaged("is a database of another program"),
        Damaged("is a database of another program"),
    ),
    sql(
        "meta emptied",
        |db| run(db, "DELETE FROM meta"),
        Damaged("\"meta\" is empty"),
        Damaged("\"meta\" is empty"),
    ),
    sql(
        "a trigger that refuses",
        |db| {
            run(
                db,
                "CREATE TRIGGER no BEFORE INSERT ON event_rows BEGIN SELECT raise(ABORT, 'no'); END",
            );
        },
        Written,
        OnlyByVerify,
    ),
    sql(
        "rows deleted",
        |db| run(db, "DELETE FROM event_rows WHERE seq % 5 = 2"),
        Written,
        OnlyByVerify,
    ),
    sql(
        "rows changed",
        |db| run(db, "UPDATE event_rows SET source = 'forged' WHERE source = 'load'"),
        Written,
        OnlyByVerify,
    ),
    sql("a copy of itself in itself", |db| run(db, "VACUUM"), Written, Healed),
];

fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

fn len(path: &Path) -> u64 {
    fs::metadata(path).expect("there").len()
}

/// What is not there need not be deleted: a stopped daemon leaves no companions.
fn remove(path: &Path) {
    let _ = fs::remove_file(path);
}

fn open(path: &Path) -> Option<File> {
    OpenOptions::new().write(true).open(path).ok()
}

fn cut(path: &Path, len: u64) {
    if let Some(file) = open(path) {
        file.set_len(len).expect("cuts");
    }
}

fn write_at(path: &Path, at: u64, bytes: &[u8]) {
    if let Some(file) = open(path) {
        file.write_all_at(bytes, at).expect("writes");
    }
}

/// Puts something else in the place of the database, and leaves its companions.
fn replace(database: &Path, make: impl Fn(&Path)) {
    fs::rename(database, database.with_file_name("was")).expect("renames");
    make(database);
}

fn put_older(database: &Path) {
    fs::rename(database.with_file_name("older"), database).expect("renames");
}

fn put_other_log(database: &Path) {
    let root = Daemon::start().stop().daemon.kill();
    fs::copy(root.path().join("var/lib/auditlogd/audit.db"), database).expect("copies");
}

fn run(database: &Path, sql: &str) {
    let db = Connection::open(database).expect("opens");
    db.busy_timeout(Duration::from_secs(20)).expect("sets");
    db.execute_batch(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
}
