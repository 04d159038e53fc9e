//! The package goes; the log stays.

use crate::container::Container;
use crate::image;
use crate::packages::Revision;
use crate::service::UNIT;

/// What an auditor needs of a host.
const EVIDENCE: [&str; 3] = [
    "/var/log/auditlogd/audit.jsonl",
    "/var/lib/auditlogd/seals.jsonl",
    "/var/lib/auditlogd/ledger.state",
];

fn installed() -> Container {
    let container = Container::boot(&image::directory());
    container.install(Revision::First);
    container.emit("alice", "before");
    container.stored("before");
    container
}

/// Fails unless all evidence is there, and the user that owns it.
fn assert_kept(container: &Container) {
    for path in EVIDENCE {
        assert_eq!(container.run(&format!("stat --format=%U {path}")).trim(), "auditlogd");
    }
}

fn assert_gone_on_again(container: &Container, id: &str) {
    container.install(Revision::First);
    container.emit("alice", id);
    container.stored(id);
    container.stored("before");
    container.assert_verifies();
}

pub fn removing_keeps_everything() {
    let container = installed();
    container.configure("log_level = \"debug\"\n");
    container.run("dpkg --remove auditlogd");
    assert_eq!(container.property(UNIT, "LoadState"), "not-found");
    assert!(!container.path("/run/auditd.sock").exists(), "nobody takes events any more");
    assert!(!container.path("/usr/bin/auditlogd").exists());
    assert_kept(&container);
    assert!(container.path("/etc/auditlogd/auditlogd.toml").exists(), "the configuration stays");
    assert!(container.path("/etc/auditlogd/conf.d/50-test.toml").exists());
    assert_gone_on_again(&container, "installed-again");
}

pub fn purging_keeps_the_log_unless_decommissioned() {
    let container = installed();
    let said = container.run("dpkg --purge auditlogd 2>&1");
    assert!(said.contains("/var/log/auditlogd"), "it says what it keeps: {said}");
    assert!(said.contains("decommission"), "and how it would go: {said}");
    assert_kept(&container);
    assert!(!container.path("/etc/auditlogd/auditlogd.toml").exists());
    assert_gone_on_again(&container, "after-a-purge");
    container.decommission();
    container.run("dpkg --purge auditlogd");
    for path in EVIDENCE {
        assert!(!container.path(path).exists(), "{path} was decommissioned");
    }
    container.run("getent passwd auditlogd");
}
