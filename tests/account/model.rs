//! Random traffic of many users through the engine, with stops, crashes, reboots and rotations between: at any moment
//! the counters, the records of sums and the lines say the same as a model.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::mpsc::sync_channel;

use auditlogd::engine::{Audit, Item, Submission};
use auditlogd::ledger::reader::Reader;
use auditlogd::ledger::segment;
use auditlogd::record::{Record, Sums};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::common::lab;
use crate::common::running::Running;

#[derive(Clone, Debug)]
enum Step {
    /// A user's lines: accepted or not.
    Lines(u32, Vec<bool>),
    Summary(u32, u64),
    Missing(u32, u64),
    /// Raised by whoever finds a repeated event.
    Repeated(u32, u64),
    Rotate,
    /// Long enough for sums to be said.
    Pass,
    Stop,
    /// The files as they are now, without a stop.
    Kill,
    Reboot,
}

fn step() -> impl Strategy<Value = Step> {
    let uid = 0u32..5;
    prop_oneof![
        8 => (uid.clone(), prop::collection::vec(any::<bool>(), 1..8))
            .prop_map(|(uid, lines)| Step::Lines(uid, lines)),
        2 => (uid.clone(), 1u64..99).prop_map(|(uid, n)| Step::Summary(uid, n)),
        1 => (uid.clone(), 1u64..99).prop_map(|(uid, n)| Step::Missing(uid, n)),
        1 => (uid, 1u64..9).prop_map(|(uid, n)| Step::Repeated(uid, n)),
        2 => Just(Step::Rotate),
        3 => Just(Step::Pass),
        1 => Just(Step::Stop),
        2 => Just(Step::Kill),
        1 => Just(Step::Reboot),
    ]
}

struct World {
    root: TempDir,
    running: Option<Running>,
    boot: u32,
    seconds: u64,
    model: BTreeMap<u32, Sums>,
}

impl World {
    fn new() -> Self {
        let root = lab::new_root();
        let running = Some(Running::start(root.path(), 0, lab::now(0)));
        Self { root, running, boot: 0, seconds: 0, model: BTreeMap::new() }
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs")
    }

    fn go(&mut self, step: Step) {
        match step {
            Step::Lines(uid, lines) => self.lines(uid, &lines),
            Step::Summary(uid, lines) => {
                self.taken(uid, lines).summarised += lines;
                let summary = Record::RejectedSummary { lines, bytes: 1, uid, over_ms: 1 };
                self.running().writer().record_durably(summary);
            }
            Step::Missing(uid, events) => {
                self.taken(uid, events).missing += events;
                let (since, until) = (String::new(), String::new());
                let (reason, uid, exact) = ("disk_full", Some(uid), true);
                let gap = Record::Gap { reason, uid, events, bytes: 1, exact, since, until };
                self.running().writer().record_durably(gap);
            }
            Step::Repeated(uid, lines) => {
                self.taken(uid, lines).repeated += lines;
                self.running().metrics.accounts.of(uid).repeated.add(lines);
            }
            Step::Rotate => drop(self.running().writer().rotate("the test".into())),
            Step::Pass => {
                self.seconds += 61;
                self.running().pass(61, 61);
                // Whatever makes the writer's loop come round.
                let reason = "the test".into();
                self.running().writer().record_durably(Record::Stopped { reason });
                self.running().reopen();
            }
            Step::Stop => {
                self.running.take().expect("it runs").stop().expect("stopped");
                self.start();
            }
            Step::Kill => self.crash(),
            Step::Reboot => {
                self.boot += 1;
                self.crash();
            }
        }
    }

    fn taken(&mut self, uid: u32, lines: u64) -> &mut Sums {
        self.running().metrics.accounts.of(uid).lines.add(lines);
        self.model.entry(uid).or_default()
    }

    fn lines(&mut self, uid: u32, lines: &[bool]) {
        let sums = self.taken(uid, lines.len() as u64);
        let rejected = Record::Rejected {
            code: "invalid_json",
            message: "no".into(),
            line: 1,
            bytes: 1,
            raw: String::new(),
        };
        let (mut text, mut items) = (Vec::new(), Vec::new());
        for accepted in lines {
            let event = if *accepted { "{}".to_owned() } else { rejected.to_json() };
            *(if *accepted { &mut sums.stored } else { &mut sums.refused }) += 1;
            items.push(Item::of(0, event.len(), *accepted));
            text.extend_from_slice(event.as_bytes());
        }
        let peer = format!(r#"{{"pid":7,"uid":{uid},"gid":0,"unit":null,"exe":null}}"#);
        let (told, answer) = sync_channel(1);
        let on_commit = Some(Box::new(move |result: Result<_, _>| {
            told.send(result.is_ok()).expect("somebody waits");
        }) as _);
        let submission =
            Submission { peer: peer.into(), uid, text, items, origin: None, on_commit };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime
            .block_on(self.running().engine.submitter().flow(0).submit(submission))
            .expect("it runs");
        assert!(answer.recv().expect("an answer"));
    }

    /// Goes on with a copy of the files as they are.
    fn crash(&mut self) {
        self.running().wait_until_indexed();
        let copy = lab::new_root();
        for dir in ["var/log/auditlogd", "var/lib/auditlogd"] {
            for file in fs::read_dir(self.root.path().join(dir)).expect("lists") {
                let from = file.expect("an entry").path();
                let to = copy.path().join(dir).join(from.file_name().expect("a name"));
                fs::copy(&from, to).expect("copies");
            }
        }
        self.running.take().expect("it runs").stop().expect("stopped");
        self.root = copy;
        // Repeated lines are in no line of the log: those that it has not said yet are lost.
        let said = audit(self.root.path()).users;
        for (uid, sums) in &mut self.model {
            let said = said.get(uid).map_or(0, |sums| sums.repeated);
            assert!(said <= sums.repeated, "of {uid}");
            sums.repeated = said;
        }
        self.start();
    }

    fn start(&mut self) {
        self.seconds += 1;
        let now = lab::now(self.seconds);
        self.running = Some(Running::start(self.root.path(), self.boot, now));
    }

    /// The lines and the sums that the log says are those of the model.
    fn check(&self) {
        let audit = audit(self.root.path());
        assert_eq!(audit.findings, []);
        let shown = |users: &BTreeMap<u32, Sums>| {
            let shown = users.iter().map(|(uid, sums)| (*uid, sums.shown()));
            shown.filter(|(_, sums)| *sums != Sums::default()).collect::<BTreeMap<_, _>>()
        };
        assert_eq!(shown(&audit.users), shown(&self.model));
        for (uid, account) in self.running().metrics.accounts.snapshot() {
            assert_eq!(account.waiting(), 0, "of {uid}");
            assert_eq!(account.lines, account.sums().settled(), "of {uid}");
        }
    }
}

fn audit(root: &Path) -> Audit {
    let dir = lab::paths(root).log_dir;
    let log_id = segment::list(&dir).expect("lists")[0].header.log_id.clone();
    let mut audit = Audit::new(None);
    Reader::new(&dir, &log_id).each(0, u64::MAX, |line| audit.line(line)).expect("reads");
    audit
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn the_counters_the_sums_and_the_lines_say_the_same(
        steps in prop::collection::vec(step(), 1..25),
    ) {
        let mut world = World::new();
        for step in steps {
            world.go(step);
            world.check();
        }
        world.running.take().expect("it runs").stop().expect("stopped");
        let found = audit(world.root.path());
        prop_assert_eq!(found.findings, []);
        // The last record says them all, also those that no line shows.
        world.model.retain(|_, sums| *sums != Sums::default());
        prop_assert_eq!(found.users, world.model);
    }
}
