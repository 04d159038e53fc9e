//! What the parts cost alone, in this process, with the same events and the same code where it counts.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use auditlogd::ledger::keys::{EpochSecret, Ratchet};
use auditlogd::ledger::line::push_tail;
use auditlogd::ledger::tree::leaf_hash;

use crate::insert::defaults;
pub use crate::insert::insert as index;
use crate::lines::Lines;
use crate::pace::Latency;
use crate::runs::{directory, warm};

/// (a) One thread that macs each line with a ratchet, hashes it as a leaf, writes and syncs: events a second. The lines
/// are formatted up to the mac before the clock starts; a commit is as large as the daemon's may be.
pub fn ledger(events: u64) -> f64 {
    warm(events);
    let dir = directory();
    let mut file = File::create_new(dir.path().join("lines")).expect("a new file");
    let secret = EpochSecret::new(&[7; 32]).expect("memory for a key");
    let mut ratchet = secret.ratchet(&[1; 16], 0).expect("memory for a key");
    let mut lines = Lines::new(defaults().ledger.batch_bytes);
    let mut spent = Duration::ZERO;
    let mut out = Vec::new();
    while lines.seq < events {
        lines.next(events);
        let begun = Instant::now();
        out.clear();
        for line in lines.each() {
            sign(line, &mut ratchet, &mut out);
        }
        file.write_all(&out).and_then(|()| file.sync_data()).expect("the disk takes it");
        spent += begun.elapsed();
    }
    events as f64 / spent.as_secs_f64()
}

/// Appends the whole line; the leaf is not needed any more.
fn sign(line: &[u8], ratchet: &mut Ratchet, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(line);
    push_tail(out, &ratchet.mac(line));
    std::hint::black_box(leaf_hash(&out[start..]));
    out.push(b'\n');
}

/// (c) Appending 4 KiB to a file and syncing it.
pub fn sync(times: u64) -> Latency {
    let dir = directory();
    let mut file = File::create_new(dir.path().join("blocks")).expect("a new file");
    let block = vec![b'x'; 4096];
    let mut one = || {
        let begun = Instant::now();
        file.write_all(&block).and_then(|()| file.sync_data()).expect("the disk takes it");
        begun.elapsed().as_nanos() as u64
    };
    Latency::of((0..times).map(|_| one()).collect())
}
