//! Directories that somebody removes while the daemon writes.

use std::fs;
use std::path::Path;

use crate::common::{Daemon, verify};

/// How often a text is in the files of the log.
fn count(root: &Path, text: &str) -> usize {
    let entries = fs::read_dir(root.join("var/log/auditlogd")).expect("there again");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let segments = paths.filter(|path| path.extension().is_some_and(|ext| ext == "jsonl"));
    segments.map(|path| fs::read_to_string(path).expect("text").matches(text).count()).sum()
}

#[test]
fn a_log_directory_that_is_removed_comes_back_with_the_lines_of_the_active_segment() {
    let daemon = Daemon::start_with("landlock = false\n");
    let mut client = daemon.greeted();
    client.store("{\"event_type\":\"before\"}", 1);
    fs::remove_dir_all(daemon.root().join("var/log/auditlogd")).expect("removed");
    client.store("{\"event_type\":\"after\"}", 2);
    for event in ["\"before\"", "\"after\""] {
        assert_eq!(count(daemon.root(), event), 1, "{event}");
    }
    daemon.settle();
    let stopped = daemon.stop();
    assert!(stopped.status.success());
    // That it was removed is told; that is all.
    let (_, said) = verify(stopped.daemon.root());
    assert!(
        said.starts_with("INCOMPLETE") && said.contains("was deleted; all of its lines"),
        "{said}"
    );
}

/// One that restricts itself may not make a directory. It ends, and the next one has everything.
#[test]
fn a_daemon_that_cannot_make_the_directory_again_leaves_its_lines_to_the_next() {
    let daemon = Daemon::start();
    let mut client = daemon.greeted();
    client.store("{\"event_type\":\"before\"}", 1);
    fs::remove_dir_all(daemon.root().join("var/log/auditlogd")).expect("removed");
    client.send("{\"event_type\":\"after\"}\n");
    while client.reply().is_some_and(|reply| reply["error"].is_null()) {}
    let stopped = daemon.wait();
    let said = stopped.daemon.log();
    if said.contains("restricted by landlock") {
        assert!(!stopped.status.success(), "{said}");
        assert!(said.contains("sheltered.jsonl"), "{said}");
    }
    let daemon = Daemon::start_in(stopped.daemon.kill(), "");
    daemon.greeted().store("{\"event_type\":\"after\"}", 1);
    assert_eq!(count(daemon.root(), "\"before\""), 1);
    assert!(!daemon.root().join("var/lib/auditlogd/sheltered.jsonl").exists());
    daemon.settle();
    let (_, said) = verify(daemon.root());
    assert!(said.starts_with("INCOMPLETE"), "{said}");
}
