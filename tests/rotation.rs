//! Rotation under load: by hand, by the daemon itself, and by somebody who cuts the file instead.

mod common;

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use auditlogd::clock::Now;
use auditlogd::engine::Pruned;
use auditlogd::fs::Real;
use auditlogd::ledger::segment;
use auditlogd::record::Record;
use common::lab::{new_root, now, paths};
use common::running::Running;
use common::traffic::{Traffic, assert_segments_follow_seals, assert_stored, segments};
use common::{Daemon, eventually, tool, verify};
use nix::sys::signal::Signal;

/// Renames the active segment as logrotate does.
fn rename(daemon: &Daemon, suffix: &str) -> PathBuf {
    let to = daemon.segment().with_file_name(format!("audit.jsonl-{suffix}"));
    fs::rename(daemon.segment(), &to).expect("renames");
    to
}

/// Waits for the reopening at the active path.
fn reopened(daemon: &Daemon) {
    eventually("the log is reopened", || daemon.segment().exists().then_some(()));
}

fn assert_ok(root: &Path) {
    let (code, said) = verify(root);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn renaming_and_sighup_under_load_lose_and_double_nothing() {
    let daemon = Daemon::start();
    let traffic = Traffic::start(&daemon, "t", 4);
    for round in 0..5 {
        traffic.more(200);
        rename(&daemon, &round.to_string());
        daemon.reload();
        reopened(&daemon);
    }
    let acknowledged = traffic.finish();
    daemon.settle();
    assert_stored(daemon.root(), &acknowledged);
    let segments = segments(daemon.root());
    assert_eq!(segments.len(), 6);
    assert_segments_follow_seals(&segments);
    assert_ok(daemon.root());
}

#[test]
fn renaming_twice_with_no_event_in_between_makes_two_good_segments() {
    let daemon = Daemon::start();
    daemon.greeted().store("{}", 1);
    for round in ["1", "2", "3"] {
        rename(&daemon, round);
        daemon.reload();
    }
    daemon.signal(Signal::SIGHUP);
    daemon.reload();
    let segments = segments(daemon.root());
    assert_eq!(segments.len(), 4);
    assert_segments_follow_seals(&segments);
    assert_ok(daemon.root());
}

#[test]
fn sighup_without_a_rename_keeps_the_file_and_loses_nothing() {
    let daemon = Daemon::start();
    let traffic = Traffic::start(&daemon, "t", 4);
    for _ in 0..3 {
        traffic.more(200);
        daemon.reload();
    }
    let acknowledged = traffic.finish();
    daemon.settle();
    assert_stored(daemon.root(), &acknowledged);
    assert_eq!(segments(daemon.root()).len(), 1);
    assert_ok(daemon.root());
}

/// The reasons of the segments that were opened, in their order.
fn reasons(root: &Path) -> Vec<String> {
    let lines = segments(root).into_iter().flat_map(|segment| segment.lines);
    let reopened = lines.filter(|line| line["event"]["event_type"] == "auditlogd.reopened");
    reopened.map(|line| line["event"]["data"]["reason"].as_str().expect("text").into()).collect()
}

fn name(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

#[test]
fn by_size_under_load_segments_are_closed_when_they_are_large_enough() {
    let daemon = Daemon::start_with("[ledger]\nrotate_bytes = 65536\n");
    let traffic = Traffic::start(&daemon, "t", 4);
    let count = || segment::list(&paths(daemon.root()).log_dir).expect("listed").len();
    eventually("there are some segments", || (count() > 5).then_some(()));
    let acknowledged = traffic.finish();
    daemon.settle();
    assert_stored(daemon.root(), &acknowledged);
    let segments = segments(daemon.root());
    assert_segments_follow_seals(&segments);
    for (number, segment) in segments.iter().enumerate().take(segments.len() - 1) {
        let name = name(&segment.path);
        assert!(name.starts_with("audit-2"), "{name}");
        assert!(name.ends_with(&format!("Z-{number}.jsonl")), "{name}");
        let bytes = fs::metadata(&segment.path).expect("known").len();
        assert!((65_536..4 << 20).contains(&bytes), "{name} has {bytes} bytes");
    }
    let reasons = reasons(daemon.root());
    assert_eq!(reasons.len(), segments.len() - 1);
    assert!(reasons.iter().all(|reason| reason == "it reached 65536 bytes"), "{reasons:?}");
    assert_ok(daemon.root());
}

/// Seconds after which the segments of these tests are old.
const OLD: u64 = 100;

fn engine(root: &Path, boot: u32, now: Now) -> Running {
    let running = Running::start_with(Arc::new(Real::default()), root, boot, now, |config| {
        (config.ledger.epoch_seconds, config.ledger.idle_seconds) = (1, 1);
        config.ledger.rotate_seconds = OLD;
    });
    running.expect("the engine starts")
}

fn rotated(running: &Running, segment: u64) {
    eventually("it has rotated", || (running.metrics.segment.get() >= segment).then_some(()));
    // And all that belongs to it is done.
    assert!(running.reopen());
}

#[test]
fn by_age_a_segment_is_closed_so_long_after_its_first_line_and_an_empty_one_never() {
    let root = new_root();
    let running = engine(root.path(), 1, now(0));
    running.pass_until_sealed(OLD - 1);
    assert_eq!(running.metrics.segment.get(), 0);
    running.pass(1, 1);
    rotated(&running, 1);
    // It holds nothing but its opening and seals.
    for _ in 0..3 {
        running.pass_until_sealed(OLD);
    }
    assert_eq!(running.metrics.segment.get(), 1);
    running.store("{}").expect("stored");
    running.pass_until_sealed(OLD - 1);
    assert_eq!(running.metrics.segment.get(), 1);
    running.pass(1, 1);
    rotated(&running, 2);
    running.stop().expect("stops well");
    assert_eq!(reasons(root.path()), ["it is 100 seconds old", "it is 100 seconds old"]);
    assert_segments_follow_seals(&segments(root.path()));
    assert_ok(root.path());
}

#[test]
fn steps_of_the_wall_clock_rotate_nothing() {
    let root = new_root();
    let running = engine(root.path(), 1, now(0));
    for step in [86_400 * 400, -86_400 * 800, 86_400 * 400] {
        running.pass(step, 1);
        running.store("{}").expect("stored");
        running.pass_until_sealed(1);
    }
    assert_eq!(running.metrics.segment.get(), 0);
    running.stop().expect("stops well");
}

#[test]
fn age_counts_across_restarts_by_the_header_and_a_wrong_clock_costs_one_rotation_a_start() {
    let root = new_root();
    engine(root.path(), 1, now(0)).stop().expect("stops well");
    let again = engine(root.path(), 2, Now { boot_ns: 5, ..now(OLD / 2) });
    again.pass_until_sealed(OLD / 2 - 1);
    assert_eq!(again.metrics.segment.get(), 0);
    again.pass(1, 1);
    rotated(&again, 1);
    again.stop().expect("stops well");
    // Far ahead, and then as far back: the header is of the future.
    for (start, wall_ns) in [(3, now(86_400 * 400).wall_ns), (4, now(1000).wall_ns)] {
        let running = engine(root.path(), start, Now { wall_ns, boot_ns: 5 });
        rotated(&running, u64::from(start) - 1);
        running.store("{}").expect("stored");
        running.pass_until_sealed(OLD / 2);
        assert_eq!(running.metrics.segment.get(), u64::from(start) - 1);
        running.stop().expect("stops well");
    }
}

#[test]
fn a_name_that_is_taken_is_left_alone_and_without_any_name_the_log_goes_on_where_it_is() {
    let root = new_root();
    let dir = paths(root.path()).log_dir;
    let running = Running::start(root.path(), 1, now(0));
    let first = dir.join("audit-20261121T012345Z-0.jsonl");
    let others: Vec<_> =
        (1..100).map(|n| dir.join(format!("audit-20261121T012345Z-0.{n}.jsonl"))).collect();
    for path in others.iter().chain([&first]) {
        fs::write(path, "not mine").expect("writes");
    }
    assert!(running.writer().rotate("a test".into()).is_err());
    running.store("{\"n\":1}").expect("stored");
    assert_eq!(running.metrics.segment.get(), 0);
    fs::remove_file(&others[6]).expect("removes");
    let rotated = running.engine.writer().rotate("a test".into()).expect("rotates");
    assert_eq!((rotated.segment, &rotated.path), (0, &others[6]));
    assert_eq!(rotated.bytes, fs::metadata(&rotated.path).expect("there").len());
    running.store("{\"n\":2}").expect("stored");
    running.stop().expect("stops well");
    assert_eq!(fs::read_to_string(&first).expect("reads"), "not mine");
    assert_segments_follow_seals(&segments(root.path()));
    assert_ok(root.path());
}

#[test]
fn what_is_deleted_is_recorded_and_sealed_before_and_not_too_early() {
    let root = new_root();
    let running = Running::start(root.path(), 1, now(0));
    let record = || Record::Stopped { reason: "in place of one of retention".into() };
    let too_early = running.writer().prune(vec![record()], running.now().wall_ns + 1);
    assert_eq!(too_early, Pruned::TooEarly);
    let before = segments(root.path()).remove(0).lines.len();
    assert_eq!(
        running.writer().prune(vec![record(), record()], running.now().wall_ns),
        Pruned::Done
    );
    // All is on disk when it returns.
    let lines = segments(root.path()).remove(0).lines.split_off(before);
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["ts"], lines[1]["ts"]);
    assert_eq!(lines[1]["event"]["data"]["reason"], "in place of one of retention");
    assert!(lines[2]["seal"].is_object());
    let writer = running.engine.writer();
    running.stop().expect("stops well");
    assert_eq!(writer.prune(vec![record()], 0), Pruned::WriterEnded);
    assert!(writer.rotate("too late".into()).is_err());
}

/// What copytruncate does, with as much stored between the copy and the cut as a slow disk allows.
#[test]
fn what_is_acknowledged_between_a_copy_and_the_cut_is_saved() {
    let daemon = Daemon::start();
    let traffic = Traffic::start(&daemon, "t", 4);
    for round in 1..=2 {
        traffic.more(200);
        let copy = daemon.segment().with_file_name(format!("audit.jsonl-{round}"));
        fs::copy(daemon.segment(), copy).expect("copies");
        traffic.more(400);
        File::options().write(true).truncate(true).open(daemon.segment()).expect("truncates");
        traffic.more(100);
    }
    let acknowledged = traffic.finish();
    daemon.settle();
    assert_stored(daemon.root(), &acknowledged);
    let segments = segments(daemon.root());
    let rescued: Vec<_> = segments.iter().map(|segment| name(&segment.path)).collect();
    assert_eq!(rescued, ["audit-rescued-0.jsonl", "audit-rescued-1.jsonl", "audit.jsonl"]);
    assert_segments_follow_seals(&segments);
    let (code, said) = verify(daemon.root());
    assert_eq!(code, Some(5), "{said}");
}

/// The copy was begun before the daemon closed the segment, and the cut comes after.
#[test]
fn a_segment_that_is_cut_after_it_was_closed_is_saved_too() {
    let daemon = Daemon::start();
    let traffic = Traffic::start(&daemon, "t", 4);
    let open = File::options().write(true).open(daemon.segment()).expect("opens");
    fs::copy(daemon.segment(), daemon.segment().with_file_name("audit.jsonl-1")).expect("copies");
    traffic.more(200);
    assert!(daemon.tool(&["rotate"]).status.success());
    open.set_len(0).expect("truncates");
    traffic.more(200);
    let acknowledged = traffic.finish();
    daemon.settle();
    assert_stored(daemon.root(), &acknowledged);
    let segments = segments(daemon.root());
    let names: Vec<_> = segments.iter().map(|segment| name(&segment.path)).collect();
    assert_eq!(names, ["audit-rescued-0.jsonl", "audit.jsonl"]);
    assert_segments_follow_seals(&segments);
    let (code, said) = verify(daemon.root());
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("the file of a closed segment was cut; all of its lines"), "{said}");
}

#[test]
fn auditlog_rotate_says_what_the_segment_is_called_now() {
    let daemon = Daemon::start();
    daemon.greeted().store("{}", 1);
    let output = daemon.tool(&["rotate"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let closed = &segments(daemon.root())[0].path;
    let bytes = fs::metadata(closed).expect("there").len();
    assert_eq!(said.replace(',', ""), format!("closed: {} {bytes} bytes\n", closed.display()));
    let quiet = daemon.tool(&["rotate", "--quiet"]);
    assert!(quiet.status.success() && quiet.stdout.is_empty());
    let uid = nix::unistd::getuid();
    assert_eq!(reasons(daemon.root()), vec![format!("uid {uid} asked for it"); 2]);
    assert_ok(daemon.root());
    let stopped = daemon.stop().daemon;
    let output = stopped.tool(&["rotate"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("the daemon does not answer on"), "{said}");
}

#[test]
fn many_may_ask_for_a_rotation_at_once_under_load() {
    let daemon = Daemon::start();
    let traffic = Traffic::start(&daemon, "t", 2);
    let outputs: Vec<_> = std::thread::scope(|scope| {
        let ask = || {
            let output = tool(daemon.root(), &["rotate"]);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let asking: Vec<_> = (0..12).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|asking| asking.join().expect("ends well")).collect()
    });
    assert_eq!(outputs.iter().collect::<BTreeSet<_>>().len(), 12, "{outputs:?}");
    let acknowledged = traffic.finish();
    daemon.settle();
    assert_stored(daemon.root(), &acknowledged);
    assert_eq!(segments(daemon.root()).len(), 13);
    assert_ok(daemon.root());
}

#[test]
fn nobody_but_root_and_the_daemons_user_may_ask_for_a_rotation() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root can ask as somebody else");
        return;
    }
    let daemon = Daemon::start();
    fs::set_permissions(daemon.root(), Permissions::from_mode(0o755)).expect("opened");
    let program = daemon.root().join("auditlog");
    fs::copy(env!("CARGO_BIN_EXE_auditlog"), &program).expect("copies");
    let ask = |command: &str| {
        let mut ask = Command::new(&program);
        // In the group that may open the socket.
        ask.arg("--root").arg(daemon.root()).arg(command).uid(65_534).gid(0);
        ask.output().expect("auditlog runs")
    };
    let output = ask("status");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for command in ["rotate", "reindex"] {
        let output = ask(command);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains("only root and the daemon's own user may ask for that"), "{said}");
    }
    assert_eq!(segments(daemon.root()).len(), 1);
}

#[test]
fn each_segment_begins_with_the_sums_so_that_no_start_looks_for_them_in_another() {
    let daemon = Daemon::start();
    let sums = |events: u64| {
        let own = daemon.records("account");
        let said = own.first().expect("the segment says the sums");
        let at = (said["seq"].clone(), said["event"]["data"]["before_seq"].clone());
        assert_eq!(at.0, at.1);
        assert_eq!(said["event"]["data"]["users"][0]["stored"], events);
        assert!(daemon.lines()[2] == *said, "behind the header and what says why it began");
    };
    let mut client = daemon.greeted();
    client.store("{}", 1);
    assert!(daemon.tool(&["rotate"]).status.success());
    sums(1);
    client.store("{}", 2);
    rename(&daemon, "1");
    daemon.reload();
    reopened(&daemon);
    eventually("the new segment has lines", || (daemon.lines().len() > 2).then_some(()));
    sums(2);
}
