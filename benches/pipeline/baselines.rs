//! What the parts cost alone, in this process, with the same events and the same code where it counts.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use auditlogd::clock::{Clock, rfc3339};
use auditlogd::config::{self, Config, Sources};
use auditlogd::engine::{Sink, each_row};
use auditlogd::event::FieldMap;
use auditlogd::index::{Batch, EventRow, IndexError, Options, SealRow, Writer};
use auditlogd::ledger::keys::{EpochSecret, Ratchet};
use auditlogd::ledger::line::{push_event, push_tail};
use auditlogd::ledger::tree::leaf_hash;

use crate::events::Events;
use crate::pace::Latency;
use crate::subject::{directory, warm};

/// As the kernel describes a sender.
const PEER: &str = r#"{"pid":4711,"uid":1000,"gid":1000,"unit":"billing.service","exe":"/usr/lib/billing/server"}"#;
const LOG_ID: &str = "0123456789abcdef0123456789abcdef";
const DIFFERENT: usize = 1 << 17;

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

/// (b) One thread that inserts rows into an index, by the library's own statements, pragmas and checkpoints, in
/// transactions as large as the daemon's may be: rows a second. The rows are made before the clock starts.
pub fn index(rows: u64) -> f64 {
    warm(rows);
    let dir = directory();
    let config = defaults();
    let options = Options { cache_bytes: config.index.cache_bytes as u64, ..Options::default() };
    let path = dir.path().join("audit.db");
    let mut writer = Writer::open(&path, LOG_ID, &options).expect("a new database");
    let mut lines = Lines::new(usize::MAX);
    let mut spent = Duration::ZERO;
    let map = FieldMap::builtin();
    while lines.seq < rows {
        lines.next(rows.min(lines.seq + config.index.batch_rows as u64));
        let text = lines.whole();
        let begun = Instant::now();
        let mut batch = writer.begin().expect("nobody else writes");
        spent += begun.elapsed();
        let mut inserted = Inserted { batch: &mut batch, spent: &mut spent };
        each_row(&text, &map, LOG_ID, &mut inserted).expect("inserted");
        let begun = Instant::now();
        batch.commit(lines.seq).expect("committed");
        if writer.checkpoint_due().expect("is said") {
            writer.checkpoint().expect("is done");
        }
        spent += begun.elapsed();
    }
    assert_eq!(writer.indexed().expect("reads"), rows);
    rows as f64 / spent.as_secs_f64()
}

/// Rows go into the database, on the clock; what is between them, which makes them, is not.
struct Inserted<'b, 'w> {
    batch: &'b mut Batch<'w>,
    spent: &'b mut Duration,
}

impl Sink for Inserted<'_, '_> {
    fn events(&mut self, rows: &[EventRow<'_>]) -> Result<(), IndexError> {
        let begun = Instant::now();
        let inserted = self.batch.events(rows);
        *self.spent += begun.elapsed();
        inserted
    }

    fn seal(&mut self, _: &SealRow<'_>) -> Result<(), IndexError> {
        unreachable!("there are no seals among the lines")
    }
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

/// The daemon's own defaults.
fn defaults() -> Config {
    let sources = Sources { root: Some(Path::new("/nowhere").into()), ..Sources::default() };
    config::load(&sources).expect("the defaults are valid")
}

/// Lines of the ledger up to their mac, made from events batch by batch.
struct Lines {
    events: Events,
    /// Bytes of events in a batch.
    most: usize,
    text: Vec<u8>,
    ends: Vec<usize>,
    /// Of the next line.
    seq: u64,
}

impl Lines {
    fn new(most: usize) -> Self {
        let events = Events::new(99, DIFFERENT);
        Self { events, most, text: Vec::new(), ends: Vec::new(), seq: 0 }
    }

    /// Makes the next batch; `end` is behind the last line of all.
    fn next(&mut self, end: u64) {
        self.text.clear();
        self.ends.clear();
        let ts = rfc3339(Clock::System.now().wall_ns);
        let mut bytes = 0;
        while self.seq < end && bytes < self.most {
            let (event, _) = self.events.take(1, 1);
            let event = event.strip_suffix(b"\n").expect("a whole line");
            let id = format!("\"{}-{}\"", &LOG_ID[..12], self.seq);
            push_event(&mut self.text, self.seq, &ts, id.as_bytes(), PEER, event);
            self.ends.push(self.text.len());
            (self.seq, bytes) = (self.seq + 1, bytes + event.len());
        }
    }

    fn each(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.text[start..*end])
    }

    /// The batch as whole lines, whose macs nobody looks at.
    fn whole(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.text.len() * 2);
        for line in self.each() {
            out.extend_from_slice(line);
            push_tail(&mut out, &leaf_hash(line));
            out.push(b'\n');
        }
        out
    }
}
