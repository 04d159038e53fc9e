//! Connections that outlive the daemon while the disk has no room: what was dealt with is not dealt with again.

use std::collections::BTreeMap;

use crate::common::eventually;
use crate::common::manager::{End, Manager};
use crate::small::Small;

const MIB: u64 = 1 << 20;

fn event(n: u64, priority: &str) -> String {
    format!("{{\"event_type\":\"mixed\",\"priority\":\"{priority}\",\"n\":{n}}}\n")
}

/// How often each event is in the log.
fn found(small: &Small<Manager>) -> BTreeMap<u64, u64> {
    let mut found = BTreeMap::new();
    for n in small.lines().iter().filter_map(|line| line["event"]["n"].as_u64()) {
        *found.entry(n).or_default() += 1;
    }
    found
}

/// The events of this, in one piece: nine of no importance, one that has to wait for room, and two more.
fn mixed() -> String {
    let priorities = ["debug"; 9].into_iter().chain(["notice", "info", "error"]);
    (0..).zip(priorities).map(|(n, priority)| event(n, priority)).collect()
}

#[test]
fn what_went_to_the_standard_error_before_an_event_that_waits_is_not_taken_again_by_the_next_run() {
    for how in End::BOTH {
        let Some(mut small) = Small::managed("[space]\nlow = \"stderr\"\n") else { return };
        small.leave(20 * MIB);
        small.until("normal_stops");
        let mut client = small.daemon.connect();
        client.send(mixed());
        let said = || small.daemon.log().matches("AUDIT_EMERGENCY {").count();
        eventually("they are on the standard error", || (said() >= 9).then_some(()));
        small.daemon.again(how);
        small.empty();
        eventually("all are in the log", || (found(&small).len() == 12).then_some(()));
        drop(client);
        small.daemon.again(End::Restart);
        let found = found(&small);
        assert!(found.values().all(|times| *times == 1), "{how:?}: {found:?}");
    }
}

#[test]
fn what_was_refused_before_an_event_that_waits_is_counted_once() {
    for how in End::BOTH {
        let Some(mut small) = Small::managed("[space]\nlow = \"refuse\"\n") else { return };
        small.leave(20 * MIB);
        small.until("normal_stops");
        let mut client = small.daemon.connect();
        client.send(mixed());
        let missing = |small: &Small<Manager>, exact: bool| {
            let gaps = small.records("gap").into_iter().filter(|gap| gap["exact"] == exact);
            gaps.map(|gap| gap["events"].as_u64().expect("a number")).sum::<u64>()
        };
        eventually("the gap is recorded", || (missing(&small, true) >= 9).then_some(()));
        small.daemon.again(how);
        small.empty();
        eventually("the others are in the log", || found(&small).contains_key(&11).then_some(()));
        drop(client);
        small.daemon.again(End::Restart);
        // What comes after the event that waited came when there was room again, or just before.
        let late = u64::from(!found(&small).contains_key(&10));
        assert_eq!((missing(&small, true), missing(&small, false)), (9 + late, 0), "{how:?}");
        // There are gaps, and it adds up.
        let said = small.tool(&["account"]);
        let text = String::from_utf8_lossy(&said.stdout);
        assert_eq!(said.status.code(), Some(5), "{text}");
    }
}

#[test]
fn what_was_refused_right_before_a_kill_is_a_gap() {
    let Some(mut small) = Small::managed("[space]\nlow = \"refuse\"\n") else { return };
    small.leave(50 * MIB);
    small.until("low_stops");
    let mut client = small.daemon.greeted();
    small.daemon.await_kept(1);
    client.send(event(0, "info"));
    client.reply().expect("it is refused");
    eventually("the first is recorded", || small.records("gap").pop());
    // The next record would come a minute later.
    client.send((1..=5).map(|n| event(n, "info")).collect::<String>());
    (0..5).for_each(|_| drop(client.reply().expect("it is refused")));
    small.daemon.again(End::Kill);
    let gaps = small.records("gap");
    let found: Vec<_> = gaps.iter().map(|gap| (&gap["reason"], &gap["events"])).collect();
    assert_eq!(
        format!("{found:?}"),
        r#"[(String("disk_full"), Number(1)), (String("not_summarised"), Number(5))]"#
    );
}
