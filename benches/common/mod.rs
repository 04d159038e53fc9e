//! A log as a busy daemon writes it, and the median of some runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use auditlogd::clock::{Now, rfc3339};
use auditlogd::fs::Real;
use auditlogd::ledger::open::{Setup, open};
use auditlogd::ledger::seal::Reason;
use auditlogd::ledger::{Host, Paths, keys};

const PEER: &str = r#"{"pid":4711,"uid":1000,"gid":1000,"unit":"billing.service","exe":"/usr/lib/billing/server"}"#;
const START_NS: i64 = 1_795_224_225_123_456_789;
/// Lines of a commit, and commits of an epoch.
const COMMIT: u64 = 256;
const EPOCH: u64 = 200;
const RUNS: usize = 5;

pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The number that was given on the command line, where cargo adds options of its own.
pub fn mib(default: u64) -> u64 {
    std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(default)
}

/// Writes about `bytes` of lines with these events, as a busy daemon does; returns their number.
pub fn write_log(paths: &Paths, bytes: u64, event: fn(u64) -> String) -> Result<u64> {
    let host = Host { name: "bench".into(), boot_id: "11111111-2222".into() };
    let fs = Arc::new(Real::default());
    let entropy = keys::os_entropy();
    let setup = Setup {
        fs,
        paths: paths.clone(),
        host,
        entropy,
        own_peer: PEER.into(),
        credential: None,
        on_read: Arc::new(|_| {}),
    };
    let now = |commit: u64| Now {
        wall_ns: START_NS + commit as i64 * 20_000_000,
        boot_ns: commit * 20_000_000,
    };
    let mut ledger = open(setup, now(0))?.ledger;
    let mut commit = 0;
    while std::fs::metadata(paths.active())?.len() < bytes {
        commit += 1;
        let ts = rfc3339(now(commit).wall_ns);
        for n in 0..COMMIT {
            ledger.sign(&ts, b"", PEER, event(commit * COMMIT + n).as_bytes())?;
        }
        ledger.store()?;
        if commit % EPOCH == 0 {
            ledger.close_epoch(Reason::Time, now(commit))?;
        }
    }
    Ok(ledger.next_seq())
}

/// Gigabytes a second, the median of some runs.
pub fn median(bytes: u64, mut run: impl FnMut() -> Result<()>) -> Result<f64> {
    median_of(bytes, || {
        let start = Instant::now();
        run()?;
        Ok(start.elapsed())
    })
}

/// The same of runs that say themselves how long they took.
pub fn median_of(bytes: u64, mut run: impl FnMut() -> Result<Duration>) -> Result<f64> {
    let mut speeds = Vec::new();
    for _ in 0..RUNS {
        speeds.push(bytes as f64 / run()?.as_secs_f64() / 1e9);
    }
    speeds.sort_by(f64::total_cmp);
    Ok(speeds[RUNS / 2])
}
