//! Nothing is lost and nobody is disconnected while 20 clients send 10,000 events a second, and never read.

use crate::container::{Container, LONG, wait};
use crate::packages::{self, Revision};
use crate::service::UNIT;
use crate::traffic::Traffic;

const ROUNDS: usize = 5;

pub fn restarts_lose_nothing(container: &mut Container) {
    let traffic = Traffic::start(container, "restart");
    for _ in 0..ROUNDS {
        container.run(&format!("systemctl restart {UNIT}"));
        traffic.flows();
    }
    traffic.finish().assert_perfect();
    container.assert_verifies();
}

pub fn kills_lose_nothing(container: &mut Container) {
    let traffic = Traffic::start(container, "kill");
    for _ in 0..ROUNDS {
        let daemon = container.daemon();
        container.run(&format!("kill -KILL {daemon}"));
        container.wait_for_successor(&daemon);
        traffic.flows();
    }
    traffic.finish().assert_perfect();
    container.assert_untampered();
}

pub fn an_upgrade_loses_nothing(container: &mut Container) {
    let deb = container.push(&packages::deb(Revision::Next), "/root");
    let daemon = container.daemon();
    let traffic = Traffic::start(container, "upgrade");
    container.run(&format!("dpkg --install {deb}"));
    assert_ne!(container.daemon(), daemon, "the new program runs");
    traffic.flows();
    traffic.finish().assert_perfect();
    let version = container.run("dpkg-query --show --showformat='${Version}' auditlogd");
    assert!(version.ends_with("-2"), "{version}");
}

/// A stop closes connections, and stores what had been sent before.
pub fn a_stop_stores_what_was_sent(container: &mut Container) {
    let events: String = (0..2000)
        .map(|n| format!("{{\"event_type\":\"test\",\"event_id\":\"stop-{n}\"}}\n"))
        .collect();
    container.write("/tmp/events", &events);
    // The client keeps its connection open; it sees the end of it when the daemon stops.
    let mut client = container
        .program(LONG, &["socat", "-u", "UNIX-CONNECT:/run/auditd.sock", "STDOUT"])
        .spawn()
        .expect("nsenter runs");
    container.run("socat -u OPEN:/tmp/events UNIX-CONNECT:/run/auditd.sock");
    container.run(&format!("systemctl stop {UNIT} auditlogd.socket"));
    let ended = wait("the client sees the end", LONG, || client.try_wait().expect("waits"));
    assert!(ended.success(), "the client saw the end of its connection: {ended}");
    assert!(!container.path("/run/auditd.sock").exists(), "the socket goes with its unit");
    container.run(&format!("systemctl start auditlogd.socket {UNIT}"));
    container.stored("stop-1999");
    let stored = container.sql("SELECT count(*) FROM events WHERE id GLOB 'stop-*'");
    assert_eq!(stored.trim(), "2000");
}
