//! Connections that are open while one daemon ends and the next one starts.

use crate::common::manager::{End, Manager};
use crate::{event, events, expect, left_by};

#[test]
fn a_client_with_replies_notices_nothing() {
    for how in End::BOTH {
        let mut manager = Manager::start_new();
        let mut client = manager.greeted();
        client.send(event("before"));
        client.replies_to(1);
        manager.end(how);
        client.send(event("between"));
        manager.start();
        client.replies_to(2);
        client.send(event("after"));
        client.replies_to(3);
        let ids = ["before", "between", "after"];
        expect(&manager, &ids);
        let events = manager.events();
        assert_eq!(events[0]["peer"]["pid"], std::process::id());
        assert!(events.iter().all(|line| line["peer"] == events[0]["peer"]), "{events:#?}");
        client.finish();
        expect(&manager, &ids);
    }
}

#[test]
fn a_client_without_replies_notices_nothing() {
    for how in End::BOTH {
        let (mut manager, mut client) = left_by(how);
        client.send(event("between"));
        manager.start();
        expect(&manager, &["before", "between"]);
        client.send(event("after"));
        expect(&manager, &["before", "between", "after"]);
        assert!(client.finish().is_empty());
    }
}

#[test]
fn a_connection_that_never_sent_anything_is_kept() {
    for how in End::BOTH {
        let mut manager = Manager::start_new();
        let mut client = manager.connect();
        manager.await_kept(1);
        manager.again(how);
        assert_eq!(manager.kept(), 1);
        client.send(event("first"));
        expect(&manager, &["first"]);
    }
}

#[test]
fn what_is_on_its_way_when_the_daemon_ends_is_stored_once_and_in_order() {
    for how in End::BOTH {
        let mut manager = Manager::start_new();
        let mut client = manager.greeted();
        let mut sent = 0;
        for _ in 0..4 {
            // More than the socket's buffer holds: some of it has been read when this returns.
            client.send(events(sent..sent + 5000));
            sent += 5000;
            manager.again(how);
        }
        client.replies_to(sent);
        client.finish();
        let ids: Vec<_> = (0..sent).map(|n| n.to_string()).collect();
        expect(&manager, &ids);
    }
}

#[test]
fn a_connection_outlives_many_daemons() {
    let mut manager = Manager::start_new();
    let (mut client, mut silent) = (manager.greeted(), manager.connect());
    let mut ids = Vec::new();
    for round in 1..=12u64 {
        let (own, other) = (round.to_string(), format!("silent {round}"));
        client.send(event(&own));
        client.replies_to(round);
        silent.send(event(&other));
        ids.extend([own, other]);
        expect(&manager, &ids);
        manager.again(if round % 3 == 0 { End::Restart } else { End::Kill });
        assert_eq!(manager.kept(), 2);
    }
    client.finish();
    silent.finish();
    expect(&manager, &ids);
}

#[test]
fn who_connects_while_no_daemon_runs_is_heard_by_the_next() {
    for how in End::BOTH {
        let mut manager = Manager::start_new();
        manager.end(how);
        let mut client = manager.connect();
        client.send(event("early"));
        manager.start();
        expect(&manager, &["early"]);
        assert_eq!(manager.events()[0]["peer"]["pid"], std::process::id());
        client.send(event("late"));
        expect(&manager, &["early", "late"]);
    }
}
