//! What else runs on a host: the journal and logrotate.

use crate::container::Container;
use crate::oracle;
use crate::service::UNIT;
use crate::traffic::Traffic;

pub fn goes_on_without_the_journal(container: &mut Container) {
    let journal = "systemd-journald.socket systemd-journald-dev-log.socket systemd-journald-audit.socket systemd-journald.service";
    container.run(&format!("systemctl stop {journal} 2>/dev/null"));
    assert_eq!(container.property("systemd-journald.service", "ActiveState"), "inactive");
    container.emit("alice", "no-journal");
    container.run(&format!("systemctl reload {UNIT}"));
    container.run(&format!("systemctl restart {UNIT}"));
    container.emit("alice", "restarted-without-journal");
    container.run("systemctl start systemd-journald.socket systemd-journald-dev-log.socket systemd-journald.service");
    container.emit("alice", "journal-again");
    container.run(&format!("systemctl restart {UNIT}"));
    for id in ["no-journal", "restarted-without-journal", "journal-again"] {
        container.stored(id);
    }
    container.run("journalctl --sync");
    let said = container.run(&format!("journalctl --unit={UNIT} --lines=5 --output=cat"));
    assert!(!said.trim().is_empty(), "what the daemon says is in the journal again");
}

pub fn logrotate_loses_nothing(container: &mut Container) {
    let before = oracle::segments(container).len();
    let traffic = Traffic::start(container, "logrotate");
    for _ in 0..3 {
        // The name of the rotated file has the second in it.
        container.run("s=$(date +%s); while [ $(date +%s) = $s ]; do sleep 0.05; done");
        container.run("logrotate --force /etc/logrotate.d/auditlogd");
        traffic.flows();
    }
    traffic.finish().assert_perfect();
    assert_eq!(oracle::segments(container).len(), before + 3);
    container.assert_verifies();
}
