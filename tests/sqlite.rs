//! The index of a real daemon through the real `sqlite3` program, as a user of the group who may only read:
//! every query of docs/sqlite.md, while the daemon writes, after it stopped and after it was killed.

mod common;
#[path = "sqlite/program.rs"]
mod program;
#[path = "sqlite/traffic.rs"]
mod traffic;

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use common::{Daemon, eventually};
use program::{Session, sqlite3, sqlite3_is_there};
use traffic::{Traffic, indexed, wait_until_indexed};

/// The ```sql blocks of the page.
fn documented_queries() -> Vec<String> {
    let page = include_str!("../docs/sqlite.md");
    let blocks = page.split("```sql\n").skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
}

/// Runs each query and expects an answer with something in it.
fn run_documented_queries(database: &Path) {
    let queries = documented_queries();
    assert!(queries.len() >= 12, "{}", queries.len());
    let unit = sqlite3(database, "SELECT unit FROM events WHERE unit IS NOT NULL LIMIT 1;");
    let unit = unit.expect("the index can be read");
    for statement in queries.iter().flat_map(|query| statements(query)) {
        let here = with_values_of_here(&statement, unit.trim());
        let output = sqlite3(database, &here).unwrap_or_else(|e| panic!("{here}: {e}"));
        // Sums are written once a minute, and at a stop.
        let may_be_empty = here.contains("auditlogd.account")
            || (here.contains("unit = ''") && unit.is_empty())
            || (here.contains("FROM privileged") && !program::is_root());
        assert!(may_be_empty || !output.trim().is_empty(), "nothing found by: {here}");
    }
}

/// Puts what the kernel says of this process in the place of the page's examples.
fn with_values_of_here(statement: &str, unit: &str) -> String {
    let uid = format!("uid = {}", nix::unistd::geteuid());
    let exe = std::env::current_exe().expect("known");
    let statement = statement.replace("uid = 1000", &uid).replace("ssh.service", unit);
    statement.replace("/usr/sbin/sshd", exe.to_str().expect("UTF-8"))
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

/// A daemon whose log has a start, a kill and a recovery in it.
fn daemon_with_a_past() -> Daemon {
    traffic::daemon_in(traffic::daemon().kill())
}

fn companions(daemon: &Daemon) -> [bool; 2] {
    ["audit.db-wal", "audit.db-shm"].map(|name| daemon.database().with_file_name(name).exists())
}

fn auditlog(daemon: &Daemon, command: &str) -> Output {
    let mut auditlog = Command::new(env!("CARGO_BIN_EXE_auditlog"));
    auditlog.env_clear().arg("--root").arg(daemon.root()).arg(command);
    auditlog.output().expect("auditlog runs")
}

fn assert_verifies(daemon: &Daemon) {
    let output = auditlog(daemon, "verify");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.starts_with("OK"), "{said}");
}

#[test]
fn documented_queries_answer_while_the_daemon_writes() {
    if !sqlite3_is_there() {
        return;
    }
    let daemon = daemon_with_a_past();
    let traffic = Traffic::start(&daemon);
    let before = indexed(&daemon.database()).expect("readable");
    run_documented_queries(&daemon.database());
    assert!(traffic.end() > before, "wrote meanwhile");
}

#[test]
fn documented_queries_answer_after_the_daemon_has_stopped() {
    if !sqlite3_is_there() {
        return;
    }
    let daemon = daemon_with_a_past();
    let traffic = Traffic::start(&daemon);
    let stopped = daemon.stop();
    let acked = traffic.end();
    assert!(stopped.status.success(), "{}", stopped.status);
    assert_eq!(companions(&stopped.daemon), [false; 2]);
    run_documented_queries(&stopped.daemon.database());
    assert!(indexed(&stopped.daemon.database()) > Some(acked), "the index is complete");
}

#[test]
fn documented_queries_answer_after_the_daemon_was_killed() {
    if !sqlite3_is_there() {
        return;
    }
    let mut daemon = daemon_with_a_past();
    let traffic = Traffic::start(&daemon);
    daemon.end();
    let acked = traffic.end();
    assert_eq!(companions(&daemon), [true; 2]);
    run_documented_queries(&daemon.database());
    // The next run brings the index up to what was acknowledged.
    let daemon = traffic::daemon_in(daemon.kill());
    wait_until_indexed(&daemon, acked);
    let complete =
        "SELECT indexed = (SELECT count(*) FROM events) + (SELECT count(*) FROM seals) FROM meta;";
    assert_eq!(sqlite3(&daemon.database(), complete).as_deref(), Ok("1\n"));
}

#[test]
fn a_session_of_the_group_sees_what_was_acknowledged() {
    if !sqlite3_is_there() {
        return;
    }
    let daemon = traffic::daemon();
    let traffic = Traffic::start(&daemon);
    let mut session = Session::open(&daemon.database());
    for _ in 0..20 {
        let acked = traffic.wait_for_more();
        eventually("the session sees it", || {
            (session.number("SELECT indexed FROM meta;") > acked).then_some(())
        });
    }
}

#[test]
fn a_session_that_stays_open_lives_through_a_stop_and_a_start() {
    if !sqlite3_is_there() {
        return;
    }
    let mut daemon = traffic::daemon();
    let mut session = Session::open(&daemon.database());
    for _ in 0..2 {
        let traffic = Traffic::start(&daemon);
        let stopped = daemon.stop();
        let acked = traffic.end();
        assert!(session.number("SELECT indexed FROM meta;") > acked);
        daemon = traffic::daemon_in(stopped.daemon.kill());
    }
}

#[test]
fn a_read_only_user_cannot_write() {
    if !sqlite3_is_there() {
        return;
    }
    let daemon = traffic::daemon();
    let error = sqlite3(&daemon.database(), "DELETE FROM event_rows;").expect_err("read-only");
    assert!(error.contains("readonly"), "{error}");
}

#[test]
fn a_write_lock_holds_up_no_ack_and_the_index_catches_up_afterwards() {
    if !sqlite3_is_there() {
        return;
    }
    let daemon = traffic::daemon();
    let (mut client, mut sent) = (daemon.greeted(), 0);
    let (_, free) = traffic::store(&mut client, &mut sent, 2_000);
    let mut locker = Session::open_as_owner(&daemon.database());
    let at_lock = locker.number(".timeout 5000\nBEGIN EXCLUSIVE; SELECT indexed FROM meta;");
    let (last, locked) = traffic::store(&mut client, &mut sent, 2_000);
    assert_eq!(locker.number("SELECT indexed FROM meta;"), at_lock, "locked all the time");
    assert_eq!(locker.ask("COMMIT; SELECT 'released';"), "released");
    assert_not_slower(locked, free);
    wait_until_indexed(&daemon, last);
    let rows = sqlite3(&daemon.database(), "SELECT count(*) FROM events WHERE source = 'load';");
    assert_eq!(rows.as_deref(), Ok("4000\n"));
    assert_verifies(&daemon);
}

#[test]
fn a_long_read_holds_up_neither_acks_nor_the_index() {
    if !sqlite3_is_there() {
        return;
    }
    let daemon = traffic::daemon();
    let (mut client, mut sent) = (daemon.greeted(), 0);
    let (last, free) = traffic::store(&mut client, &mut sent, 2_000);
    wait_until_indexed(&daemon, last);
    let mut reader = Session::open(&daemon.database());
    let count = "SELECT count(*) FROM events WHERE source = 'load';";
    assert_eq!(reader.ask(&format!("BEGIN; {count}")), "2000");
    let (last, read) = traffic::store(&mut client, &mut sent, 2_000);
    assert_not_slower(read, free);
    wait_until_indexed(&daemon, last);
    assert_eq!(reader.ask(count), "2000", "one view of the data");
    assert_eq!(reader.ask(&format!("COMMIT; {count}")), "4000");
    assert_verifies(&daemon);
}

#[test]
fn a_long_read_does_not_hold_up_a_stop() {
    if !sqlite3_is_there() {
        return;
    }
    let daemon = traffic::daemon();
    let traffic = Traffic::start(&daemon);
    let mut reader = Session::open(&daemon.database());
    reader.number("BEGIN; SELECT indexed FROM meta;");
    let stopped = daemon.stop();
    assert!(stopped.status.success(), "{}", stopped.status);
    assert!(reader.number("COMMIT; SELECT indexed FROM meta;") > traffic.end());
}

#[test]
fn a_reindex_is_seen_by_a_session_that_stays_open() {
    if !sqlite3_is_there() {
        return;
    }
    let daemon = traffic::daemon();
    let mut owner = Session::open_as_owner(&daemon.database());
    owner.ask(".timeout 5000\nCREATE TABLE mine (a); SELECT 1;");
    drop(owner);
    let mut session = Session::open(&daemon.database());
    let own_tables = "SELECT count(*) FROM sqlite_schema WHERE name = 'mine';";
    assert_eq!(session.ask(own_tables), "1");
    let output = auditlog(&daemon, "reindex");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(session.ask(own_tables), "0");
    assert_ne!(session.ask("SELECT count(*) FROM events;"), "0");
}

/// Generous: what is to be seen is a wait of the ledger for the database, and that adds up to more.
fn assert_not_slower(held: Duration, free: Duration) {
    assert!(held < free * 4 + Duration::from_secs(5), "{held:?} in place of {free:?}");
}
