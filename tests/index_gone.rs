//! The database against a log of which retention deleted segments, and rows that went by their own rule.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use auditlogd::clock::rfc3339;
use auditlogd::engine::{Database, Phase, verify_all};
use auditlogd::event::FieldMap;
use auditlogd::ledger::verify::{Options, Report, Verdict};
use auditlogd::record::{EarlierRules, Maintained, Record};
use auditlogd::retention::{Match, Rule, Rules};
use common::lab::paths;
use common::pruning::record;
use common::{Daemon, pruning, tool, verify};
use data_encoding::HEXLOWER;
use rusqlite::Connection;
use tempfile::TempDir;

const TAMPERED: i32 = 4;
const UNVERIFIABLE: i32 = 6;

/// A stopped log of three segments, each with events of the types `kept` and `brief`.
fn log() -> TempDir {
    let daemon = Daemon::start();
    for segment in 0..3 {
        let mut client = daemon.greeted();
        for (line, kind) in (1..).zip(["kept", "brief", "kept"]) {
            client.store(&format!(r#"{{"event_type":"{kind}","n":{segment}}}"#), line);
        }
        if segment < 2 {
            let to = daemon.segment().with_file_name(format!("audit.jsonl-{segment}"));
            fs::rename(daemon.segment(), to).expect("renames");
            daemon.reload();
        }
    }
    daemon.stop().daemon.kill()
}

fn maintained(rules: &Rules, field_map: &str) -> Record {
    let (retention, field_map) = (rules.definition(), field_map.to_owned());
    Record::Maintained(Box::new(Maintained { retention, field_map, ..Maintained::default() }))
}

/// Rules that keep events of the type `kept` for a day, and others not at all.
fn rules() -> Rules {
    let what = Match { event_type: vec!["kept".into()], ..Match::default() };
    Rules { keep_days: 0, rules: vec![Rule { what, keep_days: 1 }] }
}

fn change(root: &Path, sql: &str) -> usize {
    let db = Connection::open(root.join("var/lib/auditlogd/audit.db")).expect("opens");
    db.execute(sql, []).unwrap_or_else(|e| panic!("{sql}: {e}"))
}

fn assert_verdict(root: &Path, code: i32, says: &str) {
    let (found, said) = verify(root);
    assert_eq!(found, Some(code), "{said}");
    assert!(said.contains(says), "{says:?} is missing in: {said}");
}

/// Lets the second segment go; its first and last leaf.
fn prune(root: &Path) -> (u64, u64) {
    let (said, gone) = pruning::of(&paths(root).log_dir, 1..2, 0);
    record(root, std::slice::from_ref(&said));
    gone.iter().for_each(|path: &PathBuf| fs::remove_file(path).expect("removes"));
    let said = pruning::of_record(&said);
    (said.first_seq, said.through_seq)
}

#[test]
fn rows_of_a_hole_may_be_gone_and_nothing_vouches_for_those_that_are_left() {
    let log = log();
    let (first, last) = prune(log.path());
    let what = format!("rows of seq {first} to {last}, which retention deleted from the log");
    assert_verdict(log.path(), UNVERIFIABLE, &what);
    for table in ["event_rows", "seals"] {
        let sql = format!("DELETE FROM {table} WHERE seq BETWEEN {first} AND {last}");
        assert!(change(log.path(), &sql) > 0);
    }
    assert_verdict(log.path(), 0, "every row compared");
    // The segment's own row may stay or go.
    let output = tool(log.path(), &["verify", "--quick"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(change(log.path(), "DELETE FROM segments WHERE number = 1"), 1);
    assert_verdict(log.path(), 0, "every row compared");
    assert_eq!(change(log.path(), "DELETE FROM segments WHERE number = 2"), 1);
    assert_verdict(log.path(), TAMPERED, "lacks segment 2");
}

#[test]
fn a_row_may_be_missing_once_a_rule_that_the_log_names_lets_it_go() {
    let all = log();
    let brief = "DELETE FROM event_rows WHERE event_type = 'brief'";
    assert_eq!(change(all.path(), brief), 3);
    assert_verdict(all.path(), TAMPERED, "the database lacks seq ");
    record(all.path(), &[maintained(&Rules::of_days(1), "00")]);
    assert_verdict(all.path(), TAMPERED, "the database lacks seq ");
    record(all.path(), &[maintained(&rules(), "00")]);
    assert_verdict(all.path(), 0, "every row compared");
    // A rule that was in force once stays the reason for what it let go.
    record(all.path(), &[maintained(&Rules::of_days(1), "00")]);
    assert_verdict(all.path(), 0, "every row compared");
    let kept = "DELETE FROM event_rows WHERE seq = (SELECT min(seq) FROM events WHERE event_type = 'kept')";
    assert_eq!(change(all.path(), kept), 1);
    assert_verdict(all.path(), TAMPERED, "the database lacks seq ");
}

#[test]
fn rules_of_before_count_as_long_as_a_record_names_them_again() {
    let log = log();
    assert_eq!(change(log.path(), "DELETE FROM event_rows WHERE event_type = 'brief'"), 3);
    let later = |until_ns: i64| {
        let (retention, until) = (rules().definition(), rfc3339(until_ns));
        let earlier = vec![EarlierRules { retention, until }];
        let retention = Rules::of_days(1).definition();
        Record::Maintained(Box::new(Maintained { retention, earlier, ..Maintained::default() }))
    };
    record(log.path(), &[later(0)]);
    assert_verdict(log.path(), TAMPERED, "the database lacks seq ");
    // The record cannot vouch for a time after its own.
    record(log.path(), &[later(i64::MAX)]);
    assert_verdict(log.path(), 0, "every row compared");
    let daemon = Daemon::start_in(log, "");
    daemon.greeted().store(r#"{"event_type":"brief"}"#, 1);
    let log = daemon.stop().daemon.kill();
    assert_eq!(change(log.path(), "DELETE FROM event_rows WHERE event_type = 'brief'"), 1);
    assert_verdict(log.path(), TAMPERED, "the database lacks seq ");
}

#[test]
fn a_row_that_came_after_the_rule_was_named_last_may_not_be_missing() {
    let daemon = Daemon::start();
    let root = daemon.stop().daemon.kill();
    record(root.path(), &[maintained(&Rules::of_days(0), "00")]);
    let daemon = Daemon::start_in(root, "");
    daemon.greeted().store(r#"{"event_type":"late"}"#, 1);
    let root = daemon.stop().daemon.kill();
    assert_eq!(change(root.path(), "DELETE FROM event_rows WHERE event_type = 'late'"), 1);
    assert_verdict(root.path(), TAMPERED, "the database lacks seq ");
}

#[test]
fn rules_of_another_version_are_no_evidence() {
    let log = log();
    assert_eq!(change(log.path(), "DELETE FROM event_rows WHERE event_type = 'brief'"), 3);
    let mut said = maintained(&rules(), "00");
    if let Record::Maintained(run) = &mut said {
        run.retention = r#"{"version":2}"#.into();
    }
    record(log.path(), &[said]);
    assert_verdict(log.path(), UNVERIFIABLE, "another version of auditlogd");
}

#[test]
fn the_row_of_a_block_goes_with_its_last_event_and_not_before() {
    let log = log();
    record(log.path(), &[maintained(&Rules::of_days(0), "00")]);
    assert_eq!(change(log.path(), "DELETE FROM event_rows WHERE event_type = 'kept'"), 6);
    assert_verdict(log.path(), 0, "every row compared");
    assert_eq!(change(log.path(), "UPDATE blocks SET last_ts_ns = last_ts_ns - 1"), 1);
    assert_verdict(log.path(), TAMPERED, "for block 0 in blocks");
    assert_eq!(change(log.path(), "DELETE FROM blocks"), 1);
    assert_verdict(log.path(), TAMPERED, "lacks block 0");
    assert!(change(log.path(), "DELETE FROM event_rows") > 0);
    assert_verdict(log.path(), 0, "every row compared");
}

/// The record of the start, which names the map, was deleted with its segment.
#[test]
fn a_run_of_maintenance_names_the_field_map_too() {
    let config = "[fields]\nactor = \"/who\"\n";
    let daemon = Daemon::start_with(config);
    daemon.greeted().store(r#"{"who":"alice"}"#, 1);
    let to = daemon.segment().with_file_name("audit.jsonl-0");
    fs::rename(daemon.segment(), to).expect("renames");
    daemon.reload();
    daemon.greeted().store(r#"{"who":"bob"}"#, 1);
    let lines = fs::read_to_string(daemon.segment().with_file_name("audit.jsonl-0"));
    let map =
        lines.expect("reads").split(r#""field_map":""#).nth(1).expect("a map")[..64].to_owned();
    let root = daemon.stop().daemon.kill();
    let (said, gone) = pruning::of(&paths(root.path()).log_dir, 0..1, 0);
    record(root.path(), &[said]);
    gone.iter().for_each(|path| fs::remove_file(path).expect("removes"));
    let first = pruning::of(&paths(root.path()).log_dir, 0..0, 0).0;
    let first_seq = pruning::of_record(&first).first_seq;
    for table in ["event_rows", "seals"] {
        change(root.path(), &format!("DELETE FROM {table} WHERE seq < {first_seq}"));
    }
    fs::write(root.path().join("etc/auditlogd/auditlogd.toml"), "").expect("writes");
    assert_verdict(root.path(), UNVERIFIABLE, "read with a field map that neither the log");
    record(root.path(), &[maintained(&Rules::of_days(90), &map)]);
    assert_verdict(root.path(), 0, "every row compared");
}

/// Verifies, and lets something happen once so many parts of the log were compared with their rows.
fn verify_while(root: &Path, parts: u32, change: impl FnOnce()) -> Report {
    let (mut change, mut compared) = (Some(change), 0);
    let path = root.join("var/lib/auditlogd/audit.db");
    // As while a daemon runs.
    let db = Connection::open(&path).expect("opens");
    db.pragma_update(None, "journal_mode", "wal").expect("sets");
    let fields = FieldMap::builtin();
    let database = Database { path: &path, fields: Some(&fields) };
    let key = fs::read_to_string(paths(root).genesis_pub()).expect("reads");
    let genesis = HEXLOWER.decode(key.trim().as_bytes()).expect("hex").try_into().ok();
    let options = Options { genesis, live: true, ..Options::new(paths(root)) };
    verify_all(&options, Some(database), &mut |phase, _, _| {
        compared += u32::from(phase == Phase::Database);
        if compared == parts
            && let Some(change) = change.take()
        {
            change();
        }
    })
}

#[test]
fn what_maintenance_deletes_while_the_database_is_compared_is_no_finding() {
    let log = log();
    let report = verify_while(log.path(), 1, || {
        let (first, last) = prune(log.path());
        for table in ["event_rows", "seals"] {
            change(
                log.path(),
                &format!("DELETE FROM {table} WHERE seq BETWEEN {first} AND {last}"),
            );
        }
    });
    assert_eq!(report.verdict, Verdict::OkUnanchored, "{:#?}", report.findings);
    assert_eq!(report.holes.len(), 1);
    let report = verify_while(log.path(), 1, || {
        record(log.path(), &[maintained(&rules(), "00")]);
        assert_eq!(change(log.path(), "DELETE FROM event_rows WHERE event_type = 'brief'"), 2);
    });
    assert_eq!(report.verdict, Verdict::OkUnanchored, "{:#?}", report.findings);
    // It explains no more than what the rules let go.
    let report = verify_while(log.path(), 1, || {
        record(log.path(), &[maintained(&rules(), "00")]);
        assert_eq!(change(log.path(), "DELETE FROM event_rows WHERE event_type = 'kept'"), 4);
    });
    assert_eq!(report.verdict, Verdict::Tampered, "{:#?}", report.findings);
}

/// What the run of maintenance deletes, it says at its end.
#[test]
fn rows_of_a_hole_that_go_while_the_database_is_compared_are_no_finding() {
    for (ends, verdict) in [(true, Verdict::OkUnanchored), (false, Verdict::Unverifiable)] {
        let log = log();
        let (first, last) = prune(log.path());
        // The second part is what is behind the hole.
        let report = verify_while(log.path(), 2, || {
            for table in ["event_rows", "seals"] {
                let rows = format!("seq BETWEEN {first} AND {last}");
                change(log.path(), &format!("DELETE FROM {table} WHERE {rows}"));
            }
            if ends {
                record(log.path(), &[maintained(&rules(), "00")]);
            }
        });
        assert_eq!(report.verdict, verdict, "{:#?}", report.findings);
    }
}

#[test]
fn a_database_that_root_rebuilds_is_the_daemons() {
    if !nix::unistd::geteuid().is_root() {
        return eprintln!("skipped: it needs root");
    }
    let root = log();
    let state = paths(root.path()).state_dir;
    std::os::unix::fs::chown(&state, Some(65_534), None).expect("given away");
    for name in ["audit.db", "audit.db-wal", "audit.db-shm", "lock"] {
        let _may_be_missing = fs::remove_file(state.join(name));
    }
    assert!(tool(root.path(), &["reindex"]).status.success());
    for name in ["audit.db", "lock"] {
        let owner =
            std::os::unix::fs::MetadataExt::uid(&fs::metadata(state.join(name)).expect(name));
        assert_eq!(owner, 65_534, "{name}");
    }
}
