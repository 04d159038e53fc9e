//! The package as it is installed.

use crate::container::Container;
use crate::service::UNIT;

pub fn stands_beside_the_linux_audit_package(container: &mut Container) {
    for package in ["auditd", "auditlogd"] {
        let status =
            container.run(&format!("dpkg-query --show --showformat='${{Status}}' {package}"));
        assert_eq!(status, "install ok installed", "{package}");
        assert_eq!(container.run(&format!("dpkg --verify {package}")), "", "{package}");
    }
    // The kernel's audit log is the other package's, with its names.
    assert_eq!(container.run("dpkg --search /sbin/auditctl").trim(), "auditd: /sbin/auditctl");
    assert_eq!(container.run("dpkg --search /sbin/auditd").trim(), "auditd: /sbin/auditd");
    for unit in [UNIT, "auditlogd.socket"] {
        assert_eq!(container.property(unit, "ActiveState"), "active", "{unit}");
        assert_eq!(container.property(unit, "UnitFileState"), "enabled", "{unit}");
    }
    container.assert_verifies();
}

pub fn modes_and_owners_are_as_documented(container: &mut Container) {
    container.emit("alice", "modes");
    let found = container.run(
        "stat --format='%n %F %a %U %G' /run/auditd.sock /run/auditlogd /var/log/auditlogd \
         /var/log/auditlogd/audit.jsonl /var/lib/auditlogd /var/lib/auditlogd/audit.db \
         /var/lib/auditlogd/ledger.state /var/lib/auditlogd/checkpoint.key",
    );
    let expected = "\
/run/auditd.sock socket 666 root root
/run/auditlogd directory 755 auditlogd auditlog
/var/log/auditlogd directory 750 auditlogd auditlog
/var/log/auditlogd/audit.jsonl regular file 640 auditlogd auditlog
/var/lib/auditlogd directory 750 auditlogd auditlog
/var/lib/auditlogd/audit.db regular file 640 auditlogd auditlog
/var/lib/auditlogd/ledger.state regular file 600 auditlogd auditlog
/var/lib/auditlogd/checkpoint.key regular file 600 auditlogd auditlog
";
    assert_eq!(found, expected);
    let link = "/run/auditlogd/auditd.sock";
    assert_eq!(container.run(&format!("realpath {link}")).trim(), "/run/auditd.sock");
    let event = r#"printf '{"event_type":"link","event_id":"by-link"}\n'"#;
    container.run_as("bob", &format!("{event} | socat - UNIX-CONNECT:{link}"));
    container.stored("by-link");
    let status = container.run(&format!("cat /proc/{}/status", container.daemon()));
    let uid = container.run("id --user auditlogd");
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:\t"));
    assert!(uids.is_some_and(|uids| uids.starts_with(uid.trim())), "{status}");
}

pub fn only_the_readers_group_reads(container: &mut Container) {
    container.emit("alice", "for-readers");
    container.stored("for-readers");
    container.run("usermod --append --groups auditlog reader");
    let query = "auditlog query --format jsonl for-readers";
    let sql = "sqlite3 -readonly /var/lib/auditlogd/audit.db 'SELECT count(*) > 0 FROM log'";
    let file = "grep --quiet for-readers /var/log/auditlogd/audit.jsonl";
    for command in [query, sql, file, "auditlog status"] {
        container.run_as("reader", command);
        let refused = container.try_run_as("alice", command);
        assert_ne!(refused.code, Some(0), "{command} as anybody: {}", refused.stdout);
        assert!(!refused.stdout.contains("for-readers"), "{}", refused.stdout);
    }
    let writes = [
        "echo x >> /var/log/auditlogd/audit.jsonl",
        "touch /var/log/auditlogd/planted",
        "sqlite3 /var/lib/auditlogd/audit.db 'DELETE FROM event_rows'",
        "cat /var/lib/auditlogd/ledger.state",
        "auditlog rotate",
    ];
    for command in writes {
        let refused = container.try_run_as("reader", command);
        assert_ne!(refused.code, Some(0), "{command} as a reader: {}", refused.stdout);
    }
    container.assert_verifies();
}

/// The variant that auditlogd.socket describes.
pub fn the_socket_can_be_for_a_group(container: &mut Container) {
    let drop_in = "/etc/systemd/system/auditlogd.socket.d/test.conf";
    container.write(drop_in, "[Socket]\nSocketMode=0660\nSocketGroup=auditlog-writers\n");
    container.run("groupadd auditlog-writers && usermod --append --groups auditlog-writers bob");
    container.run("systemctl daemon-reload && systemctl restart auditlogd.socket");
    container.emit("bob", "by-a-writer");
    let refused = container.try_run_as("alice", "auditlog emit --type test");
    assert_eq!(refused.code, Some(3), "{}{}", refused.stdout, refused.stderr);
    container.run(&format!("rm {drop_in}"));
    container.run("systemctl daemon-reload && systemctl restart auditlogd.socket");
    container.emit("alice", "open-to-all-again");
}

pub fn is_sandboxed(container: &mut Container) {
    container.run(&format!("systemd-analyze security --no-pager --threshold=15 {UNIT}"));
}
