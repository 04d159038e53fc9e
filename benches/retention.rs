//! `cargo bench --bench retention [-- ROWS]`: how long commits take at 5,000 events a second, with and without a day of a
//! ninety-day database being deleted meanwhile. It first makes a log and a database of ten million events, or of
//! as many as are asked for, in `TMPDIR`: that takes minutes and some gigabytes.

#[path = "../tests/common/mod.rs"]
mod common;

use std::fs;
use std::path::Path;
use std::sync::mpsc::{channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use auditlogd::clock::Now;
use auditlogd::engine::{PruneRows, RowsPruned};
use auditlogd::fs::Real;
use auditlogd::index::Reader;
use auditlogd::retention::Rules;
use common::lab;
use common::running::Running;

const DAYS: u64 = 90;
const DAY_NS: u64 = 86_400_000_000_000;
/// Events handed in at a time while the log is made, and how many such hands may wait.
const TOGETHER: u64 = 2_000;
const WAITING: usize = 8;
/// Events after which the log goes on in a new segment and the old one is deleted, to save space.
const SEGMENT: u64 = 500_000;
/// The load: so many events, so often, makes 5,000 a second.
const LOAD: u64 = 5;
const EVERY: Duration = Duration::from_millis(1);
const WARM_UP: Duration = Duration::from_secs(2);
/// A round without pruning takes as long as the one with it before, and at least so long.
const SHORTEST: Duration = Duration::from_secs(5);
const ROUNDS: u64 = 4;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    // Cargo adds options of its own.
    let rows = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(10_000_000);
    let root = lab::new_root();
    let start = Instant::now();
    let disk = Arc::new(Real::default());
    let engine = Running::start_with(disk, root.path(), 1, lab::now(0), |config| {
        (config.ledger.rotate_bytes, config.ledger.rotate_seconds) = (0, 0);
    })?;
    fill(&engine, &lab::paths(root.path()).log_dir, rows)?;
    let mib =
        Reader::open(&lab::paths(root.path()).state_dir.join("audit.db"))?.space()?.bytes >> 20;
    let (seconds, cores) = (start.elapsed().as_secs(), std::thread::available_parallelism()?);
    println!("{rows} rows over {DAYS} days, {mib} MiB, made in {seconds} s; {cores} processors\n");
    println!("                       acknowledged after, ms");
    println!(
        "  pruning    events     p50     p99     max  most behind      rows  seconds   rows/s  longest step, ms"
    );
    let mut both = [Round::default(), Round::default()];
    for day in 1..=ROUNDS {
        let rules = Rules::of_days(DAYS);
        let believed_ns = at((DAYS + day) * DAY_NS).wall_ns;
        let job = PruneRows { rules, believed_ns, holds: Vec::new(), gone: Vec::new() };
        let with = under_load(&engine, Some(job), Duration::ZERO)?;
        let without = under_load(&engine, None, with.took.max(SHORTEST))?;
        for (all, round) in both.iter_mut().zip([with, without]) {
            round.print();
            all.add(round);
        }
    }
    println!("all rounds:");
    both.into_iter().for_each(|all| all.print());
    engine.stop()?;
    Ok(())
}

/// So long after the beginning.
fn at(ns: u64) -> Now {
    Now { wall_ns: lab::START_NS + ns as i64, boot_ns: ns }
}

/// Makes the log and with it the database.
fn fill(engine: &Running, log_dir: &Path, rows: u64) -> Result<()> {
    let (begun, done) = sync_channel(WAITING);
    let done = Arc::new(Mutex::new(done));
    for first in (0..rows).step_by(TOGETHER as usize) {
        engine.set(at((u128::from(DAYS * DAY_NS) * u128::from(first) / u128::from(rows)) as u64));
        begun.send(())?;
        let done = done.clone();
        let committed = move |_| drop(done.lock().map(|done| done.try_recv()));
        let last = rows.min(first + TOGETHER);
        let events: Vec<_> = (first..last).map(event).collect();
        engine.submit(&events, Box::new(committed))?;
        if last.is_multiple_of(SEGMENT) || last == rows {
            engine.wait_until_indexed();
            let (active, old) = (log_dir.join("audit.jsonl"), log_dir.join("audit-old.jsonl"));
            fs::rename(active, &old)?;
            assert!(engine.reopen());
            engine.wait_until_indexed();
            fs::remove_file(old)?;
        }
    }
    Ok(())
}

/// About 250 bytes.
fn event(n: u64) -> String {
    format!(
        r#"{{"event_type":"order.{}","source":"shop","actor":"user-{}@example.org","action":"update","outcome":"{}","target":"order/{n}","client_ip":"192.0.2.{}","session_id":"6f1c2a9e-{:08x}","data":{{"status":"paid","amount":{}.25}}}}"#,
        ["created", "updated", "shipped"][n as usize % 3],
        n % 5000,
        if n.is_multiple_of(50) { "failure" } else { "success" },
        n % 250,
        (n / 20).wrapping_mul(2_654_435_761) as u32,
        n % 700
    )
}

/// What was measured.
#[derive(Default)]
struct Round {
    /// From the moment when a submission was due to its acknowledgement.
    latencies: Vec<Duration>,
    took: Duration,
    /// The most lines that the index was behind the log.
    behind: u64,
    pruned: Option<RowsPruned>,
}

/// Keeps the load up for so long, or for as long as the job takes.
fn under_load(engine: &Running, job: Option<PruneRows>, time: Duration) -> Result<Round> {
    let (told, latencies) = channel();
    let (clock, start) = (engine.now().boot_ns, Instant::now());
    let mut due = start;
    let mut load = |until: &dyn Fn() -> bool, counts: bool| -> Result<u64> {
        let mut behind = 0;
        while !until() {
            due += EVERY;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            engine.set(at(clock + (due - start).as_nanos() as u64));
            let (since, told) = (due, told.clone());
            let committed = move |_| {
                if counts {
                    let _round_may_be_over = told.send(since.elapsed());
                }
            };
            let events: Vec<_> = (0..LOAD).map(event).collect();
            engine.submit(&events, Box::new(committed))?;
            let metrics = &engine.metrics;
            behind = behind.max(metrics.ledger_head.get().saturating_sub(metrics.index_head.get()));
        }
        Ok(behind)
    };
    load(&|| start.elapsed() >= WARM_UP, false)?;
    let (index, start) = (engine.index(), Instant::now());
    let job = job.map(|job| std::thread::spawn(move || (index.prune(job), start.elapsed())));
    let is_over = || job.as_ref().map_or(start.elapsed() >= time, |job| job.is_finished());
    let behind = load(&is_over, true)?;
    let done = job.map(|job| job.join().map_err(|_| "the job panicked")).transpose()?;
    let took = done.as_ref().map_or(time, |(_, took)| *took);
    let pruned = done.map(|(pruned, _)| pruned).transpose()?;
    engine.wait_until_indexed();
    Ok(Round { latencies: latencies.try_iter().collect(), took, behind, pruned })
}

impl Round {
    fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.took += other.took;
        self.behind = self.behind.max(other.behind);
        if let Some(more) = other.pruned {
            let sum = self.pruned.get_or_insert_default();
            sum.rows += more.rows;
            sum.longest_step = sum.longest_step.max(more.longest_step);
        }
    }

    fn print(&self) {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let quantile = |per_mille: usize| {
            sorted.get((sorted.len() * per_mille / 1000).min(sorted.len().saturating_sub(1)))
        };
        let [p50, p99, max] =
            [500, 990, 1000].map(|at| ms(quantile(at).copied().unwrap_or_default()));
        let events = sorted.len() as u64 * LOAD;
        let said = if self.pruned.is_some() { "with" } else { "without" };
        print!("  {said:<8} {events:>8} {p50:7.2} {p99:7.2} {max:7.2} {:>12}", self.behind);
        let seconds = self.took.as_secs_f64();
        match self.pruned {
            Some(RowsPruned { rows, longest_step, .. }) => println!(
                " {rows:>9} {seconds:>8.1} {:>8.0} {:>17.1}",
                rows as f64 / seconds,
                ms(longest_step)
            ),
            None => println!(" {:>9} {seconds:>8.1}", "-"),
        }
    }
}
