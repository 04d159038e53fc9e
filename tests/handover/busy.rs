//! A service manager that is slow to hear: it is one process that does many other things.

use std::os::unix::net::UnixStream;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::common::manager::{End, Manager};
use crate::{event, expect};

#[test]
fn what_was_handed_over_but_not_heard_before_the_kill_is_kept() {
    let mut manager = Manager::start_new();
    let mut client;
    {
        let busy = manager.state();
        client = manager.greeted();
        client.send(event("before"));
        client.replies_to(1);
        drop(busy);
    }
    manager.again(End::Kill);
    assert_eq!(manager.kept(), 1);
    client.send(event("after"));
    client.replies_to(2);
    expect(&manager, &["before", "after"]);
}

/// The queue of the notification socket is short (net.unix.max_dgram_qlen), and sending to a full one waits.
#[test]
fn those_who_are_connected_go_on_while_it_does_not_hear() {
    let manager = Manager::start_new();
    let mut client = manager.greeted();
    manager.await_kept(1);
    let busy = manager.state();
    let others: Vec<_> = (0..40).map(|_| manager.connect()).collect();
    for line in 1..=20 {
        client.send(event(line));
        client.replies_to(line);
    }
    drop(busy);
    manager.await_kept(41);
    drop(others);
    manager.await_kept(1);
}

#[test]
fn a_connection_that_came_and_went_while_it_did_not_hear_leaves_nothing() {
    let manager = Manager::start_new();
    let busy = manager.state();
    for n in 0..3 {
        let mut client = manager.greeted();
        client.send(event(n));
        client.replies_to(1);
    }
    drop(busy);
    manager.greeted().finish();
    manager.await_kept(0);
}

/// It holds the connection as well, and clients wait for its end.
#[test]
fn a_client_hears_the_end_of_its_connection_while_it_does_not_hear() {
    let manager = Manager::start_new();
    let mut client = manager.greeted();
    manager.await_kept(1);
    let busy = manager.state();
    client.send(event("last"));
    assert_eq!(client.finish().len(), 1);
    drop(busy);
    manager.await_kept(0);
}

/// More than the runtime has threads for whatever waits.
#[test]
fn many_that_end_while_it_does_not_hear_hold_nobody_up() {
    const MANY: usize = 600;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("raises it");
    let manager = Manager::start_new();
    let mut client = manager.greeted();
    let path = manager.root().join("run/auditd.sock");
    let connect = |_| UnixStream::connect(&path).expect("connects");
    let others: Vec<_> = (0..MANY).map(connect).collect();
    manager.await_kept(MANY + 1);
    let busy = manager.state();
    drop(others);
    for line in 1..=20 {
        client.send(event(line));
        client.replies_to(line);
    }
    drop(busy);
    manager.await_kept(1);
}
