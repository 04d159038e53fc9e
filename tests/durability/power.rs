//! The power fails: un-synced writes are dropped, torn and reordered, and the next start goes on with all that was
//! promised.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use auditlogd::ledger::verify::Verdict;
use fastrand::Rng;

use crate::common::cases;
use crate::crash::{Left, Moment};
use crate::disk::Disk;
use crate::judge::Judge;
use crate::lives::{self, Life};
use crate::stage::Stage;
use crate::{given, seed};

/// The most ways at one moment that are all tried.
const ALL_WAYS: usize = 8;

/// A life that has been lived, and all its moments.
struct Lived {
    name: &'static str,
    stage: Stage,
    seed: u64,
}

impl Lived {
    fn all(seed: u64) -> Vec<Self> {
        let live = |(name, life): &(&'static str, Life)| {
            let stage = Stage::new(seed, None);
            life(&stage).unwrap_or_else(|e| panic!("{name}: {e}"));
            Self { name, stage, seed }
        };
        lives::ALL.iter().map(live).collect()
    }

    fn moments(&self) -> usize {
        self.stage.disk.now() + 1
    }

    fn judge(&self, done: usize, how: &str) -> Judge {
        Judge {
            auditor: self.stage.auditor(done),
            promises: self.stage.promised(done),
            seed: self.seed,
            case: format!("{}: the power fails after {done} operations, {how}", self.name),
        }
    }

    /// The power fails when so much was done, and leaves this.
    fn cut(&self, done: usize, left: &Left, how: &str) -> Verdict {
        let judge = self.judge(done, how);
        let root = crate::common::lab::new_root();
        left.put(self.stage.root(), root.path());
        judge.judge(root.path())
    }

    /// The same, and it fails again while the start brings the log back.
    fn cut_twice(&self, done: usize, left: &Left, rng: &mut Rng, how: &str) {
        let judge = self.judge(done, how);
        let root = crate::common::lab::new_root();
        left.put(self.stage.root(), root.path());
        let disk = Disk::new(root.path(), None);
        let started = judge.start(root.path(), Arc::new(disk.clone()));
        drop(started.unwrap_or_else(|e| panic!("{}: {e}", judge.case)));
        let log = disk.log();
        let again = rng.usize(..=log.ops.len());
        let left = Moment::of(&log, again).any(rng);
        let after = crate::common::lab::new_root();
        left.put(root.path(), after.path());
        let case = format!("{}, and {again} operations into the next start", judge.case);
        Judge { case, ..judge }.judge(after.path());
    }
}

#[test]
fn whatever_the_power_leaves_of_any_moment_the_next_start_goes_on() {
    let cuts = AtomicU64::new(0);
    for lived in Lived::all(seed()) {
        let log = lived.stage.disk.log();
        let ops = &*log;
        let moments: Vec<Moment> = (0..=ops.ops.len()).map(|done| Moment::of(ops, done)).collect();
        drop(log);
        cases::each(0..lived.moments() as u64, |done| {
            let moment = &moments[done as usize];
            let ways = if moment.is_settled() { 1 } else { moment.ways().min(ALL_WAYS) };
            for way in 0..ways {
                // The last one is that all is there.
                let way = if way + 1 == ways { moment.ways() - 1 } else { way };
                lived.cut(done as usize, &moment.way(way), &format!("way {way}"));
                cuts.fetch_add(1, Relaxed);
            }
        });
    }
    println!("{} cuts", cuts.into_inner());
}

#[test]
fn torn_and_reordered_at_random_the_next_start_goes_on() {
    let seed = seed();
    let end = Instant::now() + Duration::from_secs(given("AUDITLOGD_SECONDS").unwrap_or(8));
    let (cuts, incomplete) = (AtomicU64::new(0), AtomicU64::new(0));
    let lived = Lived::all(seed);
    while Instant::now() < end {
        let first = cuts.load(Relaxed);
        cases::each(first..first + 64, |case| {
            let mut rng = Rng::with_seed(seed.wrapping_add(case));
            let lived = &lived[rng.usize(..lived.len())];
            let log = lived.stage.disk.log();
            let done = rng.usize(..=log.ops.len());
            let moment = Moment::of(&log, done);
            drop(log);
            let left = moment.any(&mut rng);
            let how = format!("case {case}");
            if rng.u8(..4) == 0 {
                lived.cut_twice(done, &left, &mut rng, &how);
            } else if lived.cut(done, &left, &how) == Verdict::Incomplete {
                incomplete.fetch_add(1, Relaxed);
            }
        });
        cuts.fetch_add(64, Relaxed);
    }
    println!("{} cuts, {} logs incomplete", cuts.into_inner(), incomplete.into_inner());
}
