//! After a stop, a crash, a rotation, a compression; and clients that reconnect and send again.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::common::{Client, Daemon, verify};
use crate::{event, events, given, receipt, stored};

/// Stores `a`; has `done` do something to the log and the daemon; `a` must be known afterwards.
fn expect_known(done: impl FnOnce(Daemon) -> Daemon) {
    let daemon = Daemon::start();
    let first = daemon.greeted().store(event("a").trim_end(), 1);
    daemon.greeted().store(event("b").trim_end(), 1);
    let daemon = done(daemon);
    let mut client = daemon.greeted();
    let again = client.store(event("a").trim_end(), 1);
    assert_eq!(receipt(&again["ack"]), receipt(&first["ack"]));
    client.send(events(["c", "b", "c"]));
    client.replies_to(4);
    daemon.settle();
    let output = daemon.tool(&["query", "--format", "json"]);
    let rows = String::from_utf8_lossy(&output.stdout).matches("\"test\"").count();
    let (code, said) = verify(daemon.root());
    assert!(code == Some(0) || said.contains("INCOMPLETE"), "{said}");
    let commits = |root: &Path| stored(root).into_values().sum::<usize>();
    assert!(rows >= 3 && commits(daemon.root()) <= 3, "{rows} rows");
}

fn succeed(daemon: &Daemon, command: &str) {
    let output = daemon.tool(&[command]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn compressed(daemon: &Daemon) -> usize {
    let dir = std::fs::read_dir(daemon.root().join("var/log/auditlogd")).expect("reads");
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("reads").file_name();
    dir.map(name).filter(|name| name.to_string_lossy().ends_with(".zst")).count()
}

#[test]
fn a_stop_and_a_start_forget_nothing() {
    expect_known(|daemon| Daemon::start_in(daemon.stop().daemon.kill(), ""));
}

#[test]
fn a_crash_forgets_nothing_and_many_do_neither() {
    expect_known(|mut daemon| {
        for _ in 0..3 {
            daemon = Daemon::start_in(daemon.kill(), "");
        }
        daemon
    });
}

#[test]
fn what_is_in_a_closed_segment_is_known_also_if_it_is_compressed() {
    expect_known(|daemon| {
        succeed(&daemon, "rotate");
        Daemon::start_in(daemon.kill(), "")
    });
    expect_known(|daemon| {
        succeed(&daemon, "rotate");
        succeed(&daemon, "rotate");
        succeed(&daemon, "maintain");
        assert!(compressed(&daemon) > 0);
        Daemon::start_in(daemon.stop().daemon.kill(), "")
    });
}

/// A client that sends events until it is told to stop, over and over on new connections, and what was not
/// acknowledged again and again.
struct Insistent<'s> {
    socket: &'s Path,
    name: usize,
    stop: &'s AtomicBool,
    sent: u64,
    acknowledged: u64,
}

impl Insistent<'_> {
    fn is_done(&self) -> bool {
        self.stop.load(Ordering::Relaxed) && self.acknowledged == self.sent
    }

    /// How many events it has sent.
    fn run(mut self) -> u64 {
        while !self.is_done() {
            match greeted(self.socket) {
                Some(client) => self.talk(client),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
        self.sent
    }

    /// Until the connection ends.
    fn talk(&mut self, mut client: Client) {
        let start = self.acknowledged;
        let mut next = start;
        while !self.is_done() {
            let more = if self.stop.load(Ordering::Relaxed) { self.sent } else { next + 40 };
            self.sent = self.sent.max(more);
            let lines = events((next..self.sent).map(|n| format!("{}-{n}", self.name)));
            if client.stream.write_all(lines.as_bytes()).is_err() {
                return;
            }
            next = self.sent;
            while self.acknowledged < next {
                let Some(reply) = client.reply() else { return };
                self.acknowledged = start + reply["ack"]["line"].as_u64().expect("only acks");
            }
        }
    }
}

fn greeted(socket: &Path) -> Option<Client> {
    let mut client = Client::new(UnixStream::connect(socket).ok()?);
    client.stream.write_all(b"{\"auditlog\":{\"ack\":true}}\n").ok()?;
    client.reply().map(|_greeting| client)
}

/// `REPEAT_KILLS` says how often, `REPEAT_SEED` repeats a run's choices.
#[test]
fn clients_that_send_again_what_was_not_acknowledged_have_every_event_in_the_log_once() {
    let seed = given("REPEAT_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("REPEAT_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let daemon = Daemon::start();
    let stop = AtomicBool::new(false);
    let socket = daemon.socket();
    let (daemon, sent) = std::thread::scope(|scope| {
        let mut daemon = daemon;
        let client = |name| {
            let (socket, stop) = (&*socket, &stop);
            let client = Insistent { socket, name, stop, sent: 0, acknowledged: 0 };
            scope.spawn(move || client.run())
        };
        let clients: Vec<_> = (0..3).map(client).collect();
        for _ in 0..given("REPEAT_KILLS").unwrap_or(6) {
            std::thread::sleep(Duration::from_millis(rng.u64(0..150)));
            let root = if rng.u8(..) < 64 { daemon.stop().daemon.kill() } else { daemon.kill() };
            // The clients connect to the same path again.
            daemon = Daemon::start_in(root, "");
        }
        stop.store(true, Ordering::Relaxed);
        let sent = clients.into_iter().map(|client| client.join().expect("ends well"));
        (daemon, sent.collect::<Vec<u64>>())
    });
    let mut expected = BTreeMap::new();
    for (name, sent) in sent.into_iter().enumerate() {
        expected.extend((0..sent).map(|n| (format!("{name}-{n}"), 1)));
    }
    assert!(stored(daemon.root()) == expected, "not every event is there once");
    let (_, said) = verify(daemon.root());
    assert!(!said.contains("TAMPERED"), "{said}");
}
