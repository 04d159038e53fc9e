//! `systemctl reload`.

use crate::container::Container;
use crate::service::UNIT;

pub fn is_in_force_when_it_returns(container: &mut Container) {
    for round in 0..5 {
        for (require, expected) in [("[\"actor\"]", 1), ("[]", 0)] {
            container.configure(&format!("[ingest]\nrequire = {require}\n"));
            container.run(&format!("systemctl reload {UNIT}"));
            // Nothing waits in between: the first event after the reload is judged by the new rules.
            let sent = container.try_run("auditlog emit --type test --target reload");
            assert_eq!(sent.code, Some(expected), "round {round}, {require}: {}", sent.stderr);
        }
    }
    assert_eq!(container.property(UNIT, "ActiveState"), "active");
}

pub fn fails_with_a_wrong_configuration(container: &mut Container) {
    let daemon = container.daemon();
    container.configure("log_level = \"loud\"\n");
    let reload = container.try_run(&format!("systemctl reload {UNIT}"));
    container.configure("");
    assert_ne!(reload.code, Some(0), "a wrong configuration fails the reload");
    let journal = container.run(&format!("journalctl --unit={UNIT} --lines=20 --output=cat"));
    assert!(journal.contains("loud"), "the journal says what is wrong: {journal}");
    // It goes on with what was in force.
    assert_eq!(container.property(UNIT, "ActiveState"), "active");
    assert_eq!(container.daemon(), daemon);
    container.emit("alice", "after-a-wrong-reload");
    container.run(&format!("systemctl reload {UNIT}"));
}
