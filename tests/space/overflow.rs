//! What becomes of events that there is no room for, where they do not wait.

use crate::common::eventually;
use crate::small::Small;

const MIB: u64 = 1 << 20;

#[test]
fn events_that_are_refused_are_counted_in_the_log() {
    let Some(small) = Small::start("[space]\nlow = \"refuse\"\n") else { return };
    small.leave(50 * MIB);
    small.until("low_stops");
    assert_eq!(small.space("instead"), "they are refused");
    assert!(small.space("dir").ends_with("/var/lib/auditlogd"), "where the reserve is");
    let mut client = small.daemon.greeted();
    for n in 0..7 {
        client.send(format!("{{\"event_type\":\"chatter\",\"priority\":\"info\",\"n\":{n}}}\n"));
    }
    for n in 1..=7 {
        let reply = client.reply().expect("a reply");
        assert_eq!(reply["reject"]["line"], n, "{reply}");
        assert_eq!(reply["reject"]["code"], "disk_full", "{reply}");
    }
    client.store("{\"event_type\":\"matters\",\"priority\":\"error\"}", 8);
    let gaps = || {
        let gaps = small.records("gap");
        let events = gaps.iter().map(|gap| gap["events"].as_u64().expect("a number")).sum::<u64>();
        (events == 7).then_some(gaps)
    };
    let gaps = eventually("the gap is recorded", gaps);
    let uid = nix::unistd::getuid().as_raw();
    assert!(gaps.iter().all(|gap| gap["uid"] == uid && gap["exact"] == true), "{gaps:?}");
    assert_eq!(small.count("chatter"), 0);
    small.empty();
    eventually("there is room", || (small.level() == "enough").then_some(()));
    client.store("{\"event_type\":\"chatter\",\"priority\":\"info\"}", 9);
    small.is_sound();
}

#[test]
fn events_that_go_to_the_standard_error_come_into_the_log_later_each_once() {
    let Some(small) = Small::start("[space]\nhigh = \"stderr\"\n") else { return };
    small.leave(0);
    small.until("full");
    let ways =
        "their clients wait or they go to standard error and are stored later, by their priority";
    assert_eq!(small.space("instead"), ways);
    let mut client = small.daemon.connect();
    let event = |n: u64| format!("{{\"event_type\":\"urgent\",\"priority\":\"alert\",\"n\":{n}}}");
    (0..500).for_each(|n| client.send(event(n) + "\n"));
    // One that wants acks sees its event go out, and waits.
    let mut asks = small.daemon.greeted();
    asks.send(event(500) + "\n");
    let said = || {
        let log = small.daemon.log();
        let marked = log.lines().filter(|line| line.starts_with("AUDIT_EMERGENCY {"));
        (marked.filter(|line| line.contains("urgent")).count() == 501).then_some(())
    };
    eventually("all are on the standard error", said);
    assert_eq!(small.count("urgent"), 0);
    small.empty();
    asks.replies_to(1);
    eventually("all are in the log", || (small.count("urgent") == 501).then_some(()));
    let mut found: Vec<_> =
        small.lines().iter().filter_map(|line| line["event"]["n"].as_u64()).collect();
    found.sort_unstable();
    assert_eq!(found, (0..=500).collect::<Vec<_>>());
    let late = eventually("that is recorded", || small.records("late").pop());
    assert!(late["events"].as_u64() >= Some(500), "{late}");
    let pid = std::process::id();
    let all_mine = |line: &serde_json::Value| line["peer"]["pid"] == pid;
    assert!(small.lines().iter().filter(|l| l["event"]["n"].is_u64()).all(all_mine));
    small.is_sound();
}
