//! Where there is no store, or too small a one: what the documentation promises then.

use nix::sys::signal::Signal;

use crate::common::manager::{End, Manager, Unit};
use crate::common::{Daemon, eventually};
use crate::{event, events, expect};

#[test]
fn without_a_service_manager_an_ordered_end_drains_whichever_it_is() {
    for signal in [Signal::SIGTERM, Signal::SIGUSR1] {
        let daemon = Daemon::start();
        let mut client = daemon.greeted();
        client.send(events(0..2000));
        daemon.signal(signal);
        client.replies_to(2000);
        assert!(client.reply().is_none(), "it is closed");
        let ended = daemon.stop();
        assert!(ended.status.success(), "{:?}", ended.status);
        assert_eq!(ended.daemon.events().len(), 2000);
    }
}

#[test]
fn without_a_store_connections_are_served_and_drained_at_a_stop() {
    let mut manager = Manager::with(Unit { store_max: 0, ..Unit::default() });
    let mut client = manager.greeted();
    client.send(events(0..100));
    manager.stop();
    client.replies_to(100);
    assert!(client.reply().is_none(), "it is closed");
    assert_eq!(manager.events().len(), 100);
    manager.start();
    manager.greeted().store(event("after").trim_end(), 1);
}

/// The manager said how much it stores: those beyond are not left to it.
#[test]
fn what_finds_no_room_in_a_store_is_drained_at_a_restart() {
    let unit = Unit { store_max: 3, announce_store: true, ..Unit::default() };
    let mut manager = Manager::with(unit);
    let mut clients: Vec<_> = (0..2).map(|_| manager.greeted()).collect();
    manager.await_kept(2);
    let mut beyond = manager.greeted();
    beyond.send(events(0..1000));
    manager.end(End::Restart);
    beyond.replies_to(1000);
    assert!(beyond.reply().is_none(), "it is closed");
    manager.start();
    for (n, client) in clients.iter_mut().enumerate() {
        client.send(event(format_args!("kept {n}")));
        client.replies_to(1);
    }
    eventually("all are stored", || (manager.events().len() == 1002).then_some(()));
}

#[test]
fn what_found_no_room_in_a_store_ends_with_a_kill_and_nothing_else_does() {
    let mut manager = Manager::with(Unit { store_max: 2, ..Unit::default() });
    let mut kept = manager.greeted();
    manager.await_kept(1);
    let mut beyond = manager.greeted();
    beyond.send(event("beyond"));
    beyond.replies_to(1);
    manager.again(End::Kill);
    assert!(beyond.reply().is_none(), "it is closed");
    kept.send(event("kept"));
    kept.replies_to(1);
    expect(&manager, &["beyond", "kept"]);
}
