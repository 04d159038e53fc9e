//! A hundred and thirty days of a host in seconds: events, a rotation each day, maintenance, restarts, reboots, crashes.
//! What should be there is there, what should be gone is gone, in the ledger and in the database; the disk use
//! levels off, no file is left over, and verification finds nothing.

#[path = "../common/mod.rs"]
mod common;
mod world;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, Read};

use auditlogd::engine::{Database, verify_all};
use auditlogd::ledger::segment;
use auditlogd::ledger::verify::{Options, Report, Verdict};
use auditlogd::retention::Match;
use serde_json::Value;
use world::{DAY, HOUR, World};

const DAYS: u64 = 130;
/// Nothing is deleted that somebody has asked to keep.
const HELD: std::ops::Range<u64> = 25..115;

const CONFIG: &str = r#"
[ledger]
rotate_seconds = 0
rotate_bytes = 0

[[retention]]
event_type = "debug.*"
keep_days = 7

[[retention]]
event_type = ["trade.*", "order.*"]
keep_days = 1826
"#;

/// What was sent.
struct Event {
    id: String,
    day: u64,
    ts_ns: i64,
    keep_days: u64,
    held: bool,
    stored: bool,
}

impl Event {
    fn expires_ns(&self) -> i64 {
        self.ts_ns + (self.keep_days * DAY) as i64
    }

    /// Whether a hold keeps it on that day.
    fn is_held(&self, day: u64) -> bool {
        self.held && HELD.contains(&day)
    }
}

/// One submission of a day: some events of one type.
fn events(day: u64, hour: u64, world: &World) -> Vec<(Event, String)> {
    let ts_ns = world.now().wall_ns;
    let mut all = Vec::new();
    let mut add = |event_type: &str, actor: &str, keep_days: u64, count: u64| {
        for _ in 0..count {
            let id = format!("{day}-{hour}-{}", all.len());
            let text = format!(
                r#"{{"event_type":"{event_type}","actor":"{actor}","detail":"{:0>200}"}}"#,
                day * 1_000 + hour
            );
            let held = actor == "mallory";
            all.push((Event { id, day, ts_ns, keep_days, held, stored: false }, text));
        }
    };
    add("auth.login", "alice", 90, 6);
    add("debug.trace", "alice", 7, 6);
    if day == 20 && hour == 12 {
        add("auth.login", "mallory", 90, 3);
    }
    if [0, 1, 2].contains(&day) && hour == 9 {
        add("trade.order", "bob", 1_826, 2);
    }
    all
}

#[test]
fn months_of_rotation_compression_and_retention() {
    let mut world = World::new(CONFIG);
    let (mut sent, mut used) = (Vec::new(), Vec::new());
    for day in 0..DAYS {
        for hour in [0, 6, 9, 12, 18] {
            let batch = events(day, hour, &world);
            let lines: Vec<_> =
                batch.iter().map(|(event, text)| (event.id.clone(), text.clone())).collect();
            let stored = world.store(&lines);
            sent.extend(batch.into_iter().map(|(event, _)| Event { stored, ..event }));
            world.pass(4 * HOUR);
            // Some days each few hours, as the timer would.
            if day == 96 {
                world.maintain();
            }
        }
        match day {
            25 => world.hold("case-7", Match { actor: vec!["mallory".into()], ..Match::default() }),
            115 => world.release("case-7"),
            _ => {}
        }
        match day {
            40 | 100 => world.reboot(2 * HOUR),
            45 | 77 | 111 => {
                world.stop();
                world.start(None);
            }
            // A crash somewhere in the days that follow.
            4 | 9 | 14 | 18 | 22 | 27 => {
                world.stop();
                world.start(Some(20 + 31 * (day % 7)));
            }
            _ => {}
        }
        world.pass(4 * HOUR);
        world.rotate();
        world.maintain();
        used.push(bytes(&world));
        if [34, 97, 114].contains(&day) {
            check(&mut world, &sent, day);
        }
    }
    assert!(world.crashes >= 5, "only {} crashes", world.crashes);
    // The last crash is ninety days ago, and so its trace is gone too.
    assert_eq!(check(&mut world, &sent, DAYS - 1), Verdict::OkUnanchored);
    assert_bounded(&used);
    world.stop();
}

#[test]
fn a_clock_that_jumps_years_ahead_deletes_nothing() {
    const YEARS: i64 = 3_650 * DAY as i64;
    let mut world = World::new(CONFIG);
    let mut sent = Vec::new();
    for day in 0..4 {
        let batch = events(day, 6, &world);
        let lines: Vec<_> =
            batch.iter().map(|(event, text)| (event.id.clone(), text.clone())).collect();
        assert!(world.store(&lines));
        sent.extend(batch.into_iter().map(|(event, _)| event.id));
        world.pass(DAY);
        world.rotate();
        world.maintain();
    }
    world.set_clock(YEARS);
    for _ in 0..3 {
        let done = world.maintain().expect("a run");
        assert_eq!((done.pruned.count, done.rows.count, done.errors), (0, 0, vec![]));
        world.pass(HOUR);
    }
    world.set_clock(-YEARS);
    world.maintain();
    world.settle();
    let (ledger, database) = (in_ledger(&world), in_database(&world));
    assert!(sent.iter().all(|id| ledger.contains(id) && database.contains(id)));
    assert_eq!(verify(&world), Verdict::OkUnanchored);
}

#[test]
fn a_clock_that_jumps_before_the_first_run_deletes_nothing_either() {
    let mut world = World::new(CONFIG);
    let sent: Vec<_> = events(0, 6, &world);
    let lines: Vec<_> = sent.iter().map(|(event, text)| (event.id.clone(), text.clone())).collect();
    assert!(world.store(&lines));
    world.rotate();
    world.set_clock(3_650 * DAY as i64);
    world.pass(HOUR);
    world.rotate();
    for _ in 0..2 {
        let done = world.maintain().expect("a run");
        assert_eq!((done.pruned.count, done.rows.count), (0, 0));
    }
    assert!(in_ledger(&world).len() >= sent.len());
}

#[test]
fn a_run_that_dies_at_any_step_leaves_a_log_that_verifies_and_the_next_one_does_the_rest() {
    let mut world =
        World::new(&format!("[maintenance]\nkeep_days = 3\n{}", CONFIG.replace('7', "1")));
    for day in 0..5 {
        for hour in [6, 18] {
            let lines =
                events(day + 30, hour, &world).into_iter().map(|(event, text)| (event.id, text));
            assert!(world.store(&lines.collect::<Vec<_>>()));
            world.pass(12 * HOUR);
        }
        world.rotate();
        if day < 4 {
            world.maintain();
        }
    }
    world.settle();
    world.stop();
    let mut died = 0;
    for step in 0.. {
        let mut world = world.copy();
        world.start(Some(step));
        let begun = world.crashes == 0;
        let done = world.maintain();
        world.settle();
        if begun && done.is_some() {
            break;
        }
        died += u32::from(begun);
        let report = report(&world);
        let verdict = report.verdict;
        // Until the next run rows may be left of segments that are gone.
        let fine = [Verdict::OkUnanchored, Verdict::Incomplete, Verdict::Unverifiable];
        assert!(fine.contains(&verdict), "step {step}: {:#?}", report.findings);
        world.pass(HOUR);
        (0..2).for_each(|_| drop(world.maintain()));
        verify(&world);
        no_file_is_left_over(&world);
        world.stop();
    }
    assert!(died > 20, "a run has only {died} steps");
}

/// Bytes of all segments and of the database. seals.jsonl is kept for ever, a line for each seal.
fn bytes(world: &World) -> u64 {
    let len = |path: &std::path::Path| fs::metadata(path).map_or(0, |meta| meta.len());
    let segments = segment::list(&world.paths().log_dir).expect("listed");
    segments.iter().map(|found| len(&found.path)).sum::<u64>() + len(&world.database())
}

/// From the ninetieth day on nothing grows any more.
fn assert_bounded(used: &[u64]) {
    let most = |days: std::ops::Range<usize>| used[days].iter().copied().max().unwrap_or(0);
    let (first, second) = (most(92..110), most(110..130));
    assert!(second <= first + first / 20, "{first} bytes, then {second}");
    assert!(most(0..30) < first, "it does not even grow at first: nothing is measured");
}

fn check(world: &mut World, sent: &[Event], day: u64) -> Verdict {
    world.settle();
    let verdict = verify(world);
    no_file_is_left_over(world);
    let now_ns = world.now().wall_ns;
    let (ledger, database) = (in_ledger(world), in_database(world));
    // Rows go by what the log said before the last run: the time of the run before it.
    let named_ns = world.runs[world.runs.len() - 2];
    for event in sent.iter().filter(|event| event.stored) {
        let Event { id, ts_ns, .. } = event;
        let told = format!("day {day}: {id} of {ts_ns}");
        if event.is_held(day) || event.expires_ns() > now_ns {
            assert!(ledger.contains(id), "{told} is not in the ledger");
            assert!(database.contains(id), "{told} is not in the database");
        } else if event.expires_ns() <= named_ns {
            assert!(!database.contains(id), "{told} is still in the database");
        }
        if segment_is_over(sent, event.day, day) {
            assert!(!ledger.contains(id), "{told} is still in the ledger");
        }
    }
    verdict
}

/// Whether all that was written on a day has expired by another, the daemon's own records too.
fn segment_is_over(sent: &[Event], of: u64, day: u64) -> bool {
    // A segment that a crash or a restart was in may begin or end a day off.
    let near = |event: &&Event| event.day.abs_diff(of) <= 1;
    let keeps = |event: &Event| event.keep_days > 90 || event.is_held(day);
    day > of + 92 && !sent.iter().filter(near).any(keeps)
}

fn verify(world: &World) -> Verdict {
    let report = report(world);
    let fine = [Verdict::OkUnanchored, Verdict::Incomplete];
    assert!(fine.contains(&report.verdict), "{:?}: {:#?}", report.verdict, report.findings);
    for finding in &report.findings {
        assert!(finding.message.contains("was killed or crashed"), "{finding:#?}");
    }
    report.verdict
}

fn report(world: &World) -> Report {
    let key = fs::read_to_string(world.paths().genesis_pub()).expect("the genesis key");
    let key = data_encoding::HEXLOWER.decode(key.trim().as_bytes()).expect("hex");
    let options = Options {
        genesis: Some(key.try_into().expect("32 bytes")),
        now_ns: world.now().wall_ns,
        ..Options::new(world.paths())
    };
    let (path, fields) = (world.database(), world.field_map());
    let database = Some(Database { path: &path, fields: Some(&fields) });
    verify_all(&options, database, &mut |_, _, _| {})
}

fn in_ledger(world: &World) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for found in segment::list(&world.paths().log_dir).expect("listed") {
        let file = segment::open_listed(&found).expect("opens");
        let mut text = String::new();
        segment::contents(file).expect("reads").read_to_string(&mut text).expect("reads");
        for line in text.as_bytes().lines() {
            let line: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
            if let Some(id) = line["id"].as_str() {
                assert!(ids.insert(id.to_owned()), "twice in the ledger: {id}");
            }
        }
    }
    ids
}

fn in_database(world: &World) -> BTreeSet<String> {
    let database = rusqlite::Connection::open(world.database()).expect("opens");
    let mut query = database.prepare("SELECT id FROM events").expect("prepares");
    let ids = query.query_map([], |row| row.get(0)).expect("queries");
    ids.collect::<Result<_, _>>().expect("reads")
}

/// Each file is a segment or one that the daemon is known to keep.
fn no_file_is_left_over(world: &World) {
    let paths = world.paths();
    let mut left: BTreeSet<_> =
        [&paths.log_dir, &paths.state_dir, &paths.log_dir.join(".maintenance")]
            .into_iter()
            .flat_map(|dir| fs::read_dir(dir).into_iter().flatten())
            .map(|entry| entry.expect("an entry").path())
            .collect();
    for found in segment::list(&paths.log_dir).expect("listed") {
        left.remove(&found.path);
    }
    let known = [
        "anchors.json",
        "archives.json",
        "audit.db",
        "audit.db-shm",
        "audit.db-wal",
        "auditor.key",
        "checkpoint",
        "checkpoint.key",
        "checkpoint.vkey",
        "genesis.pub",
        "holds.json",
        "ledger.state",
        "maintenance.json",
        "seals.jsonl",
        "segments.json",
    ];
    let names = known.map(|name| paths.state_dir.join(name));
    left.remove(&paths.log_dir.join(".maintenance"));
    left.retain(|path| !names.contains(path));
    assert!(left.is_empty(), "left over: {left:#?}");
}
