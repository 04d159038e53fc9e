//! What a daemon does while nothing happens: nothing.

mod common;

use std::fs;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use common::{Daemon, LONG, eventually};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// How long it is watched at a time.
const WATCHED: Duration = Duration::from_secs(2);
/// As often its threads may sleep in between.
const FEW: u64 = 4;

/// How often the daemon's threads have slept, and kilobytes that it has for itself.
fn counters(daemon: &Daemon) -> (u64, u64) {
    let read = |file: &str, name: &str| {
        let text = fs::read_to_string(format!("/proc/{}/{file}", daemon.pid())).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let tasks = fs::read_dir(format!("/proc/{}/task", daemon.pid())).expect("read");
    let of = |task: fs::DirEntry| {
        let file = format!("task/{}/status", task.file_name().to_string_lossy());
        read(&file, "voluntary_ctxt_switches:").unwrap_or(0)
    };
    let switches = tasks.map(|task| of(task.expect("a thread"))).sum();
    (switches, read("status", "RssAnon:").expect("its memory"))
}

/// Fails unless there is a time in which nobody wakes up. Now and then a timer may, and at first what the last events
/// have left to do.
fn sleeps(daemon: &Daemon) {
    let start = std::time::Instant::now();
    loop {
        let (before, _) = counters(daemon);
        std::thread::sleep(WATCHED);
        let woken = counters(daemon).0 - before;
        if woken <= FEW {
            return;
        }
        assert!(start.elapsed() < LONG, "its threads wake up: {woken} times in {WATCHED:?}");
    }
}

#[test]
fn nobody_wakes_up_while_nothing_happens() {
    let daemon = Daemon::start();
    let mut client = daemon.greeted();
    client.store("{}", 1);
    daemon.settle();
    sleeps(&daemon);
    let idle: Vec<_> = (0..100).map(|_| daemon.greeted()).collect();
    sleeps(&daemon);
    drop(idle);
}

/// A connection takes what it needs while it waits, and no buffer.
#[test]
fn many_idle_connections_take_little_memory_and_give_it_back() {
    const CONNECTIONS: usize = 4000;
    /// At most for each: 64 MiB for 4,096 of them, less what the daemon takes without any.
    const EACH: u64 = 13;
    let needed = 2 * CONNECTIONS as u64;
    let raised = getrlimit(Resource::RLIMIT_NOFILE).is_ok_and(|(_, hard)| {
        hard >= needed && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok()
    });
    if !raised {
        return eprintln!("skipped: a process may not open {needed} files here");
    }
    let daemon = Daemon::start_with(&format!("[quota]\nconnections = {CONNECTIONS}\n"));
    let (_, before) = counters(&daemon);
    let connect = |_| UnixStream::connect(daemon.socket()).expect("connects");
    let streams: Vec<_> = (0..CONNECTIONS).map(connect).collect();
    eventually("all of them are served", || {
        let status = daemon.tool(&["status"]);
        let open = format!("{CONNECTIONS} connected, ");
        String::from_utf8_lossy(&status.stdout).contains(&open).then_some(())
    });
    let (_, open) = counters(&daemon);
    let each = open.saturating_sub(before) / CONNECTIONS as u64;
    assert!(each <= EACH, "{before} kB, then {open} kB: {each} kB a connection");
    drop(streams);
    eventually("what they took is given back", || {
        (counters(&daemon).1 < before + (open - before) / 2).then_some(())
    });
}
