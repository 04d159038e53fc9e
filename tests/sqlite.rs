//! The index through the real `sqlite3` program, as a user of the group who may only read: every query of
//! docs/sqlite.md, while the daemon writes, after it stopped and after it was killed.

#[path = "sqlite/daemon.rs"]
mod daemon;
#[path = "sqlite/program.rs"]
mod program;

use std::os::unix::fs::chown;
use std::time::{Duration, Instant};

use daemon::{Daemon, Place};
use program::{Session, sqlite3, sqlite3_is_there};

/// The ```sql blocks of the page.
fn documented_queries() -> Vec<String> {
    let page = include_str!("../docs/sqlite.md");
    let blocks = page.split("```sql\n").skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
}

/// Runs each query and expects an answer with something in it.
fn run_documented_queries(place: &Place) {
    let queries = documented_queries();
    assert!(queries.len() >= 12, "{}", queries.len());
    for query in queries {
        for statement in statements(&query) {
            let output =
                sqlite3(&place.db(), &statement).unwrap_or_else(|e| panic!("{query}: {e}"));
            assert!(!output.trim().is_empty(), "nothing found by: {statement}");
        }
    }
}

/// A block's statements, each with the dot commands before it.
fn statements(block: &str) -> Vec<String> {
    let dots: String = block
        .lines()
        .filter(|line| line.starts_with('.'))
        .map(|line| format!("{line}\n"))
        .collect();
    let sql: Vec<_> = block.lines().filter(|line| !line.starts_with('.')).collect();
    let each = sql.join("\n");
    let each = each.split(";\n").map(|sql| sql.trim().trim_end_matches(';'));
    each.filter(|sql| !sql.is_empty()).map(|sql| format!("{dots}{sql};\n")).collect()
}

#[test]
fn documented_queries_answer_while_the_daemon_writes() {
    if !sqlite3_is_there() {
        return;
    }
    let place = Place::new();
    let daemon = Daemon::start(&place);
    run_documented_queries(&place);
    assert!(daemon.stop() > 0, "wrote meanwhile");
}

#[test]
fn documented_queries_answer_after_the_daemon_has_stopped() {
    if !sqlite3_is_there() {
        return;
    }
    let place = Place::new();
    Daemon::start(&place).stop();
    run_documented_queries(&place);
}

#[test]
fn documented_queries_answer_after_the_daemon_was_killed() {
    if !sqlite3_is_there() {
        return;
    }
    let place = Place::new();
    run_documented_queries(&place.after_kill());
}

#[test]
fn a_reader_of_the_group_sees_what_was_just_committed() {
    if !sqlite3_is_there() {
        return;
    }
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let mut session = Session::open(&place.db());
    for _ in 0..20 {
        let committed = daemon.wait_for_more();
        let seen: u64 = session.ask("SELECT indexed FROM meta;").parse().expect("a number");
        assert!(seen >= committed, "sees {seen} of {committed}");
    }
    daemon.stop();
}

#[test]
fn a_session_that_stays_open_lives_through_a_stop_and_a_start() {
    if !sqlite3_is_there() {
        return;
    }
    let place = Place::new();
    let mut session = Session::open(&place.db());
    for _ in 0..2 {
        let daemon = Daemon::start(&place);
        daemon.wait_for_more();
        let running: u64 = session.ask("SELECT indexed FROM meta;").parse().expect("a number");
        daemon.stop();
        let stopped: u64 = session.ask("SELECT indexed FROM meta;").parse().expect("a number");
        assert!(stopped >= running, "{stopped} {running}");
    }
}

#[test]
fn a_read_only_user_cannot_write() {
    if !sqlite3_is_there() {
        return;
    }
    let place = Place::new();
    Daemon::start(&place).stop();
    let error = sqlite3(&place.db(), "DELETE FROM events;").expect_err("read-only");
    assert!(error.contains("readonly"), "{error}");
}

#[test]
fn a_long_read_holds_up_neither_the_writer_nor_its_stop() {
    if !sqlite3_is_there() {
        return;
    }
    let place = Place::new();
    let daemon = Daemon::start(&place);
    let mut session = Session::open(&place.db());
    let before = session.ask("BEGIN; SELECT indexed FROM meta;");
    for _ in 0..5 {
        daemon.wait_for_more();
    }
    assert_eq!(session.ask("SELECT indexed FROM meta;"), before, "one view of the data");
    daemon.stop();
    let after: u64 = session.ask("COMMIT; SELECT indexed FROM meta;").parse().expect("a number");
    assert!(after > before.parse().expect("a number"));
}

#[test]
fn a_write_lock_pauses_the_index_and_it_catches_up() {
    if !sqlite3_is_there() {
        return;
    }
    let place = Place::new();
    let daemon = Daemon::start(&place);
    daemon.wait_for_more();
    let mut locker = Session::open_as_owner(&place.db());
    let at_lock: u64 = locker
        .ask(".timeout 5000\nBEGIN IMMEDIATE; SELECT indexed FROM meta;")
        .parse()
        .expect("a number");
    daemon.wait_for_busy();
    assert_eq!(daemon.committed(), at_lock);
    locker.ask("COMMIT; SELECT 1;");
    assert!(daemon.wait_for_more() > at_lock);
    daemon.stop();
}

#[test]
fn a_reset_is_seen_by_a_session_that_stays_open() {
    if !sqlite3_is_there() {
        return;
    }
    let place = Place::new();
    Daemon::start(&place).stop();
    let mut session = Session::open(&place.db());
    assert_ne!(session.ask("SELECT count(*) FROM events;"), "0");
    place.reset();
    assert_eq!(session.ask("SELECT count(*) FROM events;"), "0");
}

/// Polls until `condition` gives something.
fn wait<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < end, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Gives the file to the group that the reading user is in.
fn give_to_group(path: &std::path::Path) {
    if let Some(gid) = program::group() {
        chown(path, None, Some(gid)).expect("root may");
    }
}
