//! `systemctl stop`: connections are drained and closed. And a start after it.

use nix::sys::signal::Signal;

use crate::common::manager::{End, Manager};
use crate::common::{eventually, verify};
use crate::{event, events, expect};

#[test]
fn a_stop_stores_what_was_accepted_and_closes() {
    let mut manager = Manager::start_new();
    let mut clients: Vec<_> = (0..4).map(|_| manager.greeted()).collect();
    let mut silent = manager.connect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(events((0..1000).map(|n| format!("{number}-{n}"))));
    }
    silent.send([&events(["silent"]), "{\"event_id\":\"without newline\"}"].concat());
    manager.stop();
    for client in &mut clients {
        client.replies_to(1000);
        assert!(client.reply().is_none(), "it is closed");
    }
    assert!(silent.reply().is_none(), "it is closed");
    assert_eq!(manager.events().len(), 4002);
    assert_eq!(verify(manager.root()).0, Some(0));
}

#[test]
fn a_stop_hears_those_that_wait_beyond_the_limit_or_says_nothing_of_them_was_taken() {
    let mut manager = Manager::start_new();
    let mut early = manager.connect();
    early.send(event("early"));
    manager.stop();
    expect(&manager, &["early"]);
    // The socket is the service manager's: who comes now waits for the next start.
    let mut late = manager.connect();
    late.send(event("late"));
    manager.start();
    expect(&manager, &["early", "late"]);
    assert_eq!(verify(manager.root()).0, Some(0));
}

#[test]
fn a_stop_after_a_restart_and_a_kill_drains_what_they_kept() {
    let mut manager = Manager::start_new();
    let mut client = manager.greeted();
    for (how, first) in End::BOTH.into_iter().zip([0, 10]) {
        client.send(events(first..first + 10));
        manager.again(how);
    }
    client.send(&event("last")[..30]);
    manager.stop();
    client.replies_to(20);
    assert_eq!(manager.events().len(), 20);
}

/// A host that is slow may deliver both signals at once.
#[test]
fn a_restart_whose_signals_come_at_once_is_one() {
    let mut manager = Manager::start_new();
    let mut client = manager.greeted();
    for line in 1..=5 {
        client.send(event(line));
        client.replies_to(line);
        manager.signal(Signal::SIGSTOP);
        eventually("it stands still", || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", manager.pid()));
            stat.expect("it runs").contains(") T ").then_some(())
        });
        manager.signal(Signal::SIGUSR1);
        manager.signal(Signal::SIGTERM);
        manager.signal(Signal::SIGCONT);
        manager.terminate();
        manager.start();
    }
    client.finish();
}

/// What came first counts: after SIGTERM a SIGUSR1 changes nothing.
#[test]
fn a_restart_that_is_asked_for_during_a_stop_comes_too_late() {
    let mut manager = Manager::start_new();
    let mut client = manager.greeted();
    client.send(event("one"));
    client.replies_to(1);
    manager.signal(Signal::SIGTERM);
    // It says STOPPING=1 once it has decided.
    eventually("it stops", || manager.state().stopping.then_some(()));
    manager.signal(Signal::SIGUSR1);
    manager.stop();
    assert!(client.reply().is_none(), "it is closed");
}

#[test]
fn a_restart_is_an_ordered_end() {
    let mut manager = Manager::start_new();
    let mut client = manager.greeted();
    client.send(event("one"));
    client.replies_to(1);
    manager.end(End::Restart);
    assert!(manager.state().stopping);
    assert_eq!(manager.records("stopped").len(), 1);
    assert_eq!(verify(manager.root()).0, Some(0));
    manager.start();
    assert!(manager.records("recovered").is_empty());
    client.send(event("two"));
    client.replies_to(2);
    assert_eq!(verify(manager.root()).0, Some(0));
}
