//! The rungs: the least important events stop first, and each comes back by itself.

use std::io::Write;

use crate::small::Small;

const MIB: u64 = 1 << 20;

fn event(name: &str, priority: &str) -> String {
    format!(r#"{{"event_type":"{name}","priority":"{priority}"}}"#)
}

#[test]
fn events_wait_by_their_priority_while_the_disk_is_full_and_come_in_when_there_is_room() {
    let Some(small) = Small::start("") else { return };
    let mut clients = [(); 3].map(|()| small.daemon.greeted());
    let [low, normal, high] = &mut clients;
    low.store(&event("before", "info"), 1);

    small.leave(50 * MIB);
    small.until("low_stops");
    low.send(event("waits.low", "debug") + "\n");
    normal.store(&event("stored.normal", "warning"), 1);

    small.leave(20 * MIB);
    small.until("normal_stops");
    normal.send(event("waits.normal", "notice") + "\n");
    high.store(&event("stored.high", "critical"), 1);
    let said = String::from_utf8(small.tool(&["status"]).stdout).expect("UTF-8");
    assert!(said.contains("only events of priority error and worse are stored"), "{said}");
    assert!(small.daemon.log().contains("only events of priority error and worse are stored"));

    small.leave(0);
    small.until("full");
    high.send(event("waits.high", "emergency") + "\n");
    for waiting in ["waits.low", "waits.normal", "waits.high"] {
        assert_eq!(small.count(waiting), 0, "{waiting}");
    }

    small.empty();
    for (client, line) in [(low, 2), (normal, 2), (high, 2)] {
        client.replies_to(line);
    }
    for waited in ["waits.low", "waits.normal", "waits.high", "stored.high", "before"] {
        assert_eq!(small.count(waited), 1, "{waited}");
    }
    let levels: Vec<_> =
        small.records("space").iter().map(|record| record["level"].clone()).collect();
    assert_eq!(levels.first().expect("recorded"), "low_stops");
    assert_eq!(levels.last().expect("recorded"), "enough");
    small.is_sound();
}

/// Somebody takes the last byte between two looks: the disk refuses, and the reserve is what the daemon has left.
#[test]
fn a_disk_that_is_suddenly_full_loses_nothing_and_the_reserve_comes_back() {
    let Some(small) = Small::start("[space]\nnormal_bytes = 0\nlow_bytes = 0\n") else { return };
    let reserve = small.path("lib/auditlogd/.reserve");
    assert_eq!(std::fs::metadata(&reserve).expect("a reserve").len(), 16 * MIB);
    let mut client = small.daemon.greeted();
    client.store(&event("first", "info"), 1);
    small.leave(0);
    // More than the last pages of the files hold.
    let filler = "x".repeat(50_000);
    let lines: String = (0..20)
        .map(|n| format!("{{\"event_type\":\"load\",\"n\":{n},\"filler\":\"{filler}\"}}\n"))
        .collect();
    let mut sending = client.stream.try_clone().expect("cloned");
    let sender = std::thread::spawn(move || sending.write_all(lines.as_bytes()));
    crate::common::eventually("the reserve is used", || {
        (!reserve.exists() && small.level() == "full").then_some(())
    });
    small.empty();
    sender.join().expect("no panic").expect("all is taken");
    client.replies_to(21);
    assert_eq!(small.count("load"), 20);
    crate::common::eventually("the reserve is back", || reserve.exists().then_some(()));
    small.is_sound();
}

/// A stop that finds the disk full says what it could not store, and ends in order.
#[test]
fn a_stop_while_the_disk_is_full_seals_the_log_and_tells_what_is_missing() {
    let Some(small) = Small::start("stop_seconds = 4\n") else { return };
    small.leave(0);
    small.until("full");
    let mut client = small.daemon.greeted();
    client.send(event("too.late", "alert") + "\n");
    let keep = format!("/proc/{}/root", small.daemon.pid());
    // The namespace, and with it the disk, goes with its last process.
    let mut sleeper = std::process::Command::new("nsenter");
    let pid = small.daemon.pid().to_string();
    let mut sleeper =
        sleeper.args(["--target", &pid, "--mount", "sleep", "600"]).spawn().expect("nsenter runs");
    assert!(std::path::Path::new(&keep).exists());
    let segment = small.path("log/auditlogd/audit.jsonl");
    let segment = segment.to_string_lossy().replace(&pid, &sleeper.id().to_string());
    let stopped = small.daemon.stop();
    let log = std::fs::read_to_string(segment).expect("a segment");
    sleeper.kill().expect("killed");
    sleeper.wait().expect("waits");
    assert!(stopped.status.success(), "{}", stopped.daemon.log());
    assert!(!log.contains("too.late"));
    let gaps: Vec<_> = log.lines().filter(|line| line.contains("auditlogd.gap")).collect();
    assert!(gaps.iter().any(|gap| gap.contains(r#""reason":"disk_full""#)), "{gaps:#?}");
    assert!(log.contains("auditlogd.stopped"));
    assert!(log.lines().last().expect("a line").contains("\"reason\":\"stop\""), "sealed");
}
