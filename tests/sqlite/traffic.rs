//! Daemons whose index a group may read, and what their clients send.

use std::fs::{Permissions, set_permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::common::{Client, Daemon, eventually};
use crate::program::{self, sqlite3};

/// One of each kind of event that the documented queries look for. The one with an id is stored the first time only.
const EVENTS: &str = r#"{"event_type":"order.placed","source":"shop","actor":"bob","event_id":"order-4711"}
{"event_type":"auth.login","source":"sshd","actor":"alice","outcome":"success","client_ip":"192.0.2.7","session_id":"session-3"}
{"event_type":"auth.login","source":"sshd","actor":"mallory","outcome":"failure","client_ip":"192.0.2.9"}
{"event_type":"auth.login","source":"sshd","actor":"mallory","outcome":"failure","client_ip":"192.0.2.10"}
{"event_type":"file.read","source":"vault","actor":"alice","action":"reads","target":"shadow","priority":"crit","correlation_id":"req-7","data":{"path":"/etc/shadow","bytes":17}}
{"event_type":"db.query","source":"shop","actor":"alice","operation":"select","duration_ms":1500.5,"correlation_id":"req-7","timestamp":"2020-01-01T00:00:00Z"}
"#;
const LINES: u64 = 6;

/// A daemon on a fresh directory.
pub fn daemon() -> Daemon {
    let root = tempfile::tempdir().expect("a directory");
    set_permissions(root.path(), Permissions::from_mode(0o711)).expect("ours");
    daemon_in(root)
}

/// A daemon on the directory of an earlier one.
pub fn daemon_in(root: TempDir) -> Daemon {
    let group = program::group().map(|group| format!("group = {:?}\n", group.name));
    let config = format!("{}[ledger]\nepoch_lines = 100\n", group.unwrap_or_default());
    let daemon = Daemon::start_in(root, &config);
    wait_until_indexed(&daemon, 0);
    daemon
}

/// The first line that the reading user does not find in the index yet.
pub fn indexed(database: &Path) -> Option<u64> {
    sqlite3(database, "SELECT indexed FROM meta;").ok()?.trim().parse().ok()
}

pub fn wait_until_indexed(daemon: &Daemon, seq: u64) {
    let database = daemon.database();
    eventually("the index has the line", || indexed(&database).filter(|next| *next > seq));
}

/// Sends events, some at a time, and waits for the acks; gives the last one's seq and the time it took.
pub fn store(client: &mut Client, sent: &mut u64, events: u64) -> (u64, Duration) {
    const AT_A_TIME: u64 = 10;
    let start = Instant::now();
    let mut seq = None;
    for _ in 0..events / AT_A_TIME {
        client.send("{\"source\":\"load\"}\n".repeat(AT_A_TIME as usize));
        *sent += AT_A_TIME;
        seq = client.replies_to(*sent).pop().and_then(|ack| ack["ack"]["seq"].as_u64());
    }
    (seq.expect("an ack with a seq"), start.elapsed())
}

/// A client on a thread that sends event after event until the daemon has gone.
pub struct Traffic {
    stop: Arc<AtomicBool>,
    acked: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Traffic {
    /// Returns when the index has something of everything, a refused line among it.
    pub fn start(daemon: &Daemon) -> Self {
        daemon.connect().send("not json\n");
        let (stop, acked) = <(Arc<AtomicBool>, Arc<AtomicU64>)>::default();
        let (client, shared) = (daemon.greeted(), (stop.clone(), acked.clone()));
        let thread = std::thread::spawn(move || send(client, &shared.0, &shared.1));
        let database = daemon.database();
        let ask = "SELECT indexed > 150 AND EXISTS (SELECT * FROM seals) \
                   AND EXISTS (SELECT * FROM rejected) FROM meta;";
        eventually("the index has something of everything", || {
            (sqlite3(&database, ask).as_deref() == Ok("1\n")).then_some(())
        });
        Self { stop, acked, thread }
    }

    /// The seq of the last acknowledged event.
    pub fn acked(&self) -> u64 {
        self.acked.load(SeqCst)
    }

    /// Waits for a further ack.
    pub fn wait_for_more(&self) -> u64 {
        let before = self.acked();
        eventually("an ack", || Some(self.acked()).filter(|now| *now > before))
    }

    /// Ends it, or waits until it has ended with the daemon; gives the last acknowledged seq.
    pub fn end(self) -> u64 {
        self.stop.store(true, SeqCst);
        self.thread.join().expect("no panic");
        self.acked.load(SeqCst)
    }
}

fn send(mut client: Client, stop: &AtomicBool, acked: &AtomicU64) {
    let mut sent = 0;
    while !stop.load(SeqCst) && client.stream.write_all(EVENTS.as_bytes()).is_ok() {
        sent += LINES;
        loop {
            let Some(reply) = client.reply() else { return };
            if let Some(seq) = reply["ack"]["seq"].as_u64() {
                acked.store(seq, SeqCst);
            }
            if reply["ack"]["line"] == sent {
                break;
            }
        }
    }
}
