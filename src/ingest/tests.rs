//! The room from a client's socket to the writer's queue, with a test in the writer's place.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::{Context, Limits, Socket, Stop, serve};
use crate::config;
use crate::engine::{CommitFailed, Receipt, TestQueue, test_pair};
use crate::event::FieldMap;
use crate::kept::LastRun;
use crate::metrics::Metrics;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

/// `serve` on a runtime of its own, and a writer.
struct Room {
    dir: tempfile::TempDir,
    metrics: Arc<Metrics>,
    limits: watch::Sender<Arc<Limits>>,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<std::thread::JoinHandle<()>>,
    writer: Arc<Writer>,
    /// Each event as it was committed: its id and its text.
    stored: Receiver<(String, String)>,
}

/// What the writer does with what it receives.
#[derive(Default)]
struct Writer {
    mode: Mutex<Mode>,
    changed: Condvar,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Mode {
    #[default]
    Commit,
    Hold,
    Fail,
}

impl Writer {
    fn set(&self, mode: Mode) {
        *self.mode.lock().expect("lock") = mode;
        self.changed.notify_all();
    }

    fn run(&self, queue: TestQueue, stored: Sender<(String, String)>) {
        let mut seq = 0;
        while let Some((submission, _budget)) = queue.recv() {
            let mode = self.mode.lock().expect("lock");
            let mode = self.changed.wait_while(mode, |mode| *mode == Mode::Hold).expect("lock");
            let (mut rest, mut receipt) = (&submission.text[..], None);
            for item in &submission.items {
                let (id, tail) = rest.split_at(item.id_len as usize);
                let (event, tail) = tail.split_at(item.event_len as usize);
                rest = tail;
                if item.accepted {
                    receipt = Some(Receipt { seq, mac: [b'a'; 64] });
                }
                seq += 1;
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("utf-8");
                // A test that has seen enough does not listen any more.
                let _ = stored.send((text(id), text(event)));
            }
            assert!(rest.is_empty());
            let result = if *mode == Mode::Fail { Err(CommitFailed) } else { Ok(receipt) };
            if let Some(on_commit) = submission.on_commit {
                on_commit(result);
            }
        }
    }
}

fn limits() -> Limits {
    Limits {
        max_event_bytes: 1000,
        fields: FieldMap::builtin().into(),
        reject_rate: 1,
        reject_burst: 3,
        max_connections: 100,
        quota: config::Quota::NONE,
        space: Default::default(),
    }
}

impl Room {
    fn open(limits: Limits, queue_bytes: usize) -> Self {
        let dir = tempfile::tempdir().expect("temporary directory");
        let (submitter, queue) = test_pair(queue_bytes);
        let (writer, metrics) = (Arc::new(Writer::default()), Arc::new(Metrics::default()));
        let (limits, follow) = watch::channel(Arc::new(limits));
        let (stored_tx, stored) = channel();
        let at_writer = writer.clone();
        std::thread::spawn(move || at_writer.run(queue, stored_tx));
        let log_id = "0123456789abcdef0123456789abcdef".into();
        let context = Context {
            submitter,
            room: Arc::default(),
            spool: dir.path().join("spool"),
            metrics: metrics.clone(),
            log_id,
            store: None,
            limits: follow,
        };
        let (stop, stopped) = oneshot::channel();
        let (bound, ready) = channel();
        let path = dir.path().join("s");
        let serving = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .expect("runtime");
            runtime.block_on(async {
                let socket = Socket::bind(&path, 0o600).expect("binds");
                bound.send(()).expect("the test listens");
                serve(socket, LastRun::default(), context, async {
                    drop(stopped.await);
                    Stop::Drain
                })
                .await;
            });
        });
        ready.recv_timeout(LONG).expect("binds");
        Self { dir, metrics, limits, stop: Some(stop), serving: Some(serving), writer, stored }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("s")
    }

    fn connect(&self) -> Client {
        let stream = UnixStream::connect(self.path()).expect("connects");
        stream.set_read_timeout(Some(LONG)).expect("timeout");
        Client { replies: BufReader::new(stream.try_clone().expect("clones")), stream }
    }

    fn next(&self) -> String {
        self.stored.recv_timeout(LONG).expect("an event is stored").1
    }

    /// Stops it; returns what was stored and not asked for.
    fn stop(mut self) -> Vec<String> {
        drop(self.stop.take());
        let serving = self.serving.take().expect("runs");
        serving.join().expect("serve returns");
        self.stored.iter().map(|(_, event)| event).collect()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.writer.set(Mode::Commit);
    }
}

struct Client {
    stream: UnixStream,
    replies: BufReader<UnixStream>,
}

impl Client {
    fn greeted(room: &Room) -> Self {
        let mut client = room.connect();
        client.send("{\"auditlog\":{\"ack\":true}}\n");
        let reply = r#"{"auditlog":{"protocol":1,"log_id":"0123456789abcdef0123456789abcdef"}}"#;
        assert_eq!(client.reply(), reply);
        client
    }

    fn send(&mut self, text: impl AsRef<[u8]>) {
        self.stream.write_all(text.as_ref()).expect("writes");
    }

    /// The next reply, empty at the end.
    fn reply(&mut self) -> String {
        let mut line = String::new();
        self.replies.read_line(&mut line).expect("reads");
        line.trim_end().to_owned()
    }

    fn close_write(&self) {
        self.stream.shutdown(Shutdown::Write).expect("shuts down");
    }
}

fn ack(line: u64, seq: u64) -> String {
    format!(r#"{{"ack":{{"line":{line},"seq":{seq},"mac":"{}"}}}}"#, "a".repeat(64))
}

/// Waits for something that other threads bring about.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !holds() {
        assert!(start.elapsed() < LONG, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn events_reach_the_writer_in_order_with_their_ids() {
    let room = Room::open(limits(), 1 << 20);
    let mut client = room.connect();
    client.send("{\"a\":1,\"event_id\":\"x\\\"y\"}\n\n \r\n{\"a\":2}\r\n{\"a\":");
    client.send("3}");
    client.close_write();
    let stored: Vec<_> = (0..3).map(|_| room.stored.recv_timeout(LONG).expect("stored")).collect();
    assert_eq!(stored[0], (r#""x\"y""#.into(), r#"{"a":1,"event_id":"x\"y"}"#.into()));
    assert_eq!(stored[1], (String::new(), r#"{"a":2}"#.into()));
    assert_eq!(stored[2].1, r#"{"a":3}"#);
}

#[test]
fn an_ack_comes_after_the_commit_and_not_before() {
    let room = Room::open(limits(), 1 << 20);
    room.writer.set(Mode::Hold);
    let mut client = Client::greeted(&room);
    client.send("{}\n{}\n");
    client.stream.set_read_timeout(Some(Duration::from_millis(100))).expect("timeout");
    let early = client.replies.read(&mut [0]).expect_err("nothing is committed");
    assert_eq!(early.kind(), ErrorKind::WouldBlock);
    client.stream.set_read_timeout(Some(LONG)).expect("timeout");
    room.writer.set(Mode::Commit);
    assert_eq!(client.reply(), ack(2, 1));
}

#[test]
fn refusals_and_acks_come_in_order_of_their_submissions() {
    let room = Room::open(limits(), 1 << 20);
    let mut client = Client::greeted(&room);
    client.send("{}\n[]\n{}\n");
    let code = r#"{"reject":{"line":2,"code":"not_an_object""#;
    assert!(client.reply().starts_with(code));
    assert_eq!(client.reply(), ack(3, 2));
    client.send("x\n");
    assert!(client.reply().starts_with(r#"{"reject":{"line":4,"code":"invalid_json""#));
}

#[test]
fn refusals_without_a_record_of_their_own_are_replied_to_and_summarised() {
    let room = Room::open(limits(), 1 << 20);
    let mut client = Client::greeted(&room);
    client.send("x\n".repeat(1000));
    for line in 1..=1000 {
        let start = format!(r#"{{"reject":{{"line":{line},"#);
        assert!(client.reply().starts_with(&start));
    }
    assert_eq!(room.metrics.lines_rejected.get(), 1000);
    let stored = room.stop();
    let lines = |record: &String| {
        let value: serde_json::Value = serde_json::from_str(record).expect("json");
        match value["event_type"].as_str() {
            Some("auditlogd.rejected") => 1,
            Some("auditlogd.rejected_summary") => value["data"]["lines"].as_u64().expect("number"),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(stored.iter().map(lines).sum::<u64>(), 1000);
    assert!(stored.len() < 20, "{}", stored.len());
}

#[test]
fn when_the_writer_fails_the_client_is_told_and_disconnected() {
    let room = Room::open(limits(), 1 << 20);
    let mut client = Client::greeted(&room);
    room.writer.set(Mode::Fail);
    client.send("{}\n");
    assert_eq!(
        client.reply(),
        r#"{"error":"the ledger could not be written; send the event again later"}"#
    );
    assert_eq!(client.reply(), "");
}

#[test]
fn a_client_without_a_greeting_is_never_written_to_and_its_close_waits_for_the_commit() {
    let room = Room::open(limits(), 1 << 20);
    room.writer.set(Mode::Hold);
    let mut client = room.connect();
    client.send("{}\nx\n");
    client.close_write();
    client.stream.set_read_timeout(Some(Duration::from_millis(100))).expect("timeout");
    let early = client.replies.read(&mut [0]).expect_err("nothing is committed");
    assert_eq!(early.kind(), ErrorKind::WouldBlock);
    room.writer.set(Mode::Commit);
    client.stream.set_read_timeout(Some(LONG)).expect("timeout");
    assert_eq!(client.reply(), "");
}

#[test]
fn a_full_queue_makes_clients_wait_and_loses_nothing() {
    let room = Room::open(limits(), 10_000);
    room.writer.set(Mode::Hold);
    let mut client = room.connect();
    client.stream.set_nonblocking(true).expect("non-blocking");
    let mut sent: u64 = 0;
    // The kernel's buffer is far smaller than this.
    while sent < 1_000_000 {
        let line = format!("{{\"n\":\"{sent:090}\"}}\n");
        match client.stream.write(line.as_bytes()) {
            Ok(n) => {
                assert_eq!(n, line.len());
                sent += 1;
            }
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::WouldBlock);
                break;
            }
        }
    }
    assert!(sent < 100_000, "{sent}");
    room.writer.set(Mode::Commit);
    for n in 0..sent {
        assert_eq!(room.next(), format!("{{\"n\":\"{n:090}\"}}"));
    }
    client.send("");
}

#[test]
fn a_stop_commits_and_acknowledges_all_that_clients_had_written() {
    let room = Room::open(limits(), 1 << 20);
    let mut clients: Vec<_> = (0..20).map(|_| Client::greeted(&room)).collect();
    room.writer.set(Mode::Hold);
    for client in &mut clients {
        client.send("{}\n".repeat(500));
    }
    let writer = room.writer.clone();
    let stopping = std::thread::spawn(move || room.stop());
    eventually("connections are shut down", || clients.iter_mut().all(is_shut));
    writer.set(Mode::Commit);
    let stored = stopping.join().expect("stops");
    assert_eq!(stored.iter().filter(|event| *event == "{}").count(), 20 * 500);
    for client in &mut clients {
        let mut last = String::new();
        while let Some(reply) = Some(client.reply()).filter(|reply| !reply.is_empty()) {
            last = reply;
        }
        assert!(last.starts_with(r#"{"ack":{"line":500,"#), "{last}");
    }
}

/// Whether a write would fail, without writing more than a blank.
fn is_shut(client: &mut Client) -> bool {
    client.stream.write(b" ").is_err_and(|e| e.kind() == ErrorKind::BrokenPipe)
}

#[tokio::test]
async fn clients_who_had_connected_before_the_stop_are_heard() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let socket = Socket::bind(&dir.path().join("s"), 0o600).expect("binds");
    for n in 0..50 {
        let mut stream = UnixStream::connect(dir.path().join("s")).expect("connects");
        stream.write_all(format!("{{\"n\":{n}}}\n").as_bytes()).expect("writes");
    }
    let (submitter, queue) = test_pair(1 << 20);
    let (_limits, follow) = watch::channel(Arc::new(limits()));
    let metrics = Arc::new(Metrics::default());
    let context = Context {
        submitter,
        room: Arc::default(),
        spool: "/no/such/spool".into(),
        metrics: metrics.clone(),
        log_id: String::new(),
        store: None,
        limits: follow,
    };
    let (stored_tx, stored) = channel();
    std::thread::spawn(move || Writer::default().run(queue, stored_tx));
    serve(socket, LastRun::default(), context, std::future::ready(Stop::Drain)).await;
    assert_eq!(stored.iter().count(), 50);
    assert_eq!((metrics.connections.get(), metrics.connections_accepted.get()), (0, 50));
    assert!(!dir.path().join("s").exists());
}

#[test]
fn connections_beyond_the_limit_wait_until_others_close() {
    let mut few = limits();
    few.max_connections = 2;
    let room = Room::open(few, 1 << 20);
    let first = Client::greeted(&room);
    let _second = Client::greeted(&room);
    let mut third = room.connect();
    third.send("{\"auditlog\":{\"ack\":true}}\n");
    third.stream.set_read_timeout(Some(Duration::from_millis(50))).expect("timeout");
    assert!(third.replies.read(&mut [0]).is_err());
    drop(first);
    third.stream.set_read_timeout(Some(LONG)).expect("timeout");
    assert!(third.reply().contains("protocol"));
    // The third is served as soon as the first is over, and the first is counted off right after that.
    eventually("two are connected", || room.metrics.connections.get() == 2);
    assert_eq!(room.metrics.connections_accepted.get(), 3);
}

#[test]
fn new_limits_hold_for_connections_that_are_open() {
    let room = Room::open(limits(), 1 << 20);
    let mut client = Client::greeted(&room);
    let line = format!("{{\"a\":\"{}\"}}\n", "x".repeat(2000));
    client.send(&line);
    assert!(client.reply().contains("too_long"));
    let mut more = limits();
    more.max_event_bytes = 5000;
    room.limits.send_replace(Arc::new(more));
    client.send(&line);
    assert!(client.reply().starts_with(r#"{"ack":{"line":2,"#));
}
