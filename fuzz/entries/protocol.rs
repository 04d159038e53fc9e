//! A whole connection to a daemon: any stream of bytes, in any pieces. Every line of it is stored or refused once, and the
//! replies say which.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};

use auditlogd::clock::Clock;
use auditlogd::config::{self, Sources};
use auditlogd::engine::{Engine, EngineSetup, Exposure, IndexSetup, Room, SpaceSetup};
use auditlogd::fs::Real;
use auditlogd::ingest::check::{greeting, is_blank};
use auditlogd::ingest::framing::{Framer, Line, Then};
use auditlogd::ingest::{Context, Limits, Peer, READ, Socket, Stop, serve};
use auditlogd::kept::LastRun;
use auditlogd::ledger::line::{Body, parse};
use auditlogd::ledger::open::Setup;
use auditlogd::ledger::{Host as HostName, Paths, keys};
use auditlogd::metrics::Metrics;
use auditlogd::record::Record;
use serde_json::Value;
use tokio::sync::watch;

/// The longest event, so that an input can be longer.
const MAX: usize = 1024;

/// A daemon's engine and its socket within this process.
struct Host {
    _engine: Engine,
    metrics: Arc<Metrics>,
    dir: PathBuf,
    /// Bytes of the log that were looked at.
    seen: u64,
}

static HOST: LazyLock<Mutex<Host>> = LazyLock::new(|| Mutex::new(Host::start()));

impl Host {
    fn start() -> Self {
        // In memory where there is such a place: an input costs several syncs.
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.into() } else { std::env::temp_dir() };
        let dir = base.join(format!("auditlogd-fuzz-{}", std::process::id()));
        let _there_was_none = std::fs::remove_dir_all(&dir);
        let sources = Sources { root: Some(dir.clone()), ..Sources::default() };
        let mut config = config::load(&sources).expect("the defaults");
        (config.ledger.rotate_bytes, config.ledger.rotate_seconds) = (0, 0);
        (config.space.reserve_bytes, config.space.low_bytes, config.space.normal_bytes) = (0, 0, 0);
        let room = Arc::new(Room::default());
        for dir in [&config.log_dir, &config.state_dir] {
            std::fs::create_dir_all(dir).expect("creates a directory");
        }
        let fields = Arc::new(config.field_map().expect("the defaults"));
        let metrics = Arc::new(Metrics::default());
        let setup = EngineSetup {
            ledger: Setup {
                fs: Arc::new(Real::default()),
                paths: Paths {
                    log_dir: config.log_dir.clone(),
                    state_dir: config.state_dir.clone(),
                },
                host: HostName { name: "host".into(), boot_id: "11111111-2222".into() },
                entropy: keys::os_entropy(),
                own_peer: Peer::of_uid(0).json,
                credential: None,
                on_read: Arc::new(|_| {}),
            },
            limits: config.ledger.clone(),
            space: SpaceSetup::of(&config, room.clone()),
            queue_bytes: 1 << 20,
            exposure: Exposure::of(&config.ingest, READ),
            repeats: config.ingest.repeats,
            kept: None,
            index: IndexSetup::new(&config, fields.clone(), None),
            clock: Clock::System,
            metrics: metrics.clone(),
            on_seal: Box::new(|_| {}),
            on_end: Box::new(|| {}),
            on_turn: Box::new(|_| None),
            on_index: Box::new(|| {}),
        };
        let started = Record::started("11111111-2222", 1, fields.hash());
        let (engine, _) = Engine::start(setup, started).expect("the engine starts");
        let limits = Limits {
            max_event_bytes: MAX,
            fields,
            space: config.space.clone(),
            quota: config.quota.clone(),
            reject_rate: 10,
            reject_burst: 100,
            max_connections: 100,
        };
        let context = Context {
            submitter: engine.submitter(),
            room,
            spool: dir.join("spool"),
            metrics: metrics.clone(),
            log_id: engine.log_id().to_owned(),
            store: None,
            limits: watch::channel(Arc::new(limits)).1,
        };
        let socket = dir.join("s");
        let (bound, ready) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            let runtime = runtime.worker_threads(2).enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let socket = Socket::bind(&socket, 0o600).expect("binds");
                bound.send(()).expect("somebody waits");
                serve(socket, LastRun::default(), context, std::future::pending::<Stop>()).await;
            });
        });
        ready.recv().expect("binds");
        let mut host = Self { _engine: engine, metrics, dir, seen: 0 };
        host.news();
        host
    }

    /// The events of clients that were appended to the log since the last call.
    fn news(&mut self) -> Vec<String> {
        let path = self.dir.join("var/log/auditlogd/audit.jsonl");
        let mut file = std::fs::File::open(path).expect("opens");
        std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(self.seen)).expect("seeks");
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).expect("reads");
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.seen += whole as u64;
        let event = |line: &[u8]| match parse(line).ok()?.body {
            Body::Event { event, .. } => Some(event.to_owned()),
            Body::Seal { .. } => None,
        };
        let own = |event: &String| event.starts_with("{\"event_type\":\"auditlogd.");
        let lines = bytes[..whole].split(|byte| *byte == b'\n');
        lines.filter_map(event).filter(|event| !own(event)).collect()
    }

    /// Lines that were stored, that were stored before, and that were refused.
    fn counts(&self) -> [u64; 3] {
        let repeated = self.metrics.accounts.snapshot().values().map(|of| of.repeated).sum();
        [self.metrics.events_stored.get(), repeated, self.metrics.lines_rejected.get()]
    }

    /// Sends a stream in pieces, closes the writing side and reads all replies.
    fn send(&self, stream: &[u8], lengths: impl Iterator<Item = usize>) -> Vec<u8> {
        let mut writing = UnixStream::connect(self.dir.join("s")).expect("connects");
        let mut reading = writing.try_clone().expect("clones");
        std::thread::scope(|scope| {
            let replies = scope.spawn(move || {
                let mut replies = Vec::new();
                reading.read_to_end(&mut replies).map(|_| replies)
            });
            let mut left = stream;
            for length in lengths {
                let (piece, rest) = left.split_at(length.min(left.len()));
                writing.write_all(piece).expect("room");
                left = rest;
                if left.is_empty() {
                    break;
                }
            }
            writing.shutdown(Shutdown::Write).expect("shuts down");
            replies.join().expect("ends").expect("replies")
        })
    }
}

/// The event lines of a stream, and whether the client asks for replies.
fn lines(stream: &[u8]) -> (Vec<String>, bool) {
    let (mut lines, mut first, mut acks) = (Vec::new(), true, false);
    let mut take = |line: Line<'_>| {
        if is_blank(&line) {
            return;
        }
        let was_first = std::mem::take(&mut first);
        match greeting(&line).filter(|_| was_first) {
            Some(wanted) => acks = wanted,
            None => lines.push(String::from_utf8_lossy(line.head()).into_owned()),
        }
    };
    let mut framer = Framer::default();
    framer.feed(stream, MAX, |line, _| {
        take(line);
        Then::Next
    });
    framer.finish(take);
    (lines, acks)
}

/// The numbers of the lines that replies refuse, after a look at all of them.
fn refusals(replies: &[u8], lines: usize, acks: bool) -> Vec<u64> {
    let (mut refused, mut acked, mut greeted) = (Vec::new(), 0, false);
    for reply in replies.split_inclusive(|byte| *byte == b'\n') {
        let reply = reply.strip_suffix(b"\n").expect("a reply ends with a newline");
        let reply: Value = serde_json::from_slice(reply).expect("a reply is JSON");
        let members = reply.as_object().expect("an object");
        assert_eq!(members.len(), 1, "{reply}");
        if !std::mem::replace(&mut greeted, true) {
            assert_eq!(reply["auditlog"]["protocol"], 1, "the greeting comes first");
        } else if let Some(line) = reply["ack"]["line"].as_u64() {
            assert!(line > acked, "{reply} after {acked}");
            acked = line;
        } else {
            refused.push(reply["reject"]["line"].as_u64().expect("nothing else is answered"));
        }
    }
    assert_eq!(greeted, acks);
    assert!(refused.is_sorted_by(|a, b| a < b), "{refused:?}");
    if acks {
        let last = (1..=lines as u64).rev().find(|line| !refused.contains(line));
        assert_eq!(acked, last.unwrap_or(0), "the last line that was accepted is acknowledged");
    }
    refused
}

/// One input: how the stream is cut, and the stream.
pub fn run(bytes: &[u8]) {
    let Some((cuts, stream)) = bytes.split_first_chunk::<4>() else { return };
    let mut host = HOST.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let before = host.counts();
    let lengths = cuts.iter().map(|cut| 1 + usize::from(*cut) * 4).cycle();
    let replies = host.send(stream, lengths);
    let (lines, acks) = lines(stream);
    let after = host.counts();
    let [stored, repeated, refused] = [0, 1, 2].map(|n| after[n] - before[n]);
    assert_eq!(stored + repeated + refused, lines.len() as u64, "each line is accounted for once");
    let refusals = refusals(&replies, lines.len(), acks);
    assert_eq!(refusals.len() as u64, if acks { refused } else { 0 });

    let news = host.news();
    assert_eq!(news.len() as u64, stored);
    // They are the lines, in their order.
    let mut lines =
        lines.iter().map(|line| auditlogd::json::one_line(line.trim_matches([' ', '\t', '\r'])));
    for event in news {
        assert!(lines.any(|line| line == event), "{event:?} was not sent, or not then");
    }
}
