//! Connections that their clients close, while a daemon runs and while none does.

use std::net::Shutdown;

use crate::common::eventually;
use crate::common::manager::{End, Manager};
use crate::{event, events, expect, expect_refused, left_by};

#[test]
fn the_last_lines_of_a_client_that_closed_in_between_are_stored() {
    for how in End::BOTH {
        let (mut manager, mut client) = left_by(how);
        client.send(event("last"));
        client.send("{\"event_id\":\"without newline\"}");
        drop(client);
        manager.start();
        expect(&manager, &["before", "last", "without newline"]);
        let events = manager.events();
        assert_eq!(events[0]["peer"], events[2]["peer"]);
        manager.await_kept(0);
    }
}

#[test]
fn a_line_that_was_begun_before_and_never_ended_is_truncated() {
    for how in End::BOTH {
        let mut manager = Manager::start_new();
        let mut client = manager.greeted();
        client.send([&event("whole"), "{\"begun\":"].concat());
        client.replies_to(1);
        manager.end(how);
        client.send("17");
        drop(client);
        manager.start();
        let (code, line, bytes, raw) = expect_refused(&manager);
        assert_eq!((code.as_str(), line, bytes), ("truncated", 2, 11));
        assert_eq!(raw, b"{\"begun\":17");
        manager.await_kept(0);
    }
}

#[test]
fn who_connected_and_closed_while_no_daemon_ran_is_heard() {
    for how in End::BOTH {
        let mut manager = Manager::start_new();
        manager.end(how);
        let mut client = manager.connect();
        client.send(events(["one", "two"]));
        drop(client);
        manager.start();
        expect(&manager, &["one", "two"]);
        manager.await_kept(0);
    }
}

#[test]
fn a_client_that_closed_its_writing_side_in_between_gets_the_rest_of_its_replies() {
    for how in End::BOTH {
        let mut manager = Manager::start_new();
        let mut client = manager.greeted();
        client.send(event("one"));
        client.replies_to(1);
        manager.end(how);
        client.send(event("two"));
        client.stream.shutdown(Shutdown::Write).expect("shuts down");
        manager.start();
        client.replies_to(2);
        assert!(client.reply().is_none(), "it is closed");
        expect(&manager, &["one", "two"]);
    }
}

#[test]
fn a_closed_connection_leaves_the_store() {
    let mut manager = Manager::start_new();
    let mut live = manager.greeted();
    for round in 0..3 {
        for n in 0..40 {
            let mut client = manager.connect();
            client.send(event(format!("{round} {n}")));
        }
        // All of them were accepted: one in the queue is in no store.
        let so_far = 40 * (round + 1);
        eventually("their events are stored", || (manager.events().len() == so_far).then_some(()));
        manager.await_kept(1);
        assert_eq!(manager.stored().len(), 2, "{:?}", manager.stored());
        manager.again(if round == 1 { End::Restart } else { End::Kill });
    }
    live.send(event("live"));
    live.replies_to(1);
    assert_eq!(manager.events().len(), 121);
    drop(live);
    manager.await_kept(0);
    assert_eq!(manager.stored(), ["state"]);
}

/// The slot of a connection is used again by another one, which must not go on where that one ended.
#[test]
fn a_slot_that_is_used_again_begins_anew() {
    for how in End::BOTH {
        let mut manager = Manager::start_new();
        for round in 0..4u64 {
            let mut client = manager.greeted();
            manager.await_kept(1);
            client.send(format!("{}{{\"half\":", event(round)));
            client.replies_to(1);
            if round % 2 == 0 {
                manager.again(how);
            }
            drop(client);
            manager.await_kept(0);
            if round > 1 {
                manager.again(how);
            }
        }
        expect(&manager, &["0", "1", "2", "3"]);
        let records = manager.records("rejected");
        assert_eq!(records.len(), 4);
        for record in records {
            let data = &record["event"]["data"];
            assert_eq!((&data["line"], &data["bytes"]), (&2.into(), &8.into()), "{record}");
        }
    }
}

/// systemd lets go a stored descriptor whose other end hung up, unless it was told FDPOLL=0.
#[test]
fn what_a_client_sent_before_it_closed_is_not_lost_when_nobody_runs_to_read_it() {
    let mut manager = Manager::start_new();
    let mut client = manager.connect();
    manager.await_kept(1);
    manager.end(End::Kill);
    client.send(event("last"));
    drop(client);
    assert!(!manager.state().store.polls());
    manager.start();
    expect(&manager, &["last"]);
}
