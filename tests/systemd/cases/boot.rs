//! From the first moment of a boot to the last of a shutdown.

use serde_json::Value;

use crate::container::Container;
use crate::service::UNIT;

/// A service that logs long before ordinary ones are started, and long after they were ended.
const EARLY: &str = "[Unit]
DefaultDependencies=no
After=auditlogd.socket
Wants=auditlogd.socket
Before=sysinit.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/auditlog --root / emit --type test --event-id early-start
ExecStop=/usr/bin/auditlog --root / emit --type test --event-id late-stop

[Install]
WantedBy=sysinit.target
";

pub fn is_there_from_early_on_to_the_end(container: &mut Container) {
    container.write("/etc/systemd/system/early.service", EARLY);
    container.run("systemctl daemon-reload && systemctl --quiet enable early.service");
    container.reboot();
    container.stored("early-start");
    let reached = |unit: &str| -> u64 {
        let time = container.property(unit, "ActiveEnterTimestampMonotonic");
        time.parse().expect("microseconds")
    };
    assert!(reached(UNIT) <= reached("sysinit.target"), "ready before ordinary services start");
    assert!(reached("auditlogd.socket") <= reached("sysinit.target"));
    // The second boot shows what the first one's shutdown stored.
    container.reboot();
    let late = container.stored("late-stop");
    assert_eq!(late["peer"]["unit"], "early.service");
    container.run("systemctl --quiet disable early.service");
    container.run("rm /etc/systemd/system/early.service && systemctl daemon-reload");
}

pub fn a_reboot_continues_the_log(container: &mut Container) {
    let records = |container: &Container, name: &str| -> Vec<Value> {
        let text = container
            .try_run(&format!("auditlog query --reverse --format jsonl --type auditlogd.{name}"));
        text.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let recovered = records(container, "recovered").len();
    let stopped = records(container, "stopped").len();
    container.emit("alice", "before-the-reboot");
    container.reboot();
    container.emit("alice", "after-the-reboot");
    container.stored("before-the-reboot");
    container.stored("after-the-reboot");
    assert_eq!(records(container, "recovered").len(), recovered, "it was stopped in good order");
    assert_eq!(records(container, "stopped").len(), stopped + 1);
    container.assert_untampered();
}
