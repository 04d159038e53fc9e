//! Where the window ends: by count, by time and over all users; across starts, clock steps and time that passed
//! while no daemon ran.

use auditlogd::clock::Now;

use crate::common::Daemon;
use crate::engine::{Host, Sent};
use crate::event;

#[test]
fn the_last_ones_are_known_and_no_more_before_and_after_a_start() {
    let mut host = Host::new(100, 600);
    for round in 0..2 {
        for n in 0..250 {
            assert!(!host.knows(&format!("{round}.{n}")));
        }
        let mut knows = |n: u32, again: bool| {
            if again {
                host.again();
            }
            host.knows(&format!("{round}.{n}"))
        };
        // What is not known is stored, and takes the place of the oldest one.
        assert!(knows(150, false) && !knows(149, false));
        assert!(knows(149, true) && (151..250).rev().all(|n| knows(n, false)));
        assert!(!knows(150, false));
    }
}

#[test]
fn the_time_counts_as_long_as_a_daemon_runs_and_no_longer() {
    // Known in steps of ten seconds.
    for restarts in [false, true] {
        let mut host = Host::new(100_000, 640);
        let pass = |host: &mut Host, seconds: u64| {
            host.running().pass(seconds as i64, seconds);
            // So that time passes between lines.
            host.store(Sent { uid: 8, ..Sent::of("tick") });
            if restarts {
                let mut now = host.stop();
                // Half a day later.
                now.wall_ns += 43_200_000_000_000;
                now.boot_ns += 43_200_000_000_000;
                host.start_at(now);
            }
        };
        host.store(Sent::of("old"));
        pass(&mut host, 300);
        host.store(Sent::of("young"));
        pass(&mut host, 339);
        assert!(host.knows("old") && host.knows("young"), "restarts: {restarts}");
        pass(&mut host, 12);
        assert!(!host.knows("old") && host.knows("young"), "restarts: {restarts}");
        pass(&mut host, 288);
        assert!(host.knows("young"), "restarts: {restarts}");
        pass(&mut host, 12);
        assert!(!host.knows("young"), "restarts: {restarts}");
    }
}

#[test]
fn a_clock_that_is_set_changes_nothing() {
    for step in [-7_200, 7_200] {
        let mut host = Host::new(100_000, 640);
        host.store(Sent::of("a"));
        host.running().pass(100, 100);
        host.store(Sent::of("b"));
        host.running().pass(step, 0);
        assert!(host.knows("a") && host.knows("b"), "{step}");
        host.store(Sent::of("c"));
        host.again();
        assert!(host.knows("a") && host.knows("b") && host.knows("c"), "{step}");
        // The time behind it counts as ever.
        host.running().pass(530, 530);
        host.again();
        assert!(host.knows("a") && host.knows("b"), "{step}");
        host.running().pass(20, 20);
        assert!(!host.knows("a") && host.knows("b"), "{step}");
        // While nobody looked, and in another boot.
        let Now { wall_ns, .. } = host.stop();
        host.boot += 1;
        let wall_ns = wall_ns + step * 1_000_000_000;
        host.start_at(Now { wall_ns, boot_ns: 5_000_000_000 });
        assert!(host.knows("b") && host.knows("c"), "{step}");
    }
}

#[test]
fn a_user_who_sends_much_pushes_nobody_out_before_or_after_a_start() {
    let mut host = Host::new(100, 600);
    let names: Vec<_> = (0..300).map(|n| n.to_string()).collect();
    let few: Vec<_> = names[..20].iter().map(|name| Sent::of(name)).collect();
    host.send(&few);
    for uid in 100..110 {
        let many: Vec<_> = names.iter().map(|name| Sent { uid, ..Sent::of(name) }).collect();
        host.send(&many);
    }
    assert!(few.iter().all(|sent| host.knows(sent.id)));
    assert_eq!(host.repeated(), 20);
    // A start fills the window from the newest line on: who wrote last is there in any case.
    host.send(&few);
    host.store(Sent::of("one more"));
    host.again();
    assert!(host.knows("one more"));
}

#[test]
fn it_can_be_switched_off_and_on_and_made_smaller_while_the_daemon_runs() {
    let config = |window: u64| format!("[ingest]\nrepeat_window = {window}\n");
    let daemon = Daemon::start_with(&config(0));
    let mut client = daemon.greeted();
    let mut line = 0;
    let mut store = |id: &str| {
        line += 1;
        client.store(event(id).trim_end(), line);
        daemon.events().len()
    };
    assert_eq!((store("a"), store("a")), (1, 2));
    daemon.configure(&config(2));
    daemon.reload();
    assert_eq!((store("a"), store("a")), (3, 3));
    assert_eq!((store("b"), store("b"), store("a")), (4, 4, 4));
    daemon.configure(&config(1));
    daemon.reload();
    assert_eq!((store("b"), store("a")), (4, 5));
    daemon.configure(&config(0));
    daemon.reload();
    assert_eq!(store("a"), 6);
    assert_eq!(daemon.records("config_changed").len(), 3);
}
