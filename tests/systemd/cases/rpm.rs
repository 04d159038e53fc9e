//! The .rpm, by the rpm tool. The container is a Debian, so what it depends on is not in rpm's database.

use crate::container::Container;
use crate::image;
use crate::packages::{self, Revision};
use crate::service::UNIT;
use crate::traffic::Traffic;

pub fn installs_upgrades_and_erases() {
    let container = Container::boot(&image::directory());
    let [first, next] = [Revision::First, Revision::Next]
        .map(|revision| container.push(&packages::rpm(revision), "/root"));
    let files = container.run(&format!("rpm --query --list --package {first}"));
    assert!(!files.lines().any(|file| file.starts_with("/var")), "{files}");

    container.run(&format!("rpm --install --nodeps {first}"));
    for unit in [UNIT, "auditlogd.socket"] {
        assert_eq!(container.property(unit, "UnitFileState"), "enabled", "{unit}");
    }
    container.run(&format!("systemctl start {UNIT}"));
    assert_eq!(container.run("rpm --verify --nodeps auditlogd"), "");
    container.emit("alice", "by-rpm");
    assert_eq!(container.stored("by-rpm")["peer"]["exe"], "/usr/bin/auditlog");

    let daemon = container.daemon();
    let traffic = Traffic::start(&container, "rpm");
    container.run(&format!("rpm --upgrade --nodeps {next}"));
    assert_ne!(container.daemon(), daemon, "the new program runs");
    traffic.flows();
    traffic.finish().assert_perfect();

    container.run("rpm --erase auditlogd");
    assert_eq!(container.property(UNIT, "LoadState"), "not-found");
    assert!(!container.path("/run/auditd.sock").exists(), "nobody takes events any more");
    for path in ["/var/log/auditlogd/audit.jsonl", "/var/lib/auditlogd/ledger.state"] {
        assert_eq!(container.run(&format!("stat --format=%U {path}")).trim(), "auditlogd");
    }
    container.run(&format!("rpm --install --nodeps {next} && systemctl start {UNIT}"));
    container.emit("alice", "again");
    container.stored("by-rpm");
    container.assert_verifies();
}
