//! `cargo bench --bench verify [-- MIB]`: how fast a log is verified, beside `sha256sum` of the same file.

mod common;

use std::path::Path;
use std::process::Command;

use auditlogd::ledger::Paths;
use auditlogd::ledger::verify::{Options, Verdict, verify};
use common::{Result, median, mib, write_log};
use data_encoding::HEXLOWER;

fn main() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let paths = Paths { log_dir: dir.path().into(), state_dir: dir.path().into() };
    let lines = write_log(&paths, mib(512) << 20, event)?;
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
