use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use super::*;
use crate::client::{Away, Settings};

/// A session with what listens at the path, which is never connected again.
fn session(socket: &std::path::Path) -> Session {
    let settings =
        Settings { socket: socket.into(), connect: Duration::from_secs(10), resend: false };
    Session::new(settings, None)
}

/// How an exchange over `input` against `serve` ended: the end, why the daemon is away, how many events were
/// accepted and refused and from where to send again, and the lines of refused events.
fn exchange(
    input: &str,
    serve: impl FnOnce(BufReader<UnixStream>) + Send + 'static,
) -> (End, Option<String>, (u64, u64, u64), Vec<u64>) {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(input.as_bytes()).and_then(|()| file.rewind()).expect("written");
    let dir = tempfile::tempdir().expect("a directory");
    let listener = UnixListener::bind(dir.path().join("s")).expect("a socket");
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client");
        serve(BufReader::new(stream));
    });
    let session = session(&dir.path().join("s"));
    let mut exchange = Exchange::new(session, Some(file.as_fd()), b"", Duration::ZERO);
    let mut refused = Vec::new();
    let end = exchange
        .run(&AtomicBool::new(false), &mut |notice| match notice {
            Notice::Rejected(rejected) => refused.extend(rejected.number),
            Notice::Progress { .. } | Notice::Acknowledged { .. } => {}
        })
        .expect("readable input");
    let sums = exchange.session().sums();
    let sums = (sums.accepted, sums.rejected, exchange.resend_from());
    let away = exchange.session().away().map(Away::to_string);
    drop(exchange);
    server.join().expect("the server's own checks hold");
    (end, away, sums, refused)
}

fn reply(to: &mut BufReader<UnixStream>, text: &str) {
    to.get_mut().write_all(text.as_bytes()).expect("the client reads");
}

fn ack(line: u64) -> String {
    format!("{{\"ack\":{{\"line\":{line},\"seq\":{line},\"mac\":\"00\"}}}}\n")
}

#[test]
fn a_daemon_that_answers_each_line_at_once_is_read_while_sending() {
    // Far more than both buffers hold, in both directions.
    let input = "{\"a\":1}\n".repeat(100_000);
    let (end, _, sums, _) = exchange(&input, |mut peer| {
        let (mut line, mut n) = (String::new(), 0);
        while peer.read_line(&mut line).expect("text") > 0 {
            if n > 0 {
                assert_eq!(line, "{\"a\":1}\n");
                reply(&mut peer, &ack(n));
            } else {
                assert_eq!(line, "{\"auditlog\":{\"ack\":true}}\n");
            }
            n += 1;
            line.clear();
        }
    });
    assert!(matches!(end, End::Done), "{end:?}");
    assert_eq!(sums, (100_000, 0, 100_001));
}

#[test]
fn refused_lines_are_named_by_their_number_in_the_input() {
    let reject = |n| format!(r#"{{"reject":{{"line":{n},"code":"x","message":"y"}}}}"#) + "\n";
    let (end, _, sums, refused) = exchange("{}\n\n\nx\n{}", move |mut peer| {
        let lines: Vec<String> = peer.by_ref().lines().take(4).map(Result::unwrap).collect();
        assert_eq!(lines[1..], ["{}", "x", "{}"]);
        reply(&mut peer, &(reject(2) + &ack(3)));
    });
    assert!(matches!(end, End::Done), "{end:?}");
    assert_eq!((sums, refused), ((2, 1, 6), vec![4]));
}

#[test]
fn a_lost_connection_tells_from_where_to_send_again() {
    let input = "\n".to_owned() + &"{}\n".repeat(1_000_000);
    let (end, _, sums, _) = exchange(&input, |mut peer| {
        let _ = peer.by_ref().lines().take(500).count();
        reply(&mut peer, &ack(99));
    });
    assert!(matches!(end, End::Lost), "{end:?}");
    assert_eq!(sums, (99, 0, 101));
}

#[test]
fn something_else_on_the_socket_is_noticed() {
    for said in ["220 ready\r\n".to_owned(), "x".repeat(65 * 1024), ack(2)] {
        let (end, away, ..) = exchange("{}\n", move |mut peer| reply(&mut peer, &said));
        assert!(matches!(end, End::Lost), "{end:?}");
        assert!(away.expect("a reason").contains("not answer as auditlogd"));
    }
}

#[test]
fn the_daemons_end_is_noticed_while_the_input_is_silent() {
    let (input, _kept_open) = nix::unistd::pipe().expect("a pipe");
    let dir = tempfile::tempdir().expect("a directory");
    let listener = UnixListener::bind(dir.path().join("s")).expect("a socket");
    let server = thread::spawn(move || drop(listener.accept()));
    let session = session(&dir.path().join("s"));
    let mut exchange = Exchange::new(session, Some(input.as_fd()), b"", Duration::ZERO);
    let end = exchange.run(&AtomicBool::new(false), &mut |_| {}).expect("readable input");
    assert!(matches!(end, End::Lost), "{end:?}");
    server.join().expect("served");
}
