//! Directories that somebody removes while the daemon writes.

use std::fs;

use crate::common::{Daemon, verify};

#[test]
fn a_log_directory_that_is_removed_comes_back_with_all_its_lines() {
    let daemon = Daemon::start();
    let mut client = daemon.greeted();
    client.store("{\"event_type\":\"before\"}", 1);
    fs::remove_dir_all(daemon.root().join("var/log/auditlogd")).expect("removed");
    client.store("{\"event_type\":\"after\"}", 2);
    let dir = daemon.root().join("var/log/auditlogd");
    let mut all = String::new();
    for entry in fs::read_dir(dir).expect("there again") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|ext| ext == "jsonl") {
            all += &fs::read_to_string(path).expect("text");
        }
    }
    for event in ["\"before\"", "\"after\""] {
        assert_eq!(all.matches(event).count(), 1, "{event}");
    }
    daemon.settle();
    let stopped = daemon.stop();
    assert!(stopped.status.success());
    let (code, said) = verify(stopped.daemon.root());
    assert_eq!(code, Some(0), "{said}");
}
