//! The real logrotate, with the configuration that is shipped and with a wrong one.

mod common;

use std::fs;
use std::path::Path;

use common::logrotate::{as_shipped, logrotate, said, skipped};
use common::traffic::{Traffic, assert_segments_follow_seals, assert_stored, segments};
use common::{Daemon, eventually, verify};

/// The same, forced; it must succeed. Two rotations within a second would get the same name, which logrotate
/// refuses, so then it is asked again.
fn rotate(root: &Path, daemon: Option<&Daemon>, change: impl Fn(String) -> String) {
    eventually("logrotate rotates", || {
        let output = logrotate(root, daemon.map(|daemon| daemon.pid()), &change, &["--force"]);
        let said = said(&output);
        assert!(output.status.success() || said.contains("already exists"), "{said}");
        output.status.success().then_some(())
    });
}

/// Waits until so many segments have been opened.
fn opened(daemon: &Daemon, segments: u64) {
    eventually("a new segment is opened", || {
        let text = fs::read_to_string(daemon.segment()).ok()?;
        text.contains(&format!("\"segment\":{},\"first_seq\"", segments - 1)).then_some(())
    });
}

/// Fails unless all of `acknowledged` is stored and the log is in order.
fn assert_whole(root: &Path, acknowledged: &[String]) {
    assert_stored(root, acknowledged);
    assert_segments_follow_seals(&segments(root));
}

fn assert_ok(root: &Path) {
    let (code, said) = verify(root);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn forced_under_load_and_stopped_it_loses_nothing_and_succeeds() {
    if skipped() {
        return;
    }
    let daemon = Daemon::start();
    let traffic = Traffic::start(&daemon, "running", 4);
    for segments in 2..=3 {
        traffic.more(200);
        rotate(daemon.root(), Some(&daemon), as_shipped);
        opened(&daemon, segments);
    }
    let mut acknowledged = traffic.finish();
    let root = daemon.stop().daemon.kill();
    // A reload would fail now, and all of logrotate with it.
    rotate(root.path(), None, as_shipped);
    let output = logrotate(root.path(), None, as_shipped, &["--force"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{}", said(&output));
    let daemon = Daemon::start_in(root, "");
    acknowledged.extend(Traffic::start(&daemon, "restarted", 2).finish());
    daemon.settle();
    assert_eq!(segments(daemon.root()).len(), 4);
    assert_whole(daemon.root(), &acknowledged);
    assert_ok(daemon.root());
}

#[test]
fn by_size_under_load_it_rotates_when_the_size_is_reached() {
    if skipped() {
        return;
    }
    let daemon = Daemon::start();
    let by_size = |config: String| config.replace("maxsize 50M", "maxsize 100k");
    let look = || {
        let output = logrotate(daemon.root(), Some(daemon.pid()), by_size, &[]);
        assert!(output.status.success(), "{}", said(&output));
    };
    look();
    assert!(fs::read_to_string(daemon.segment()).expect("reads").contains("\"segment\":0"));
    let traffic = Traffic::start(&daemon, "t", 4);
    eventually("the log is large enough", || {
        (fs::metadata(daemon.segment()).expect("known").len() > 110 << 10).then_some(())
    });
    look();
    opened(&daemon, 2);
    let acknowledged = traffic.finish();
    daemon.settle();
    assert_eq!(segments(daemon.root()).len(), 2);
    assert_whole(daemon.root(), &acknowledged);
    assert_ok(daemon.root());
}

#[test]
fn several_times_in_a_second_it_loses_nothing_whether_or_not_it_finds_a_name() {
    if skipped() {
        return;
    }
    let daemon = Daemon::start();
    let traffic = Traffic::start(&daemon, "t", 4);
    let mut rotated = 0;
    for _ in 0..6 {
        let output = logrotate(daemon.root(), Some(daemon.pid()), as_shipped, &["--force"]);
        let said = said(&output);
        // Also that there is no log at this moment, since the daemon has not reopened it yet.
        assert!(output.status.success() || said.contains("already exists"), "{said}");
        rotated += usize::from(output.status.success());
        traffic.more(20);
    }
    assert!(rotated > 0);
    let acknowledged = traffic.finish();
    daemon.reload();
    daemon.settle();
    assert_whole(daemon.root(), &acknowledged);
    assert_ok(daemon.root());
}

#[test]
fn together_with_rotation_by_the_daemon_it_does_no_harm() {
    if skipped() {
        return;
    }
    let daemon = Daemon::start_with("[ledger]\nrotate_bytes = 65536\n");
    let traffic = Traffic::start(&daemon, "t", 4);
    for _ in 0..5 {
        traffic.more(400);
        let output = logrotate(daemon.root(), Some(daemon.pid()), as_shipped, &["--force"]);
        let said = said(&output);
        // The daemon may have renamed the file between logrotate's look and its own renaming.
        let passing = ["already exists", "No such file"].iter().any(|text| said.contains(text));
        assert!(output.status.success() || passing, "{said}");
    }
    let acknowledged = traffic.finish();
    daemon.reload();
    daemon.settle();
    let segments = segments(daemon.root());
    let by = |prefix| {
        let name = |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned());
        segments.iter().filter(|s| name(&s.path).is_some_and(|n| n.starts_with(prefix))).count()
    };
    assert!(by("audit-2") > 3 && by("audit.jsonl-2") > 0, "both have rotated");
    assert_whole(daemon.root(), &acknowledged);
    assert_ok(daemon.root());
}

#[test]
fn a_wrong_copytruncate_is_noticed_and_recorded_and_loses_nothing() {
    if skipped() {
        return;
    }
    let wrong = |config: String| {
        config.replace("nocopytruncate", "copytruncate").replace("nocompress", "compress")
    };
    let daemon = Daemon::start();
    let traffic = Traffic::start(&daemon, "t", 4);
    for segments in 2..=3 {
        traffic.more(400);
        rotate(daemon.root(), Some(&daemon), wrong);
        opened(&daemon, segments);
    }
    let acknowledged = traffic.finish();
    daemon.settle();
    assert_whole(daemon.root(), &acknowledged);
    let reopened: Vec<_> = segments(daemon.root())
        .into_iter()
        .flat_map(|segment| segment.lines)
        .filter(|line| line["event"]["event_type"] == "auditlogd.reopened")
        .collect();
    assert_eq!(reopened.len(), 2);
    for record in reopened {
        let damage = record["event"]["data"]["damage"].as_str().expect("damage");
        assert!(damage.starts_with("the active file had "), "{damage}");
        assert!(damage.contains("all of its lines are now in "), "{damage}");
    }
    let (code, said) = verify(daemon.root());
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("the daemon found and recorded: the active file had "), "{said}");
}
