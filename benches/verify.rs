//! `cargo bench --bench verify [-- MIB]`: how fast a log is verified, beside `sha256sum` of the same file.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use auditlogd::clock::{Now, rfc3339};
use auditlogd::fs::Real;
use auditlogd::ledger::open::{Setup, open};
use auditlogd::ledger::seal::Reason;
use auditlogd::ledger::verify::{Options, Verdict, verify};
use auditlogd::ledger::{Host, Paths, keys};
use data_encoding::HEXLOWER;

const PEER: &str = r#"{"pid":4711,"uid":1000,"gid":1000,"unit":"billing.service","exe":"/usr/lib/billing/server"}"#;
const START_NS: i64 = 1_795_224_225_123_456_789;
/// Lines of a commit, and commits of an epoch.
const COMMIT: u64 = 256;
const EPOCH: u64 = 200;
const RUNS: usize = 5;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    // Cargo adds options of its own.
    let mib = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(512);
    let dir = tempfile::tempdir()?;
    let paths = Paths { log_dir: dir.path().into(), state_dir: dir.path().into() };
    let lines = write_log(&paths, mib << 20)?;
    let file = paths.active();
    let bytes = std::fs::metadata(&file)?.len();
    let cores = std::thread::available_parallelism()?.get();
    println!(
        "{lines} lines, {} bytes each on average, {} MiB, {cores} cores",
        bytes / lines,
        bytes >> 20
    );

    let sha256sum = median(bytes, || sha256sum(&file))?;
    println!("sha256sum                     {sha256sum:6.2} GB/s");
    let mut options = Options { genesis: Some(key(&paths.genesis_pub())?), ..Options::new(paths) };
    for with_macs in [false, true] {
        if with_macs {
            options.auditor_key = Some(key(&options.paths.auditor_key())?.into());
        }
        let speed = median(bytes, || {
            let report = verify(&options, &mut |_, _| {});
            assert_eq!(report.verdict, Verdict::OkUnanchored, "{:?}", report.findings);
            Ok(())
        })?;
        let what = if with_macs { "verify --auditor-key" } else { "verify" };
        let ratio = speed / sha256sum;
        let per_core = ratio / cores as f64;
        println!(
            "{what:<28}  {speed:6.2} GB/s  {ratio:5.2} x sha256sum  {per_core:5.2} x sha256sum x cores"
        );
    }
    Ok(())
}

/// Writes about `bytes` of lines as a busy daemon does; returns their number.
fn write_log(paths: &Paths, bytes: u64) -> Result<u64> {
    let host = Host { name: "bench".into(), boot_id: "11111111-2222".into() };
    let fs = Arc::new(Real::default());
    let entropy = keys::os_entropy();
    let setup =
        Setup { fs, paths: paths.clone(), host, entropy, own_peer: PEER.into(), credential: None };
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
        ledger.append()?;
        ledger.sync()?;
        if commit % EPOCH == 0 {
            ledger.close_epoch(Reason::Time, now(commit))?;
        }
    }
    Ok(ledger.next_seq())
}

/// An event of 350 to 450 bytes.
fn event(n: u64) -> String {
    let note = "x".repeat((n * 37 % 80) as usize);
    format!(
        r#"{{"event_type":"order.updated","actor":"user-{}@example.org","action":"update","outcome":"success","target":"order/{n}","client_ip":"192.0.2.{}","session_id":"6f1c2a9e-{:08x}","priority":"info","data":{{"fields":["status","amount"],"before":{{"status":"open","amount":{}.50}},"after":{{"status":"paid","amount":{}.25}},"retries":{},"dry_run":false,"note":"{note}"}}}}"#,
        n % 5000,
        n % 250,
        n.wrapping_mul(2_654_435_761) as u32,
        n % 900,
        n % 700,
        n % 3
    )
}

fn key(path: &Path) -> Result<[u8; 32]> {
    let bytes = HEXLOWER.decode(std::fs::read_to_string(path)?.trim().as_bytes())?;
    Ok(<[u8; 32]>::try_from(bytes).map_err(|_| "not a key")?)
}

fn sha256sum(file: &Path) -> Result<()> {
    let output = Command::new("sha256sum").arg(file).output()?;
    output.status.success().then_some(()).ok_or_else(|| "sha256sum failed".into())
}

/// Gigabytes a second, the median of some runs.
fn median(bytes: u64, mut run: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut speeds = Vec::new();
    for _ in 0..RUNS {
        let start = Instant::now();
        run()?;
        speeds.push(bytes as f64 / start.elapsed().as_secs_f64() / 1e9);
    }
    speeds.sort_by(f64::total_cmp);
    Ok(speeds[RUNS / 2])
}
