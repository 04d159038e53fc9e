//! A log as a busy daemon leaves it: closed segments compressed, the end plain.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use auditlogd::clock::{Clock, Now, rfc3339};
use auditlogd::fs::Real;
use auditlogd::ledger::Ledger;
use auditlogd::ledger::open::open;
use auditlogd::ledger::seal::Reason;

use crate::common::lab;

const PEER: &str = r#"{"pid":4711,"uid":1000,"gid":1000,"unit":"billing.service","exe":"/usr/lib/billing/server"}"#;
/// Events of a commit, and commits of an epoch.
const COMMIT: u64 = 500;
const EPOCH: u64 = 200;
/// `[ledger] rotate_bytes`
const ROTATE: u64 = 256 << 20;

/// Writes so many events below `root`; the number of segments.
pub fn write(root: &Path, events: u64) -> u64 {
    let paths = lab::paths(root);
    let commits = events.div_ceil(COMMIT);
    let began = Clock::System.now().wall_ns - commits as i64 * 10_000_000;
    let now = |commit: u64| Now {
        wall_ns: began + commit as i64 * 10_000_000,
        boot_ns: commit * 10_000_000,
    };
    let opened = open(lab::setup(root, Arc::new(Real::default())), now(0));
    let mut ledger = opened.expect("the log opens").ledger;
    for commit in 0..commits {
        let ts = rfc3339(now(commit).wall_ns);
        for n in commit * COMMIT..(commit + 1) * COMMIT {
            let (id, event) = event("past", n);
            ledger.sign(&ts, id.as_bytes(), PEER, event.as_bytes()).expect("signed");
        }
        ledger.store().expect("stored");
        if ledger.segment_len() > ROTATE {
            rotate(&mut ledger, now(commit));
        } else if commit % EPOCH == EPOCH - 1 {
            ledger.close_epoch(Reason::Time, now(commit)).expect("sealed");
        }
    }
    ledger.close_epoch(Reason::Stop, now(commits)).expect("sealed");
    assert!(paths.active().exists());
    ledger.segment() + 1
}

fn rotate(ledger: &mut Ledger, now: Now) {
    ledger.close_epoch(Reason::Rotate, now).expect("sealed");
    let closed = ledger.move_active(now).expect("moved").expect("has a name");
    ledger.open_segment(now).expect("opened");
    let packed = zstd::encode_all(fs::File::open(&closed).expect("opens"), 1).expect("compresses");
    fs::write(closed.with_extension("jsonl.zst"), packed).expect("written");
    fs::remove_file(closed).expect("removed");
}

/// An event of 350 to 450 bytes, with its id, a JSON string.
pub fn event(name: &str, n: u64) -> (String, String) {
    let id = format!("\"{name}-{:016x}\"", n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let note = "x".repeat((n * 37 % 80) as usize);
    let event = format!(
        r#"{{"event_type":"order.updated","event_id":{id},"actor":"user-{}@example.org","action":"update","outcome":"success","target":"order/{n}","client_ip":"192.0.2.{}","session_id":"6f1c2a9e-{:08x}","data":{{"before":{{"status":"open","amount":{}.50}},"after":{{"status":"paid","amount":{}.25}},"retries":{},"dry_run":false,"note":"{note}"}}}}"#,
        n % 5000,
        n % 250,
        n.wrapping_mul(2_654_435_761) as u32,
        n % 900,
        n % 700,
        n % 3
    );
    (id, event)
}
