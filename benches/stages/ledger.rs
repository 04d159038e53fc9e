//! From the writer to the disk.

use std::fs::File;
use std::hint::black_box;
use std::io::Write;

use auditlogd::clock::{Clock, rfc3339};
use auditlogd::engine::Audit;
use auditlogd::ledger::keys::EpochSecret;
use auditlogd::ledger::line::{push_default_id, push_event, push_tail};
use auditlogd::ledger::tree::{Tree, leaf_hash};

use crate::events::Events;
use crate::lines::{LOG_ID, Lines, PEER};
use crate::runs::directory;
use crate::{EVENTS, RUNS, Stage, time};

/// Bytes of lines in a batch: about as many as the daemon's are at most.
const BATCH: usize = 1_800_000;

pub fn stages() -> Vec<Stage> {
    let mut batch = Lines::new(usize::MAX);
    batch.next(EVENTS);
    let whole = batch.whole();
    let lines: Vec<_> = batch.each().collect();
    let finished: Vec<_> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let secret = EpochSecret::new(&[7; 32]).expect("memory for a key");
    let mut ratchet = secret.ratchet(&[1; 16], 0).expect("memory for a key");
    let mac = time(|| each(&lines, |line| _ = black_box(ratchet.mac(line))));
    let leaf = time(|| each(&finished, |line| _ = black_box(leaf_hash(line))));
    let mut tree = Tree::default();
    let push = time(|| each(&lines, |line| tree.push([line[0]; 32])));
    let mut audit = Audit::new(None);
    let count = time(|| each(&finished, |line| audit.line(&line[..line.len() - 1])));
    assert_eq!(audit.users[&1000].stored, EVENTS * RUNS as u64, "each is counted");
    let stage = |name, ns, note| Stage { name, ns, note };
    vec![
        stage("format", format(), "the line around the event"),
        stage("mac", mac, "HMAC-SHA256 of the line, and the next line's key"),
        stage("leaf", leaf, "SHA-256 of the line"),
        stage("tree", push, "the nodes above the leaf"),
        stage("store", store(&whole), "appended and synced, a batch as large as may be"),
        stage("count", count, "whose line it is, read and added up (as an audit does it)"),
    ]
}

fn each<'l>(lines: &[&'l [u8]], mut work: impl FnMut(&'l [u8])) {
    lines.iter().for_each(|line| work(line));
}

/// The line around each event, with the id that it has when the client gives none.
fn format() -> f64 {
    let mut source = Events::new(1, EVENTS as usize);
    let text = source.take(usize::MAX, EVENTS).0;
    let events: Vec<_> = text.split(|byte| *byte == b'\n').filter(|e| !e.is_empty()).collect();
    let ts = rfc3339(Clock::System.now().wall_ns);
    let (mut id, mut out) = (Vec::new(), Vec::new());
    time(|| {
        for (seq, event) in (0..).zip(&events) {
            if out.len() > BATCH {
                out.clear();
            }
            id.clear();
            push_default_id(&mut id, LOG_ID, seq);
            push_event(&mut out, seq, &ts, &id, PEER, event);
            push_tail(&mut out, &[0; 32]);
            out.push(b'\n');
        }
    })
}

/// Appending and syncing, batch by batch.
fn store(whole: &[u8]) -> f64 {
    let dir = directory();
    let mut file = File::create_new(dir.path().join("lines")).expect("a new file");
    time(|| {
        for batch in whole.chunks(BATCH) {
            file.write_all(batch).and_then(|()| file.sync_data()).expect("the disk takes it");
        }
    })
}
