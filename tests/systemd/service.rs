//! The installed service, as the cases look at it.

use serde_json::Value;

use crate::container::{Container, LONG, wait};
use crate::packages::{self, Revision};

pub const UNIT: &str = "auditlogd.service";
const DATABASE: &str = "/var/lib/auditlogd/audit.db";

impl Container {
    /// Installs the .deb and waits until the service is ready.
    pub fn install(&self, revision: Revision) -> String {
        let deb = self.push(&packages::deb(revision), "/root");
        self.run(&format!("dpkg --install {deb} 2>&1"))
    }

    /// Asks the database; the rows as text.
    pub fn sql(&self, query: &str) -> String {
        self.run(&format!("sqlite3 -readonly {DATABASE} \"{query}\""))
    }

    /// The same where the database may not be there.
    pub fn try_sql(&self, query: &str) -> String {
        self.try_run(&format!("sqlite3 -readonly {DATABASE} \"{query}\"")).stdout
    }

    /// Sends an event as a user and waits until it is on disk.
    pub fn emit(&self, user: &str, id: &str) {
        self.run_as(user, &format!("auditlog emit --type test --event-id {id}"));
    }

    /// Waits until the event with this id is in the database; all that `auditlog query` prints of it.
    pub fn stored(&self, id: &str) -> Value {
        wait(&format!("{id} is in the database"), LONG, || {
            let found = self.sql(&format!("SELECT count(*) FROM events WHERE id = '{id}'"));
            (found.trim() == "1").then_some(())
        });
        let text = self.run(&format!("auditlog query --format jsonl {id}"));
        // The text may stand in others, too.
        let mut found = text.lines().map(|line| serde_json::from_str(line).expect("an event"));
        found.find(|event: &Value| event["id"] == id).expect("the event")
    }

    /// The process that is the daemon, by its number inside.
    pub fn daemon(&self) -> String {
        self.property(UNIT, "MainPID")
    }

    /// Waits until another daemon than this one is ready.
    pub fn wait_for_successor(&self, daemon: &str) {
        wait("the next daemon is ready", LONG, || {
            let active = self.property(UNIT, "ActiveState") == "active";
            (active && self.daemon() != daemon).then_some(())
        });
    }

    /// Gives the log up, so that a purge may delete it.
    pub fn decommission(&self) {
        let segment = std::fs::read_to_string(self.path("/var/log/auditlogd/audit.jsonl"));
        let segment = segment.expect("reads the active segment");
        let header: Value =
            serde_json::from_str(segment.lines().next().expect("a header")).expect("JSON");
        let id = header["log_id"].as_str().expect("the log's id");
        self.run(&format!("auditlog decommission --reason 'end of test' --yes {id}"));
    }

    /// Writes a configuration beside the package's.
    pub fn configure(&self, toml: &str) {
        self.write("/etc/auditlogd/conf.d/50-test.toml", toml);
    }

    /// Fails unless the log verifies and is whole.
    pub fn assert_verifies(&self) {
        let verdict = self.run("auditlog verify");
        assert!(verdict.starts_with("OK"), "{verdict}");
    }

    /// The same of a log whose daemon was killed: that the log then lacks nothing, only clients can say.
    pub fn assert_untampered(&self) {
        let ended = self.try_run("auditlog verify");
        let crashed = ended.code == Some(5) && ended.stdout.contains("was killed or crashed");
        assert!(ended.code == Some(0) || crashed, "{:?}: {}", ended.code, ended.stdout);
    }
}
