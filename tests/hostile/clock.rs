//! Clocks that somebody sets to any time there is, and back: the log goes on in its order, says so, and maintenance
//! deletes nothing that it should keep. No test sets the clock of the machine.

use std::path::Path;
use std::sync::{Arc, Mutex};

use auditlogd::clock::{Clock, Now};
use auditlogd::config::{self, Config, Sources};
use auditlogd::event::FieldMap;
use auditlogd::fs::Real;
use auditlogd::maintain::holds::Holds;
use auditlogd::maintain::{Cause, Runner, Settings, Setup, Watcher};
use serde_json::Value;

use crate::common::auditor::{Auditor, Macs};
use crate::common::lab::{START_NS, new_root, now, paths};
use crate::common::running::Running;
use crate::common::tool;

const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3600 * SECOND;
const YEAR: i64 = 365 * 24 * HOUR;

/// What the clock is set to: more than a kernel takes (clock_settime(2) refuses what is before 1970 and after 2232).
const TIMES: [(&str, i64); 6] = [
    ("ten years ahead", START_NS + 10 * YEAR),
    ("ten years back", START_NS - 10 * YEAR),
    ("1970", 0),
    ("before 1970", -SECOND - 1),
    ("2106", (1 << 32) * SECOND),
    ("the end of nanoseconds", i64::MAX - 20 * SECOND),
];

/// A daemon's engine and its maintenance, with a clock of their own.
struct Host {
    running: Running,
    config: Config,
    runner: Runner,
    clock: Arc<Mutex<Now>>,
}

impl Host {
    fn start(root: &Path, boot: u32, now: Now) -> Self {
        let sources = Sources { root: Some(root.into()), ..Sources::default() };
        let mut config = config::load(&sources).expect("the defaults");
        config.maintenance.keep_days = 1;
        let fs = Arc::new(Real::default());
        let running = Running::start_with(fs.clone(), root, boot, now, |config| {
            (config.ledger.epoch_seconds, config.ledger.idle_seconds) = (1, 1);
        });
        let running = running.expect("the engine starts");
        let clock = Arc::new(Mutex::new(now));
        let setup = Setup {
            fs: fs.clone(),
            paths: paths(root),
            clock: Clock::Manual(clock.clone()),
            boot_id: format!("11111111-{boot}"),
            log_id: running.engine.log_id().to_owned(),
            writer: running.writer(),
            index: running.index(),
            database: config.database(),
            holds: Arc::new(Holds::new(fs, &config.state_dir)),
            metrics: running.metrics.clone(),
            on_space: Box::new(|_| {}),
        };
        Self { running, config, runner: Runner::new(setup), clock }
    }

    fn set(&self, now: Now) {
        self.running.set(now);
        *self.clock.lock().expect("the clock") = now;
    }

    /// A part of a host's life: events, a rotation, a run of maintenance.
    fn live(&mut self, name: &str) {
        for n in 0..2 {
            self.running.store(&format!("{{\"name\":\"{name} {n}\"}}")).expect("stored");
        }
        self.running.writer().rotate("by hand".into()).expect("rotates");
        self.running.store(&format!("{{\"name\":\"{name} 2\"}}")).expect("stored");
        let settings = Settings::of(&self.config, FieldMap::builtin().into());
        let watcher = Watcher { stop: &|| false, doing: &|_| {} };
        self.runner.run(Cause::default(), &settings, &watcher);
    }
}

/// What stands between `"name":"` and the next quote in each event of the database, in the order of the log.
fn names(root: &Path) -> Vec<String> {
    let query = ["query", "--format", "jsonl", "--limit", "0", "--reverse"];
    let rows = String::from_utf8(tool(root, &query).stdout).expect("UTF-8");
    let name = |row: &str| {
        let row: Value = serde_json::from_str(row).expect("JSON");
        let event: Value = match &row["event"] {
            Value::String(text) => serde_json::from_str(text).expect("JSON"),
            event => event.clone(),
        };
        event["name"].as_str().map(str::to_owned)
    };
    rows.lines().filter_map(name).collect()
}

fn set_and_set_back(what: &str, wall_ns: i64) {
    let root = new_root();
    let mut host = Host::start(root.path(), 1, now(100));
    let auditor = Auditor::of(root.path());
    host.live("before");
    // Two seconds of the boot clock pass, and the wall clock is anywhere.
    host.set(Now { wall_ns, ..now(102) });
    host.live("during");
    host.set(now(104));
    host.live("after");
    host.set(Now { wall_ns, ..now(106) });
    host.running.stop().expect("stops well");
    let mut host = Host::start(root.path(), 1, Now { wall_ns: wall_ns + SECOND, ..now(108) });
    host.live("started");
    host.running.wait_until_indexed();
    host.running.stop().expect("stops well");

    let expected = ["before", "during", "after", "started"];
    let expected: Vec<_> =
        expected.iter().flat_map(|name| (0..3).map(move |n| format!("{name} {n}"))).collect();
    assert_eq!(names(root.path()), expected, "{what}");
    for macs in [Macs::Checked, Macs::Unchecked] {
        let said = auditor.verify(root.path(), macs, &[]);
        assert_eq!(said.code, Some(0), "{what}: {}", said.text);
    }
    let deleted = tool(root.path(), &["query", "--type", "auditlogd.pruned"]);
    assert_eq!(
        deleted.status.code(),
        Some(1),
        "{what}: {}",
        String::from_utf8_lossy(&deleted.stdout)
    );
}

#[test]
fn a_clock_that_is_set_to_any_time_and_back_costs_no_event_and_raises_no_alarm() {
    for (what, wall_ns) in TIMES {
        set_and_set_back(what, wall_ns);
    }
}
