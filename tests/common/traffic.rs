//! Clients that send without pause and remember what was acknowledged, and what a log directory holds.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use serde_json::Value;

use super::{Client, Daemon, eventually};

/// Lines that a client sends before it waits for their acknowledgement.
const BURST: u64 = 20;

/// Connections that send events with ids of their own until they are told to stop or the daemon is gone.
pub struct Traffic {
    clients: Vec<JoinHandle<Vec<String>>>,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
}

impl Traffic {
    /// Starts so many connections; `name` makes the ids unique.
    pub fn start(daemon: &Daemon, name: &str, connections: usize) -> Self {
        let (stop, acknowledged) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let client = |number| {
            let client = daemon.greeted();
            let (stop, acknowledged) = (stop.clone(), acknowledged.clone());
            let prefix = format!("{name}-{number}");
            std::thread::spawn(move || send(client, &prefix, &stop, &acknowledged))
        };
        let clients = (0..connections).map(client).collect();
        let traffic = Self { clients, stop, acknowledged };
        traffic.more(200);
        traffic
    }

    /// Waits until so many more events are acknowledged.
    pub fn more(&self, events: u64) {
        let now = || self.acknowledged.load(Ordering::Relaxed);
        let wanted = now() + events;
        eventually("more events are acknowledged", || (now() >= wanted).then_some(()));
    }

    /// Ends it; returns the ids of the acknowledged events.
    pub fn finish(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        let ids = |client: JoinHandle<Vec<String>>| client.join().expect("the client ends well");
        self.clients.into_iter().flat_map(ids).collect()
    }
}

fn send(
    mut client: Client,
    prefix: &str,
    stop: &AtomicBool,
    acknowledged: &AtomicU64,
) -> Vec<String> {
    let (mut sent, mut acked) = (0, 0);
    let id = |n: u64| format!("{prefix}-{n}");
    'traffic: while !stop.load(Ordering::Relaxed) {
        let line = |n| format!("{{\"event_type\":\"traffic\",\"event_id\":\"{}\"}}\n", id(n));
        let burst: String = (sent + 1..=sent + BURST).map(line).collect();
        sent += BURST;
        if client.stream.write_all(burst.as_bytes()).is_err() {
            break;
        }
        while acked < sent {
            let Some(reply) = client.reply() else { break 'traffic };
            let line = reply["ack"]["line"].as_u64().expect("nothing is refused");
            acknowledged.fetch_add(line - acked, Ordering::Relaxed);
            acked = line;
        }
    }
    (1..=acked).map(id).collect()
}

/// A file of the ledger.
pub struct Segment {
    pub path: PathBuf,
    pub header: Value,
    pub lines: Vec<Value>,
}

/// All segments of the ledger in their order; of a segment and a copy of its beginning, the segment.
pub fn segments(root: &Path) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    for entry in fs::read_dir(root.join("var/log/auditlogd")).expect("reads") {
        let path = entry.expect("reads").path();
        if path.is_dir() {
            continue;
        }
        let text = String::from_utf8_lossy(&fs::read(&path).expect("reads")).into_owned();
        // Not so what compressors and the daemon's own copies of bytes hold.
        if !text.starts_with("{\"auditlog\":1,") {
            continue;
        }
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        let parse = |line| serde_json::from_str::<Value>(line).expect("a line is JSON");
        let mut lines: Vec<_> = text[..whole].lines().map(parse).collect();
        segments.push(Segment { path, header: lines.remove(0), lines });
    }
    segments.sort_by_key(|segment| (segment.header["segment"].as_u64(), segment.lines.len()));
    segments.dedup_by(|longer, shorter| {
        let same = longer.header == shorter.header && longer.lines.starts_with(&shorter.lines);
        if same {
            std::mem::swap(longer, shorter);
        }
        same
    });
    segments
}

/// Fails unless every one of `ids` is in exactly one line of the ledger and, once the index has caught up,
/// in the database.
pub fn assert_stored(root: &Path, ids: &[String]) {
    let mut stored = BTreeSet::new();
    for segment in segments(root) {
        for line in segment.lines {
            let id = line["id"].as_str().expect("every line has an id").to_owned();
            assert!(stored.insert(id), "twice in the ledger: {line}");
        }
    }
    let indexed = indexed(root);
    for id in ids {
        assert!(stored.contains(id), "{id} was acknowledged and is not in the ledger");
        assert!(indexed.contains(id), "{id} was acknowledged and is not in the database");
    }
}

/// The ids of all events in the database.
pub fn indexed(root: &Path) -> BTreeSet<String> {
    let database = rusqlite::Connection::open(root.join("var/lib/auditlogd/audit.db"));
    let database = database.expect("opens");
    let mut query = database.prepare("SELECT id FROM events").expect("prepares");
    let ids = query.query_map([], |row| row.get(0)).expect("queries");
    ids.collect::<Result<_, _>>().expect("reads")
}

/// Fails unless every segment but the first continues the one before, right after a seal.
pub fn assert_segments_follow_seals(segments: &[Segment]) {
    for pair in segments.windows(2) {
        let last = pair[0].lines.last().expect("no segment is empty");
        assert!(last["seal"].is_object(), "{:?} ends with {last}", pair[0].path);
        let next = last["seq"].as_u64().map(|seq| seq + 1);
        assert_eq!(pair[1].header["first_seq"].as_u64(), next, "{:?}", pair[1].path);
    }
}
