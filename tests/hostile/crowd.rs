//! Very many connections: at once, and one after the other.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use crate::common::manager::Manager;
use crate::common::{Daemon, eventually, tool};
use crate::{
    allow_many_descriptors, await_refused, kib, open_files, refused, serves_at_once, stops_clean,
};

#[test]
fn four_thousand_connections_that_do_nothing_delay_nobody_and_those_beyond_wait() {
    allow_many_descriptors();
    let daemon =
        Daemon::start_with("[ingest]\nmax_connections = 4097\n[quota]\nconnections = 4097\n");
    let mut idle: Vec<_> = (0..4096).map(|_| daemon.connect()).collect();
    serves_at_once(&daemon);
    idle.push(daemon.greeted());
    let mut waiting = daemon.connect();
    waiting.send("{\"event_type\":\"waited\"}\n");
    // Those that are served are served on, and who waits comes in when one goes.
    idle[7].send("{\"event_type\":\"idle\"}\n");
    eventually("an idle one is heard", || (daemon.events().len() == 2).then_some(()));
    drop(idle.remove(100));
    eventually("who waited is heard", || (daemon.events().len() == 3).then_some(()));
}

/// What connections that come and go do to a daemon: each third leaves an event, and each third half a line.
fn storm(daemon: &Daemon, connections: u64) {
    let path = daemon.socket();
    let one_after_the_other = || {
        for n in 0..connections / 4 {
            let mut stream = UnixStream::connect(&path).expect("connects");
            let text: &[u8] = match n % 3 {
                0 => b"{\"event_type\":\"storm\"}\n",
                1 => b"{\"event_type\":\"sto",
                _ => b"",
            };
            stream.write_all(text).expect("room");
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(one_after_the_other);
        }
    });
}

#[test]
fn thousands_of_connections_that_come_and_go_leave_their_events_and_nothing_else() {
    const CONNECTIONS: u64 = 5_000;
    let daemon = Daemon::start();
    storm(&daemon, 800);
    await_refused(&daemon, 4 * 67);
    let (files, memory) = (open_files(&daemon).len(), kib(&daemon, "RssAnon"));
    storm(&daemon, CONNECTIONS);
    serves_at_once(&daemon);
    await_refused(&daemon, 4 * (67 + 417));
    let events = || daemon.events().len() as u64;
    eventually("all events are stored", || (events() == 1 + 4 * (67 + 417)).then_some(()));
    eventually("all is closed", || (open_files(&daemon).len() <= files).then_some(()));
    // What waits for the index is counted, too.
    daemon.settle();
    let grown = kib(&daemon, "RssAnon").saturating_sub(memory);
    assert!(grown < 48 * 1024, "{grown} KiB more");
    stops_clean(daemon);
}

/// Closing with unread replies resets the connection: the daemon's next write fails, and what it had not yet read
/// still counts.
#[test]
fn clients_that_close_on_unread_replies_lose_none_of_their_events() {
    const CLIENTS: usize = 100;
    const EVENTS: usize = 40;
    fn come_and_go(daemon: &Daemon) {
        for n in 0..CLIENTS {
            let mut client = daemon.greeted();
            client.send("{\"event_type\":\"first\"}\nnonsense\n");
            let mut fds = [PollFd::new(&client.stream, PollFlags::IN)];
            poll(&mut fds, None).expect("a reply");
            client.send(format!("{{\"event_type\":\"rest\",\"n\":{n}}}\n").repeat(EVENTS - 1));
        }
        let events = || daemon.events().len();
        eventually("all is stored", || (events() == CLIENTS * EVENTS).then_some(()));
        eventually("all is refused", || (refused(daemon) == CLIENTS as u64).then_some(()));
    }
    let daemon = Daemon::start();
    come_and_go(&daemon);
    stops_clean(daemon);
    let manager = Manager::start_new();
    come_and_go(&manager);
    manager.await_kept(0);
}

/// Each is told apart by the kernel, though most are gone before anybody can look at them.
#[test]
fn a_bomb_of_processes_leaves_each_ones_event_under_its_own_number() {
    const PROCESSES: usize = 150;
    let daemon = Daemon::start();
    let emit = |n: usize| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_auditlog"));
        command.arg("--root").arg(daemon.root()).args(["emit", "-q", "--type", "bomb"]);
        command.args(["--action", &n.to_string()]).stdin(Stdio::null()).spawn().expect("runs")
    };
    let children: Vec<_> = (0..PROCESSES).map(emit).collect();
    let mut pids: Vec<_> = children.iter().map(std::process::Child::id).collect();
    for mut child in children {
        assert!(child.wait().expect("ends").success());
    }
    let events = daemon.events();
    let pid = |line: &serde_json::Value| line["peer"]["pid"].as_u64().expect("a number") as u32;
    let mut found: Vec<_> = events.iter().map(pid).collect();
    pids.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, pids);
    let exe = std::fs::canonicalize(env!("CARGO_BIN_EXE_auditlog")).expect("it is there");
    let known = |line: &&serde_json::Value| match line["peer"]["exe"].as_str() {
        Some(said) => exe == std::path::Path::new(said),
        None => panic!("emit waits for its ack, so it can be looked at: {line}"),
    };
    assert_eq!(events.iter().filter(known).count(), PROCESSES);
    stops_clean(daemon);
}

/// The control socket has places of its own, and gives one back when nothing is asked.
#[test]
fn connections_to_the_control_socket_that_ask_nothing_do_not_stop_events() {
    let daemon = Daemon::start();
    let control = daemon.root().join("run/auditlogd/control.sock");
    let idle: Vec<_> =
        (0..40).map(|_| UnixStream::connect(&control).expect("a control socket")).collect();
    serves_at_once(&daemon);
    let start = Instant::now();
    drop(idle);
    assert!(tool(daemon.root(), &["status"]).status.success());
    assert!(start.elapsed() < Duration::from_secs(40), "{:?}", start.elapsed());
}
