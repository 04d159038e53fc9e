//! `cargo bench --bench rotation [-- RATE [SECONDS]]`: how long events wait for their commit while the log is
//! rotated, beside how long they wait otherwise. Through the engine with its real clock and disk (that of
//! TMPDIR), the index following, RATE events a second, a rotation every half second.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use auditlogd::clock::Clock;
use auditlogd::config::{self, Sources};
use auditlogd::engine::{
    Engine, EngineSetup, Exposure, IndexSetup, Item, Room, SpaceSetup, Submission, WriterHandle,
};
use auditlogd::fs::Real;
use auditlogd::ingest::READ;
use auditlogd::ledger::open::Setup;
use auditlogd::ledger::{Host, Paths, keys};
use auditlogd::metrics::Metrics;
use auditlogd::record::Record;

const PEER: &str = r#"{"pid":4711,"uid":1000,"gid":1000,"unit":"billing.service","exe":"/usr/lib/billing/server"}"#;
const RUNS: usize = 5;
/// Events are handed in this often, each as a client of its own would.
const TICK: Duration = Duration::from_millis(1);
const BETWEEN_ROTATIONS: Duration = Duration::from_millis(500);

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// When something began and when it was done.
#[derive(Clone, Copy)]
struct Span(Instant, Instant);

impl Span {
    fn millis(self) -> f64 {
        (self.1 - self.0).as_secs_f64() * 1e3
    }

    fn overlaps(self, other: Span) -> bool {
        self.0 < other.1 && other.0 < self.1
    }
}

fn main() -> Result<()> {
    // Cargo adds options of its own.
    let mut numbers = std::env::args().skip(1).filter_map(|arg| arg.parse::<u64>().ok());
    let (rate, seconds) = (numbers.next().unwrap_or(5_000), numbers.next().unwrap_or(10));
    println!("{rate} events a second, {RUNS} runs of {seconds} s, medians in milliseconds");
    let runs = (0..RUNS).map(|_| run(rate, seconds)).collect::<Result<Vec<_>>>()?;
    println!("{:<28} {:>8} {:>8} {:>8}", "", "p50", "p99", "most");
    for (row, what) in ["commit", "commit during a rotation", "rotation"].iter().enumerate() {
        let of = |column: usize| median(runs.iter().map(|run| run[row][column]).collect());
        println!("{what:<28} {:>8.2} {:>8.2} {:>8.2}", of(0), of(1), of(2));
    }
    Ok(())
}

/// p50, p99 and the most of commits outside of rotations, of those during one, and of rotations.
fn run(rate: u64, seconds: u64) -> Result<[[f64; 3]; 3]> {
    let root = tempfile::tempdir()?;
    let engine = start(root.path())?;
    let stop_at = Instant::now() + Duration::from_secs(seconds);
    let writer = engine.writer();
    let rotating = std::thread::spawn(move || rotate_until(stop_at, &writer));
    let (done, committed) = channel();
    submit_until(stop_at, &engine, rate, &done)?;
    drop(done);
    let rotations = rotating.join().map_err(|_| "the rotating thread panicked")?;
    engine.stop("the bench ends", Duration::from_secs(60))?;
    let commits: Receiver<Span> = committed;
    let (during, normal): (Vec<_>, Vec<_>) = commits
        .iter()
        .partition(|commit| rotations.iter().any(|rotation| commit.overlaps(*rotation)));
    Ok([spread(&normal), spread(&during), spread(&rotations)])
}

fn start(root: &Path) -> Result<Engine> {
    let config = config::load(&Sources { root: Some(root.into()), ..Sources::default() })?;
    let paths = Paths { log_dir: config.log_dir.clone(), state_dir: config.state_dir.clone() };
    std::fs::create_dir_all(&paths.log_dir)?;
    std::fs::create_dir_all(&paths.state_dir)?;
    let fields = Arc::new(config.field_map()?);
    let host = Host { name: "bench".into(), boot_id: "11111111-2222".into() };
    let started = Record::Started {
        version: "bench",
        boot_id: host.boot_id.clone(),
        boottime_ns: Clock::System.now().boot_ns,
        field_map: fields.hash(),
    };
    let (fs, entropy) = (Arc::new(Real::default()), keys::os_entropy());
    let mut space = SpaceSetup::of(&config, Room::without_patience().into());
    space.limits.reserve_bytes = 0;
    let setup = EngineSetup {
        ledger: Setup {
            fs,
            paths,
            host,
            entropy,
            own_peer: PEER.into(),
            credential: None,
            on_read: Arc::new(|_| {}),
        },
        limits: config.ledger.clone(),
        exposure: Exposure::of(&config.ingest, READ),
        space,
        repeats: config.ingest.repeats,
        queue_bytes: config.ingest.queue_bytes,
        kept: None,
        index: IndexSetup::new(&config, fields, None),
        clock: Clock::System,
        metrics: Arc::new(Metrics::default()),
        on_seal: Box::new(|_| {}),
        on_end: Box::new(|| {}),
        on_turn: Box::new(|_| None),
        on_index: Box::new(|| {}),
    };
    Ok(Engine::start(setup, started)?.0)
}

fn rotate_until(stop_at: Instant, writer: &WriterHandle) -> Vec<Span> {
    let mut rotations = Vec::new();
    loop {
        std::thread::sleep(BETWEEN_ROTATIONS);
        let asked = Instant::now();
        if asked >= stop_at || writer.rotate("the bench asked for it".into()).is_err() {
            return rotations;
        }
        rotations.push(Span(asked, Instant::now()));
    }
}

/// Hands in events at an even rate, whether or not earlier ones are committed.
fn submit_until(stop_at: Instant, engine: &Engine, rate: u64, done: &Sender<Span>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (flow, begin) = (engine.submitter().flow(0), Instant::now());
    let mut sent = 0;
    while Instant::now() < stop_at {
        let due = (begin.elapsed().as_secs_f64() * rate as f64) as u64;
        while sent < due {
            let (text, handed_in, done) = (event(sent), Instant::now(), done.clone());
            let item = Item::of(0, text.len(), true);
            let on_commit = move |_| {
                let _the_bench_is_over = done.send(Span(handed_in, Instant::now()));
            };
            runtime.block_on(flow.submit(Submission {
                peer: PEER.into(),
                uid: 0,
                text: text.into_bytes(),
                items: vec![item],
                origin: None,
                on_commit: Some(Box::new(on_commit)),
            }))?;
            sent += 1;
        }
        std::thread::sleep(TICK);
    }
    Ok(())
}

/// An event of about 400 bytes.
fn event(n: u64) -> String {
    let note = "x".repeat(200 + (n * 37 % 80) as usize);
    format!(
        r#"{{"event_type":"order.updated","actor":"user-{}@example.org","action":"update","outcome":"success","target":"order/{n}","client_ip":"192.0.2.{}","note":"{note}"}}"#,
        n % 5000,
        n % 250
    )
}

fn spread(spans: &[Span]) -> [f64; 3] {
    let mut millis: Vec<_> = spans.iter().map(|span| span.millis()).collect();
    millis.sort_by(f64::total_cmp);
    let at = |part: f64| {
        let last = millis.len().saturating_sub(1);
        millis.get((last as f64 * part).round() as usize).copied().unwrap_or(f64::NAN)
    };
    [at(0.5), at(0.99), at(1.0)]
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
