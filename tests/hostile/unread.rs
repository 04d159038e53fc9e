//! Clients that ask for replies and do not read them.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common::{Daemon, LONG, eventually};
use crate::{AT_ONCE, kib, serves_at_once, stops_clean};

/// Acks that are not read become one, so such a client is served for as long as it likes; at a stop it is given a
/// moment and no more.
#[test]
fn acks_that_nobody_reads_take_no_memory_and_hold_up_neither_others_nor_the_stop() {
    const LAZY: usize = 20;
    const ROUNDS: usize = 300;
    let daemon = Daemon::start();
    let mut lazy: Vec<_> = (0..LAZY).map(|_| daemon.greeted()).collect();
    let mut other = daemon.greeted();
    let before = kib(&daemon, "RssAnon");
    for round in 0..ROUNDS {
        for client in &mut lazy {
            client.send("{\"event_type\":\"lazy\"}\n");
        }
        other.store("{\"event_type\":\"other\"}", round as u64 + 1);
    }
    eventually("all is stored", || (daemon.events().len() == (LAZY + 1) * ROUNDS).then_some(()));
    let grown = kib(&daemon, "RssAnon").saturating_sub(before);
    assert!(grown < 48 * 1024, "{grown} KiB more");
    assert!(daemon.records("disconnected").is_empty());

    let start = Instant::now();
    let stopped = daemon.stop();
    assert!(stopped.status.success() && start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    // What the kernel had room for can still be read; the acks after that are lost, and the events are not.
    let replies = std::iter::from_fn(|| lazy[0].reply()).count();
    assert!((1..=ROUNDS).contains(&replies), "{replies}");
    stops_clean(Daemon::start_in(stopped.daemon.kill(), ""));
}

#[test]
fn a_client_that_is_stopped_in_the_middle_holds_up_nobody_and_ends_well_when_it_goes_on() {
    const EVENTS: usize = 3000;
    let daemon = Daemon::start();
    let mut emit = Command::new(env!("CARGO_BIN_EXE_auditlog"));
    emit.arg("--root").arg(daemon.root()).args(["emit", "--format", "json", "-"]);
    let mut emit = emit.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("runs");
    let mut input = emit.stdin.take().expect("a pipe");
    let line = "{\"event_type\":\"stopped\"}\n";
    let lines = |n: usize| line.repeat(n).into_bytes();
    input.write_all(&lines(EVENTS / 2)).expect("room");
    eventually("it has begun", || (!daemon.events().is_empty()).then_some(()));
    let pid = Pid::from_raw(emit.id() as i32);
    kill(pid, Signal::SIGSTOP).expect("stops");
    serves_at_once(&daemon);
    let feeding = std::thread::spawn(move || input.write_all(&lines(EVENTS / 2)));
    serves_at_once(&daemon);
    kill(pid, Signal::SIGCONT).expect("goes on");
    feeding.join().expect("ends").expect("it reads on");
    let output = emit.wait_with_output().expect("ends");
    assert!(output.status.success());
    let stored =
        || daemon.events().iter().filter(|e| e["event"]["event_type"] == "stopped").count();
    let start = Instant::now();
    assert_eq!(stored(), EVENTS);
    assert!(start.elapsed() < LONG);
    stops_clean(daemon);
}
