//! The lives of the published logs.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use auditlogd::clock::{Now, rfc3339};
use auditlogd::fs::Real;
use auditlogd::ledger::keys::Entropy;
use auditlogd::ledger::open::{Setup, open};
use auditlogd::ledger::seal::Reason;
use auditlogd::ledger::{Host, Ledger, LedgerError, Paths};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use crate::common::pruning;

const BOOTS: [&str; 2] =
    ["11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"];
const DAEMON: &str =
    r#"{"pid":100,"uid":0,"gid":0,"unit":"auditlogd.service","exe":"/usr/bin/auditlogd"}"#;
const CLIENT: &str = r#"{"pid":4711,"uid":1000,"gid":1000,"unit":null,"exe":"/usr/bin/app \"x\""}"#;
/// 2026-11-21T00:00:00Z.
const START_NS: i64 = 1_795_219_200_000_000_000;

pub fn live(name: &str, dir: &Path) -> Result<(), LedgerError> {
    match name {
        "clean" => clean(dir),
        "crashed" => crashed(dir),
        _ => pruned(dir),
    }
}

/// The n-th 32 random bytes are SHA-256("auditlogd vectors" and n, 8 bytes, big endian).
fn entropy(from: u64) -> Entropy {
    let mut n = from;
    Box::new(move |bytes| {
        for chunk in bytes.chunks_mut(32) {
            let block =
                Sha256::new().chain_update("auditlogd vectors").chain_update(n.to_be_bytes());
            chunk.copy_from_slice(&block.finalize()[..chunk.len()]);
            n += 1;
        }
        Ok(())
    })
}

fn now(seconds: u64) -> Now {
    Now {
        wall_ns: START_NS + seconds as i64 * 1_000_000_000 + 123_456_789,
        boot_ns: 5_000_000_000 + seconds * 1_000_000_000,
    }
}

/// A run of the daemon from `seconds` on; runs count from 0, for their random bytes and boots.
fn start(dir: &Path, run: u64, boot: usize, seconds: u64) -> Result<Ledger, LedgerError> {
    let host = Host { name: "vectors.example".into(), boot_id: BOOTS[boot].into() };
    let setup = Setup {
        fs: Arc::new(Real::default()),
        paths: Paths { log_dir: dir.into(), state_dir: dir.into() },
        host,
        entropy: entropy(run * 1000),
        own_peer: DAEMON.into(),
        credential: None,
        on_read: Arc::new(|_| {}),
    };
    let opened = open(setup, now(seconds))?;
    let mut ledger = opened.ledger;
    if let Some(record) = opened.recovered {
        commit(&mut ledger, seconds, &[(b"", DAEMON, &record.to_json())])?;
    }
    let started = format!(
        r#"{{"event_type":"auditlogd.started","priority":"notice","source":"auditlogd","action":"the audit log daemon started","data":{{"version":"vectors","boot_id":"{}","boottime_ns":{}}}}}"#,
        BOOTS[boot],
        now(seconds).boot_ns
    );
    commit(&mut ledger, seconds, &[(b"", DAEMON, &started)])?;
    Ok(ledger)
}

fn stop(ledger: &mut Ledger, seconds: u64) -> Result<(), LedgerError> {
    let stopped = r#"{"event_type":"auditlogd.stopped","priority":"notice","source":"auditlogd","action":"the audit log daemon stops: SIGTERM","data":{"reason":"SIGTERM"}}"#;
    commit(ledger, seconds, &[(b"", DAEMON, stopped)])?;
    ledger.close_epoch(Reason::Stop, now(seconds)).map(drop)
}

type Event<'a> = (&'a [u8], &'a str, &'a str);

/// One commit: id (or empty), peer, event.
fn commit(ledger: &mut Ledger, seconds: u64, events: &[Event<'_>]) -> Result<(), LedgerError> {
    let ts = rfc3339(now(seconds).wall_ns);
    for (id, peer, event) in events {
        ledger.sign(&ts, id, peer, event.as_bytes())?;
    }
    ledger.store().map(drop)
}

fn rotate(ledger: &mut Ledger, dir: &Path, seconds: u64, name: &str) -> Result<(), LedgerError> {
    fs::rename(dir.join("audit.jsonl"), dir.join(name)).expect("rename");
    ledger.close_epoch(Reason::Rotate, now(seconds))?;
    ledger.open_segment(now(seconds))
}

/// Three segments, five events a client wrote, every reason of a seal but `size` and `recovered`, a clock
/// that goes back an hour, a reboot, an epoch without lines, and two lines after the last seal.
fn clean(dir: &Path) -> Result<(), LedgerError> {
    let mut ledger = start(dir, 0, 0, 0)?;
    let login = r#"{"event_type":"auth.login","actor":"alice","outcome":"success"}"#;
    let odd = r#"{ "text" : "a \"quoted\" } brace, \u2028, é and 😀", "deep":[[{"mac":"x"}]], "n":1e400 }"#;
    commit(&mut ledger, 10, &[(b"", CLIENT, login), (br#""order-\"7\"""#, CLIENT, odd)])?;
    ledger.close_epoch(Reason::Time, now(60))?;
    ledger.close_epoch(Reason::Idle, now(660))?;
    commit(&mut ledger, 700, &[(b"", CLIENT, r#"{"event_type":"order.paid","amount":12.50}"#)])?;
    rotate(&mut ledger, dir, 800, "audit.jsonl-20261121")?;
    let step = r#"{"event_type":"auditlogd.clock_step","priority":"warning","source":"auditlogd","action":"the clock stepped","data":{"expected":"2026-11-21T00:15:00.123456789Z","found":"2026-11-20T23:15:00.123456789Z","step_ns":-3600000000000}}"#;
    let back = rfc3339(now(900).wall_ns - 3_600_000_000_000);
    for (peer, event) in [(DAEMON, step), (CLIENT, r#"{"event_type":"auth.logout"}"#)] {
        ledger.sign(&back, b"", peer, event.as_bytes())?;
    }
    ledger.store()?;
    stop(&mut ledger, 960)?;
    drop(ledger);
    let mut ledger = start(dir, 1, 1, 1000)?;
    rotate(&mut ledger, dir, 1100, "audit.jsonl-20261122")?;
    commit(&mut ledger, 1110, &[(b"", CLIENT, r#"{"event_type":"order.shipped"}"#)])?;
    commit(&mut ledger, 1120, &[(b"", CLIENT, "{}")])
}

/// A daemon that was killed in its first epoch, in the middle of a line, and started again in the same boot.
fn crashed(dir: &Path) -> Result<(), LedgerError> {
    let mut ledger = start(dir, 2, 0, 0)?;
    commit(&mut ledger, 10, &[(b"", CLIENT, r#"{"event_type":"auth.login"}"#)])?;
    drop(ledger);
    let active = dir.join("audit.jsonl");
    let mut bytes = fs::read(&active).expect("read");
    bytes.extend_from_slice(br#"{"seq":3,"ts":"2026-"#);
    fs::write(&active, bytes).expect("write");
    let mut ledger = start(dir, 3, 0, 100)?;
    stop(&mut ledger, 200)
}

/// Five segments, of which the second is compressed with zstd and the fourth with gzip. Retention deleted the first, and in a
/// later run the third, with a record before each; another names the rules in force.
fn pruned(dir: &Path) -> Result<(), LedgerError> {
    let mut ledger = start(dir, 4, 0, 0)?;
    let names: Vec<_> =
        (0..4).map(|n| format!("audit-20261121T0001{:02}Z-{n}.jsonl", 10 * n)).collect();
    for (n, name) in (0..).zip(&names) {
        let begun = 10 + 100 * n;
        let order = format!(r#"{{"event_type":"order.paid","order":{n}}}"#);
        commit(&mut ledger, begun, &[(b"", CLIENT, &order), (b"", CLIENT, &order)])?;
        ledger.close_epoch(Reason::Time, now(begun + 40))?;
        commit(&mut ledger, begun + 50, &[(b"", CLIENT, r#"{"event_type":"order.shipped"}"#)])?;
        rotate(&mut ledger, dir, begun + 60, name)?;
    }
    for (seconds, at, name) in [(1000, 0, &names[0]), (2000, 1, &names[2])] {
        let (record, gone) = pruning::of(dir, at..at + 1, 600);
        assert_eq!(gone, [dir.join(name)]);
        commit(&mut ledger, seconds, &[(b"", DAEMON, &record.to_json())])?;
        ledger.close_epoch(Reason::Time, now(seconds + 1))?;
        fs::remove_file(dir.join(name)).expect("removes");
    }
    compress(&dir.join(&names[1]), "zst", |bytes| zstd::encode_all(bytes, 3).expect("zstd"));
    compress(&dir.join(&names[3]), "gz", |bytes| {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(bytes).expect("gzip");
        gzip.finish().expect("gzip")
    });
    let maintained = r#"{"event_type":"auditlogd.maintained","priority":"info","source":"auditlogd","action":"maintenance ran","data":{"trigger":"timer","retention":"{\"keep_days\":90}","field_map":"00"}}"#;
    commit(&mut ledger, 2010, &[(b"", DAEMON, maintained)])?;
    stop(&mut ledger, 2020)
}

fn compress(plain: &Path, ending: &str, pack: impl FnOnce(&[u8]) -> Vec<u8>) {
    let packed = pack(&fs::read(plain).expect("reads"));
    fs::write(format!("{}.{ending}", plain.display()), packed).expect("writes");
    fs::remove_file(plain).expect("removes");
}
