//! What else can be done with a socket than writing lines.

use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::{UnixDatagram, UnixStream};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, send, socket,
};
use std::os::fd::AsRawFd;

use crate::common::manager::{End, Manager};
use crate::common::{Daemon, eventually};
use crate::{serves_at_once, stops_clean};

#[test]
fn a_client_that_shuts_down_its_reading_side_goes_on_writing() {
    let daemon = Daemon::start();
    let mut client = daemon.greeted();
    client.stream.shutdown(Shutdown::Read).expect("shuts down");
    client.send("{\"event_type\":\"deaf\"}\nnonsense\n".repeat(500));
    client.send("{\"event_type\":\"deaf\"}\n");
    eventually("all is stored", || (daemon.events().len() == 501).then_some(()));
    stops_clean(daemon);
}

#[test]
fn a_client_that_shuts_down_both_sides_at_once_is_heard_to_the_end() {
    let daemon = Daemon::start();
    let clients: Vec<_> = (0..50)
        .map(|_| {
            let mut client = daemon.connect();
            client.send("{\"event_type\":\"both\"}\n".repeat(20));
            client.stream.shutdown(Shutdown::Both).expect("shuts down");
            client
        })
        .collect();
    eventually("all is stored", || (daemon.events().len() == 1000).then_some(()));
    drop(clients);
    stops_clean(daemon);
}

/// Sends bytes as send(2) does with these flags.
fn send_with(stream: &UnixStream, bytes: &str, flags: MsgFlags) {
    assert_eq!(send(stream.as_raw_fd(), bytes.as_bytes(), flags), Ok(bytes.len()));
}

/// Urgent bytes stand in the line where they were sent, and empty messages are none.
fn says_urgent_things(stream: &UnixStream, n: usize) {
    let (plain, urgent) = (MsgFlags::empty(), MsgFlags::MSG_OOB);
    send_with(stream, "{\"event_type\":\"urgent\",", plain);
    send_with(stream, "", plain);
    send_with(stream, "\"n", urgent);
    send_with(stream, "\":", plain);
    send_with(stream, &n.to_string(), urgent);
    send_with(stream, "}", urgent);
    send_with(stream, "\n", urgent);
    send_with(stream, "", plain);
}

#[test]
fn urgent_bytes_are_bytes_of_their_line_and_empty_writes_are_nothing() {
    const LINES: usize = 50;
    let expected: Vec<_> = (0..LINES).map(|n| Some(n as u64)).collect();
    let numbers = |daemon: &Daemon| -> Vec<_> {
        daemon.events().iter().map(|line| line["event"]["n"].as_u64()).collect()
    };
    let daemon = Daemon::start();
    let mut client = daemon.greeted();
    (0..LINES).for_each(|n| says_urgent_things(&client.stream, n));
    client.replies_to(LINES as u64);
    assert_eq!(numbers(&daemon), expected);
    stops_clean(daemon);

    let mut manager = Manager::start_new();
    let mut client = manager.greeted();
    (0..LINES / 2).for_each(|n| says_urgent_things(&client.stream, n));
    manager.again(End::Kill);
    (LINES / 2..LINES).for_each(|n| says_urgent_things(&client.stream, n));
    client.replies_to(LINES as u64);
    assert_eq!(numbers(&manager), expected);
}

#[test]
fn other_kinds_of_sockets_are_turned_away_by_the_kernel() {
    let daemon = Daemon::start();
    let path = daemon.socket();
    let kind = UnixDatagram::unbound().expect("a socket").connect(&path).expect_err("no stream");
    assert_eq!(kind.raw_os_error(), Some(Errno::EPROTOTYPE as i32));
    let address = UnixAddr::new(&path).expect("an address");
    let packets = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::empty(), None);
    let packets = packets.expect("a socket");
    assert_eq!(connect(packets.as_raw_fd(), &address), Err(Errno::EPROTOTYPE));
    serves_at_once(&daemon);
}

#[test]
fn a_connection_that_never_waits_for_room_loses_only_what_it_was_told_is_not_taken() {
    let daemon = Daemon::start();
    let client = daemon.connect();
    let mut stream = &client.stream;
    stream.set_nonblocking(true).expect("sets the mode");
    let line = format!("{{\"event_type\":\"eager\",\"a\":\"{}\"}}\n", "x".repeat(2000));
    let (mut whole, mut partial) = (0, None);
    while whole < 2000 && partial.is_none() {
        match stream.write(line.as_bytes()) {
            Ok(n) if n == line.len() => whole += 1,
            Ok(n) => partial = Some(n),
            Err(e) => assert_eq!(e.kind(), std::io::ErrorKind::WouldBlock),
        }
    }
    drop(client);
    eventually("what was taken is stored", || (daemon.events().len() == whole).then_some(()));
    let cut = daemon.records("rejected").iter().map(|r| r["event"]["data"]["bytes"].clone()).next();
    assert_eq!(cut.and_then(|bytes| bytes.as_u64()), partial.map(|n| n as u64));
    stops_clean(daemon);
}
