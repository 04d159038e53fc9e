//! What writes the index in these tests: the library's own writer on a thread, following a made-up ledger.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use auditlogd::event::{Event, Outcome};
use auditlogd::index::{Batch, EventRow, IndexError, Options, SealRow, SegmentRow, Writer};
use auditlogd::record::Record;

use crate::{give_to_group, program, wait};

const LOG: &str = "0123456789abcdef0123456789abcdef";

/// A directory of the group with an index in it.
pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o750);
        std::fs::set_permissions(dir.path(), mode).expect("ours");
        give_to_group(dir.path());
        let place = Self(dir);
        place.open().close().expect("closes");
        place
    }

    pub fn db(&self) -> PathBuf {
        self.0.path().join("audit.db")
    }

    pub fn open(&self) -> Writer {
        Writer::open(&self.db(), LOG, &options()).expect("opens")
    }

    pub fn reset(&self) {
        let (writer, aside) = Writer::reset(&self.db(), LOG, &options()).expect("resets");
        assert_eq!(aside, None);
        writer.close().expect("closes");
    }

    /// The files as a daemon leaves them that is killed after a commit: a copy of an index in use.
    pub fn after_kill(&self) -> Self {
        let mut writer = self.open();
        write_some(&mut writer).expect("writes");
        let copy = Self::new();
        for name in ["audit.db", "audit.db-wal", "audit.db-shm"] {
            let to = copy.0.path().join(name);
            std::fs::copy(self.0.path().join(name), &to).expect(name);
            give_to_group(&to);
        }
        copy
    }
}

fn options() -> Options {
    let busy_timeout = Duration::from_millis(20);
    let group = program::group();
    Options { group, busy_timeout, checkpoint_pages: 50, ..Options::default() }
}

/// A thread that inserts batch after batch.
pub struct Daemon {
    stop: Arc<AtomicBool>,
    committed: Arc<AtomicU64>,
    busy: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Daemon {
    /// Returns after its first batches.
    pub fn start(place: &Place) -> Self {
        let db = place.db();
        let (stop, committed, busy) =
            <(Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        let shared = (stop.clone(), committed.clone(), busy.clone());
        let thread = std::thread::spawn(move || run(&db, &shared.0, &shared.1, &shared.2));
        let daemon = Self { stop, committed, busy, thread };
        daemon.wait_for_more();
        daemon
    }

    /// The next leaf after the last commit.
    pub fn committed(&self) -> u64 {
        self.committed.load(SeqCst)
    }

    /// Waits for a further commit.
    pub fn wait_for_more(&self) -> u64 {
        let before = self.committed();
        wait("a commit", || Some(self.committed()).filter(|now| *now > before))
    }

    /// Waits until a lock has kept it from writing.
    pub fn wait_for_busy(&self) {
        let before = self.busy.load(SeqCst);
        wait("a busy index", || (self.busy.load(SeqCst) > before).then_some(()));
    }

    /// Stops it as the daemon stops; gives the number of its last leaf.
    pub fn stop(self) -> u64 {
        self.stop.store(true, SeqCst);
        self.thread.join().expect("no panic");
        self.committed.load(SeqCst)
    }
}

fn run(db: &Path, stop: &AtomicBool, committed: &AtomicU64, busy: &AtomicU64) {
    let open = || match Writer::open(db, LOG, &options()) {
        Err(error) if error.is_temporary() => None,
        writer => Some(writer.expect("opens")),
    };
    let mut writer = wait("the index", open);
    while !stop.load(SeqCst) {
        match write_some(&mut writer) {
            Ok(indexed) => committed.store(indexed, SeqCst),
            Err(error) if error.is_temporary() => drop(busy.fetch_add(1, SeqCst)),
            Err(error) => panic!("{error}"),
        }
        if writer.checkpoint_due().expect("tells") {
            writer.checkpoint().expect("checkpoints");
        }
    }
    writer.close().expect("closes");
}

/// One batch: a run's records, some clients' events and a seal.
fn write_some(writer: &mut Writer) -> Result<u64, IndexError> {
    let mut seq = writer.indexed()?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let now = now.as_nanos() as i64;
    let mut batch = writer.begin()?;
    let first_seq = seq;
    for _ in 0..2 {
        for (n, event) in clients_events(now).iter().enumerate() {
            let client_id = (n == 2).then_some("order-4711");
            put(&mut batch, seq, now, client_id, event)?;
            seq += 1;
        }
    }
    for record in daemons_records() {
        put(&mut batch, seq, now, None, &own_event(&record))?;
        seq += 1;
    }
    put_seal(&mut batch, first_seq, seq, now)?;
    let (opened, host, file) = ("2026-11-21T01:23:45Z", "host", "audit.jsonl");
    batch.segment(&SegmentRow { number: 0, first_seq: 0, opened, host, file })?;
    batch.commit(seq + 1)?;
    Ok(seq + 1)
}

/// An event's text with its members.
type Made = (String, Event<'static>);

fn clients_events(now: i64) -> Vec<Made> {
    let common = Event {
        actor: Some("alice".into()),
        source: Some("sshd".into()),
        priority: Some(6),
        client_ip: Some("192.0.2.7".into()),
        correlation_id: Some("req-7".into()),
        session_id: Some("session-3".into()),
        ..Event::default()
    };
    let login = |outcome| Event {
        event_type: Some("auth.login".into()),
        outcome: Some(outcome),
        ..common.clone()
    };
    let read = Event {
        event_type: Some("file.read".into()),
        priority: Some(2),
        operation: Some("read".into()),
        duration_ms: Some(1500.5),
        client_ts_ns: Some(now - 3_600_000_000_000),
        ..common.clone()
    };
    let path = r#"{"event_type":"file.read","data":{"path":"/etc/shadow","bytes":17}}"#;
    let mut all = vec![("{}".into(), login(Outcome::Success)), (path.into(), read)];
    all.extend((0..5).map(|_| ("{}".into(), login(Outcome::Failure))));
    all
}

fn daemons_records() -> [Record; 2] {
    let started =
        Record::Started { version: "0.1.0", boot_id: "00000000-boot".into(), boottime_ns: 5 };
    let (code, message) = ("invalid_json", "expected value at column 1".into());
    let rejected = Record::Rejected { code, message, line: 3, bytes: 5, raw: "aGVsbG8=".into() };
    [started, rejected]
}

fn own_event(record: &Record) -> Made {
    let event_type = Some(record.event_type().into());
    let event = Event {
        event_type,
        priority: Some(5),
        source: Some("auditlogd".into()),
        ..Event::default()
    };
    (record.to_json(), event)
}

fn put(
    batch: &mut Batch<'_>,
    seq: u64,
    ts_ns: i64,
    client_id: Option<&str>,
    (event, fields): &Made,
) -> Result<(), IndexError> {
    let row = EventRow {
        seq,
        ts_ns,
        client_id,
        uid: if seq.is_multiple_of(2) { Some(1000) } else { Some(0) },
        gid: Some(100),
        pid: Some(42),
        unit: Some("ssh.service"),
        exe: Some("/usr/sbin/sshd"),
        event,
        mac: [0xab; 32],
        fields,
    };
    batch.events(&[row])
}

fn put_seal(batch: &mut Batch<'_>, first_seq: u64, seq: u64, ts_ns: i64) -> Result<(), IndexError> {
    let hex = "ab".repeat(32);
    batch.seal(&SealRow {
        seq,
        ts_ns,
        epoch: first_seq,
        first_seq,
        size: seq,
        root: &hex,
        prev: &hex,
        next_pub: &hex,
        reason: "time",
        boot_id: "00000000-boot",
        boottime_ns: 5,
        line: r#"{"seq":0,"seal":{}}"#,
    })
}
