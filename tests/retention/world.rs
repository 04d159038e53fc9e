//! A log of days: what one run of retention sees of it, and does to it.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use auditlogd::clock::Now;
use auditlogd::event::FieldMap;
use auditlogd::fs::{Fs, Real};
use auditlogd::ledger::segment;
use auditlogd::ledger::verify::{Options, Report, Verdict, verify};
use auditlogd::maintain::holds::Holds;
use auditlogd::maintain::plan::{Fate, Plan, Terms, plan};
use auditlogd::maintain::prune::{Deleted, PruneError, Pruning, prune};
use auditlogd::maintain::scan::Lens;
use auditlogd::maintain::survey::{Memory, Segment, survey};
use auditlogd::retention::{Match, Rule, Rules};
use data_encoding::HEXLOWER;
use serde_json::Value;
use tempfile::TempDir;

use crate::common::lab;
use crate::common::running::Running;

pub const DAY: i64 = 86_400;

pub struct World {
    pub root: TempDir,
    pub running: Running,
    pub holds: Arc<Holds>,
    pub memory: Memory,
    /// What the rules are; 90 days for everything at first.
    pub rules: Rules,
    /// What they are when space is low.
    pub early: Option<Rules>,
    /// Bytes that the disk lacks.
    pub shortfall: u64,
    /// Segments that some archive has not taken.
    pub not_taken: Vec<u64>,
    /// What the time is believed to be; none: what the clock shows.
    pub believed_ns: Option<i64>,
    /// The disk for deletions.
    pub disk: Arc<dyn Fs>,
}

impl World {
    pub fn new() -> Self {
        Self::in_root(lab::new_root(), lab::now(0))
    }

    /// Goes on with a log, at this time.
    pub fn in_root(root: TempDir, now: Now) -> Self {
        let disk: Arc<dyn Fs> = Arc::new(Real::default());
        let running = Running::start_with(disk.clone(), root.path(), 1, now, |config| {
            // Nothing happens but what the test does.
            (config.ledger.rotate_bytes, config.ledger.rotate_seconds) = (0, 0);
            (config.ledger.epoch_seconds, config.ledger.idle_seconds) = (u64::MAX, u64::MAX);
        });
        let holds = Arc::new(Holds::new(disk.clone(), &lab::paths(root.path()).state_dir));
        Self {
            root,
            running: running.expect("the engine starts"),
            holds,
            memory: Memory::default(),
            rules: Rules::of_days(90),
            early: None,
            shortfall: 0,
            not_taken: Vec::new(),
            believed_ns: None,
            disk,
        }
    }

    /// A log of this many days with one event each.
    pub fn of_days(days: usize) -> Self {
        let mut world = Self::new();
        (0..days).for_each(|_| world.day(&["a"]));
        world
    }

    /// A day with an event of each of these types, in a segment of its own.
    pub fn day(&mut self, event_types: &[&str]) {
        let event = |event_type: &&str| format!(r#"{{"event_type":"{event_type}"}}"#);
        self.running.store_all(&event_types.iter().map(event).collect::<Vec<_>>()).expect("stored");
        self.running.writer().rotate("the day is over".into()).expect("rotates");
        self.pass(1);
    }

    pub fn pass(&self, days: i64) {
        self.running.pass(days * DAY, (days * DAY) as u64);
    }

    /// Adds a rule for events of a type.
    pub fn keep(&mut self, event_type: &str, keep_days: u64) {
        let what = Match { event_type: vec![event_type.into()], ..Match::default() };
        self.rules.rules.push(Rule { what, keep_days });
    }

    pub fn log_dir(&self) -> PathBuf {
        lab::paths(self.root.path()).log_dir
    }

    pub fn state_dir(&self) -> PathBuf {
        lab::paths(self.root.path()).state_dir
    }

    pub fn log_id(&self) -> String {
        segment::list(&self.log_dir()).expect("lists")[0].header.log_id.clone()
    }

    /// What a run decides.
    pub fn plan(&mut self) -> Plan {
        let holds = Holds::load(&self.state_dir()).expect("the holds can be read");
        let lens = Lens {
            rules: self.rules.clone(),
            early: self.early.clone(),
            fields: vec![Arc::new(FieldMap::builtin())],
            holds,
        };
        let wall_ns = self.running.now().wall_ns;
        let now_ns = self.believed_ns.unwrap_or(wall_ns);
        let dir = self.log_dir();
        let log_id = self.log_id();
        let active = Some(self.running.metrics().segment.get());
        let segments = survey(&dir, &log_id, active, &lens, now_ns, &mut self.memory, &|| false)
            .expect("reads");
        let not_taken = |segment: &Segment| {
            let lacks = self.not_taken.contains(&segment.header.segment);
            if lacks { vec!["directory /mnt/a".into()] } else { Vec::new() }
        };
        let (shortfall, min_keep_days) = (self.shortfall, 7);
        plan(segments, &Terms { now_ns, wall_ns, shortfall, min_keep_days, not_taken: &not_taken })
    }

    /// Deletes what a plan says.
    pub fn delete(&self, plan: &Plan) -> Result<Deleted, PruneError> {
        let planned_with = Holds::load(&self.state_dir())?;
        let (fs, log_dir) = (&*self.disk, &*self.log_dir());
        let writer = &self.running.writer();
        let with = Pruning { fs, log_dir, writer, holds: &self.holds, planned_with: &planned_with };
        prune(plan, &with)
    }

    /// A whole run that goes well.
    pub fn run(&mut self) -> Deleted {
        let plan = self.plan();
        let deleted = self.delete(&plan).expect("deletes");
        assert!(deleted.errors.is_empty(), "{:?}", deleted.errors);
        deleted
    }

    /// The numbers of the segments that are there.
    pub fn numbers(&self) -> Vec<u64> {
        let found = segment::list(&self.log_dir()).expect("lists");
        found.iter().map(|found| found.header.segment).collect()
    }

    pub fn segment(&self, number: u64) -> PathBuf {
        let found = segment::list(&self.log_dir()).expect("lists");
        let found = found.into_iter().find(|found| found.header.segment == number);
        found.expect("the segment is there").path
    }

    /// The data of the daemon's own records of a type.
    pub fn records(&self, event_type: &str) -> Vec<Value> {
        let mut records = Vec::new();
        for found in segment::list(&self.log_dir()).expect("lists") {
            let text = fs::read_to_string(&found.path).expect("reads");
            let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("json"));
            let wanted = format!("auditlogd.{event_type}");
            records.extend(
                lines
                    .filter(|line| line["event"]["event_type"] == wanted.as_str())
                    .map(|line| line["event"]["data"].clone()),
            );
        }
        records
    }

    pub fn verify(&self) -> Report {
        let paths = lab::paths(self.root.path());
        let options = Options {
            genesis: Some(key(&paths.genesis_pub())),
            auditor_key: Some(key(&paths.auditor_key()).into()),
            now_ns: self.running.now().wall_ns,
            ..Options::new(paths)
        };
        verify(&options, &mut |_, _| {})
    }

    /// Expects that the log holds.
    pub fn verify_ok(&self, at: &str) -> Report {
        let report = self.verify();
        assert_eq!(report.verdict, Verdict::OkUnanchored, "{at}: {:#?}", report.findings);
        report
    }

    /// The same, with one hole: at its beginning.
    pub fn holds_from_its_first_segment(&self) {
        let report = self.verify_ok("");
        let [hole] = report.holes.as_slice() else { panic!("{:?}", report.holes) };
        assert_eq!((hole.first_seq, hole.through_seq + 1), (0, report.figures.first_seq));
    }

    /// The same, with these holes.
    pub fn holds_with(&self, holes: &[Range<u64>]) {
        let report = self.verify_ok("");
        let found: Vec<_> = report.holes.iter().map(|h| h.first_seq..h.through_seq + 1).collect();
        assert_eq!(found, holes);
    }
}

fn key(path: &Path) -> [u8; 32] {
    let text = fs::read_to_string(path).expect("a key");
    let bytes = HEXLOWER.decode(text.trim().as_bytes()).expect("hex");
    bytes.try_into().expect("32 bytes")
}

/// What becomes of each segment, in a word.
pub fn fates(plan: &Plan) -> Vec<&'static str> {
    let word = |fate: &Fate| match fate {
        Fate::Go(going) if going.early => "go early",
        Fate::Go(_) => "go",
        Fate::Keep(why) => why.code(),
    };
    plan.segments.iter().map(|(_, fate)| word(fate)).collect()
}

/// The leaves of the segments `numbers` of a plan.
pub fn leaves(plan: &Plan, numbers: Range<usize>) -> Range<u64> {
    let scan = |n: usize| plan.segments[n].0.scan.as_ref().expect("was read");
    scan(numbers.start).first_seq..scan(numbers.end - 1).end
}
