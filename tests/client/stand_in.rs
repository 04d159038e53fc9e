//! Things that listen where a daemon would, and are worse.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use auditlogd::client::{Client, Options, Sent};

use super::{LONG, event, new_root, spooling};

/// A socket below a directory, where the daemon's would be.
pub struct Listener(UnixListener);

/// One connection to it.
struct Peer(BufReader<UnixStream>);

impl Listener {
    pub fn below(root: &Path) -> Self {
        std::fs::create_dir_all(root.join("run")).expect("a directory");
        let path = root.join("run/auditd.sock");
        let _ = std::fs::remove_file(&path);
        Self(UnixListener::bind(path).expect("a socket"))
    }

    /// The next client, after its greeting.
    fn accept(&self) -> Peer {
        let (stream, _) = self.0.accept().expect("a client");
        stream.set_read_timeout(Some(LONG)).expect("sets a timeout");
        let mut peer = Peer(BufReader::new(stream));
        assert_eq!(peer.line(), r#"{"auditlog":{"ack":true}}"#);
        peer
    }
}

impl Peer {
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line");
        line.trim_end().into()
    }

    fn lines(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.line()).collect()
    }

    fn say(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).expect("the client reads");
    }
}

fn ack(line: u64) -> String {
    format!("{{\"ack\":{{\"line\":{line},\"seq\":{line},\"mac\":\"00\"}}}}\n")
}

fn reject(line: u64) -> String {
    format!("{{\"reject\":{{\"line\":{line},\"code\":\"x\",\"message\":\"y\"}}}}\n")
}

#[test]
fn what_was_not_answered_is_sent_again_byte_for_byte_and_what_was_refused_is_not() {
    let root = new_root();
    let listener = Listener::below(root.path());
    let mut log = Client::open(Options::new(root.path().join("run/auditd.sock"))).expect("opens");
    for n in 1..=6 {
        log.send(event(n)).expect("taken");
    }
    let mut peer = listener.accept();
    let first = peer.lines(6);
    // An answer in pieces; then one that is cut in the middle by the end of the connection.
    let answers = [ack(1), reject(4), ack(2)].concat();
    let (one, rest) = answers.split_at(answers.len() / 2);
    peer.say(one);
    log.flush(Duration::from_millis(1)).expect_err("not all is answered");
    peer.say(rest);
    peer.say(&ack(6)[..20]);
    drop(peer);
    log.flush(Duration::from_millis(1)).expect_err("not all is answered");

    let served = std::thread::spawn(move || {
        let mut peer = listener.accept();
        let again = peer.lines(3);
        peer.say(&ack(3));
        again
    });
    log.flush(LONG).expect("answered");
    let again = served.join().expect("served");
    assert_eq!(again, [first[2].as_str(), &first[4], &first[5]]);
    let counts = log.counts();
    assert_eq!((counts.accepted, counts.rejected, log.rejections().len()), (5, 1, 1));
}

#[test]
fn a_daemon_that_never_answers_holds_nobody_up_and_costs_nothing() {
    let root = new_root();
    let listener = Listener::below(root.path());
    let options = spooling(root.path()).send_timeout(Duration::from_millis(50));
    let mut log = Client::open(options).expect("opens");
    let padding = "x".repeat(500_000);
    let padded = |n| format!(r#"{{"n":{n},"padding":"{padding}"}}"#);
    // The window is full after sixteen; the next one waits, and then goes to the spool with all before it.
    let (mut sent, mut longest) = (0, Duration::ZERO);
    loop {
        let start = Instant::now();
        sent += 1;
        let place = log.send(padded(sent)).expect("taken");
        longest = longest.max(start.elapsed());
        if place == Sent::Spooled {
            break;
        }
        assert!(sent < 30, "the window has a bound");
    }
    assert!(longest >= Duration::from_millis(50) && longest < LONG, "{longest:?}");
    assert_eq!((log.counts().in_memory, log.counts().spooled), (0, sent));
    let left = log.flush(Duration::from_millis(10)).expect_err("nobody answers");
    assert!(left.to_string().contains("has not answered yet"), "{left}");
    assert_eq!(log.close(Duration::ZERO).expect("all are kept"), sent);
    drop(listener);

    let daemon = super::Daemon::start_in(root, "");
    let log = Client::open(spooling(daemon.root())).expect("opens");
    assert_eq!(log.close(LONG).expect("answered"), 0);
    // Longer than the daemon takes, each of them: all are answered all the same.
    super::eventually("the refusals are counted", || {
        let records = [daemon.records("rejected"), daemon.records("rejected_summary")].concat();
        let counted = records.iter().map(|r| r["event"]["data"]["count"].as_u64().unwrap_or(1));
        (counted.sum::<u64>() >= sent).then_some(())
    });
}

#[test]
fn something_else_on_the_socket_is_left_and_tried_again_later() {
    let root = new_root();
    for said in ["220 ready\r\n".to_owned(), "x".repeat(70_000), ack(7), reject(7)] {
        let listener = Listener::below(root.path());
        let mut log =
            Client::open(Options::new(root.path().join("run/auditd.sock"))).expect("opens");
        log.send(event(1)).expect("taken");
        let served = std::thread::spawn(move || {
            let mut peer = listener.accept();
            let first = peer.line();
            // It may hang up before all is said.
            let _ = peer.0.get_mut().write_all(said.as_bytes());
            let mut again = listener.accept();
            let second = again.line();
            again.say(&ack(1));
            assert_eq!(first, second);
        });
        log.flush(LONG).expect("answered");
        served.join().expect("left and tried again");
        assert_eq!(log.counts().accepted, 1);
    }
}

#[test]
fn a_socket_that_may_not_be_written_to_is_told() {
    if nix::unistd::geteuid().is_root() {
        eprintln!("skipped: root may write everywhere");
        return;
    }
    let root = new_root();
    let _listener = Listener::below(root.path());
    let socket = root.path().join("run/auditd.sock");
    std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o000)).expect("sets the mode");
    let mut log = Client::open(Options::new(&socket)).expect("opens");
    let left = log.send(event(1)).map(|_| log.flush(Duration::ZERO)).expect("taken");
    assert!(left.expect_err("refused").to_string().contains("Permission denied"));
}
