//! What the daemon tells the service manager, and when.

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::notified::Notified;
use common::{Daemon, eventually, refused_with_env};
use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

/// A watchdog that is pinged twenty times a second.
const WATCHDOG: (&str, &str) = ("WATCHDOG_USEC", "100000");

fn monotonic_usec() -> i64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("a clock");
    now.tv_sec() * 1_000_000 + now.tv_nsec() / 1_000
}

fn pings(messages: &[String]) -> usize {
    messages.iter().filter(|message| message.starts_with("WATCHDOG=1\n")).count()
}

#[test]
fn it_is_ready_after_the_first_start_and_stopping_before_the_seal() {
    let manager = Notified::new();
    let daemon = manager.start("", &[]);
    let ready = manager.hears("READY=1");
    assert!(ready.contains("\nSTATUS=0 events stored since the start; "), "{ready}");
    assert_eq!(daemon.records("started").len(), 1);
    daemon.greeted().store("{}", 1);
    let stopped = daemon.stop();
    assert!(stopped.status.success());
    let heard = manager.rest();
    let at = |line: &str| {
        let found = heard.iter().position(|message| message.contains(line));
        found.unwrap_or_else(|| panic!("{line:?} is missing in {heard:?}"))
    };
    // stop_seconds, and some more until the service manager does what the daemon should have done.
    assert!(at("STOPPING=1\nEXTEND_TIMEOUT_USEC=35000000\nSTATUS=") < at("STATUS=sealing the log"));
}

#[test]
fn a_start_that_reads_what_a_crash_left_asks_for_time_before_it_is_ready() {
    let manager = Notified::new();
    let daemon = Daemon::start();
    daemon.greeted().store("{}", 1);
    let _daemon = manager.start_in(daemon.kill(), "", &[]);
    let heard = manager.until(|message| message.starts_with("READY=1\n"));
    let asked = "EXTEND_TIMEOUT_USEC=60000000\nSTATUS=reading what the last run left: ";
    assert!(heard[0].starts_with(asked), "{heard:?}");
}

#[test]
fn a_daemon_that_does_not_start_is_never_ready_and_says_why() {
    let manager = Notified::new();
    let daemon = Daemon::start();
    daemon.greeted().store("{}", 1);
    let root = daemon.stop().daemon.kill();
    fs::remove_file(root.path().join("var/lib/auditlogd/ledger.state")).expect("removes");
    let (status, said) = refused_with_env(root.path(), "", &manager.env());
    assert_eq!(status.code(), Some(1), "{said}");
    let heard = manager.rest();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert!(heard[0].starts_with("STATUS=") && heard[0].contains("ledger.state"), "{heard:?}");
}

#[test]
fn a_reload_begins_and_ends_also_if_the_configuration_is_wrong() {
    let manager = Notified::new();
    let daemon = manager.start("", &[]);
    manager.hears("READY=1");
    for config in ["[ingest]\nmax_connections = 7\n", "[ingest]\nmax_connexions = 7\n"] {
        daemon.configure(config);
        let before = monotonic_usec();
        daemon.reload();
        let after = monotonic_usec();
        let reloading = manager.hears("RELOADING=1");
        let time = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
        let time: i64 = time.expect("in the same message").parse().expect("a number");
        assert!((before..=after).contains(&time), "{before} {time} {after}");
        manager.hears("READY=1");
    }
}

#[test]
fn the_watchdog_is_pinged_with_live_figures_also_when_nothing_happens() {
    let manager = Notified::new();
    let daemon = manager.start("", &[WATCHDOG]);
    let mut client = daemon.greeted();
    (1..=3).for_each(|line| drop(client.store("{}", line)));
    daemon.settle();
    manager.until(|message| {
        message.starts_with("WATCHDOG=1\nSTATUS=3 events stored since the start, the last at 2")
            && message.ends_with(" UTC; 1 connection; the index is up to date\n")
    });
    (0..3).for_each(|_| drop(manager.hears("WATCHDOG=1")));
}

#[test]
fn a_start_over_a_log_that_is_indexed_does_not_leave_it_looking_behind() {
    let manager = Notified::new();
    let daemon = Daemon::start();
    daemon.greeted().store("{}", 1);
    daemon.settle();
    let _daemon = manager.start_in(daemon.stop().daemon.kill(), "", &[]);
    // Nobody writes and no watchdog is pinged: what is said now stays.
    manager.until(|message| message.ends_with("; the index is up to date\n"));
}

#[test]
fn a_watchdog_that_is_not_asked_for_or_meant_for_another_process_is_not_pinged() {
    for env in [&[][..], &[WATCHDOG, ("WATCHDOG_PID", "1")]] {
        let manager = Notified::new();
        let daemon = manager.start("", env);
        let mut client = daemon.greeted();
        (1..=20).for_each(|line| drop(client.store("{}", line)));
        drop(client);
        daemon.stop();
        let heard = manager.rest();
        assert!(heard.len() > 2, "{heard:?}");
        assert_eq!(pings(&heard), 0, "{heard:?}");
    }
}

/// The thread of this name.
fn thread(daemon: &Daemon, name: &str) -> Pid {
    let tasks = fs::read_dir(format!("/proc/{}/task", daemon.pid())).expect("a process");
    let mut tasks = tasks.map(|task| task.expect("a thread"));
    let is_it = |task: &fs::DirEntry| {
        fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim_end() == name)
    };
    let found = tasks.find(is_it).expect("there is one").file_name();
    Pid::from_raw(found.to_string_lossy().parse().expect("a number"))
}

/// A thread that is stopped alone, as a disk does that does not answer.
struct Stopped(Pid);

impl Drop for Stopped {
    fn drop(&mut self) {
        // The process may have ended.
        let _ = ptrace::detach(self.0, None::<Signal>);
    }
}

/// None if this user may not.
fn stop(thread: Pid) -> Option<Stopped> {
    match ptrace::attach(thread) {
        Err(Errno::EPERM) => {
            eprintln!("skipped: stopping the writer alone needs root (CAP_SYS_PTRACE)");
            return None;
        }
        attached => attached.expect("attaches"),
    }
    let stopped = Stopped(thread);
    waitpid(thread, Some(WaitPidFlag::__WALL)).expect("it stops");
    Some(stopped)
}

#[test]
fn a_writer_that_does_not_come_round_sends_no_ping_whatever_the_others_do() {
    let manager = Notified::new();
    let daemon = manager.start("", &[WATCHDOG]);
    let writer = thread(&daemon, "writer");
    manager.hears("READY=1");
    manager.hears("WATCHDOG=1");
    let Some(stopped) = stop(writer) else { return };
    manager.rest();
    daemon.connect().send("{}\n");
    assert_eq!(daemon.tool(&["status"]).status.code(), Some(0), "everybody else is well");
    // Ten pings would have come; that a client came or left is told all the same.
    let until = Instant::now() + Duration::from_millis(500);
    let mut heard = Vec::new();
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        heard.extend(manager.next_within(left.max(Duration::from_millis(1))));
    }
    assert_eq!(pings(&heard), 0, "{heard:?}");
    drop(stopped);
    manager.hears("WATCHDOG=1");
}

#[test]
fn an_index_that_stands_still_is_told_at_once_and_when_it_goes_on() {
    let root = tempfile::tempdir().expect("temporary directory");
    let state = root.path().join("var/lib/auditlogd");
    fs::create_dir_all(&state).expect("creates");
    fs::write(state.join("audit.db"), "garbage ".repeat(5000)).expect("writes");
    let manager = Notified::new();
    let daemon = manager.start_in(root, "", &[]);
    manager.until(|message| message.contains("STATUS=the index stands still: "));
    assert!(daemon.tool(&["reindex"]).status.success());
    manager.until(|message| !message.contains("the index stands still"));
}

#[test]
fn a_disk_that_is_nearly_full_is_told_at_once() {
    let manager = Notified::new();
    let _daemon = manager.start("[maintenance]\nmin_free_bytes = 1125899906842624\n", &[]);
    manager.until(|message| {
        message.contains("STATUS=the disk is nearly full, ") && message.contains(" are free; ")
    });
}

#[test]
fn a_service_manager_that_is_gone_holds_up_nobody() {
    let manager = Notified::new();
    let daemon = manager.start("", &[WATCHDOG]);
    drop(manager);
    daemon.greeted().store("{}", 1);
    eventually("it is said once", || {
        (daemon.log().matches("could not be told how the daemon is").count() == 1).then_some(())
    });
    daemon.reload();
    assert!(daemon.stop().status.success());
}
