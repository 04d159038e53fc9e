//! Many connections at once.

use crate::common::eventually;
use crate::common::manager::{End, Manager};
use crate::{event, expect};

#[test]
fn two_hundred_connections_live_on_each_in_the_middle_of_a_line() {
    let mut manager = Manager::start_new();
    let mut clients: Vec<_> = (0..200).map(|_| manager.greeted()).collect();
    manager.await_kept(200);
    for (round, how) in [End::Restart, End::Kill].into_iter().enumerate() {
        let line = |client| event(format!("{client} in {round}"));
        for (number, client) in clients.iter_mut().enumerate() {
            client.send(&line(number)[..25]);
        }
        manager.again(how);
        assert_eq!(manager.kept(), 200);
        for (number, client) in clients.iter_mut().enumerate() {
            client.send(&line(number)[25..]);
        }
        for client in &mut clients {
            client.replies_to(round as u64 + 1);
        }
    }
    let mut ids = crate::ids(&manager);
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), manager.events().len()), (400, 400));
    drop(clients);
    manager.await_kept(0);
}

#[test]
fn those_beyond_max_connections_wait_over_the_end_too() {
    for how in End::BOTH {
        let mut manager = Manager::with_config("[ingest]\nmax_connections = 2\n");
        let (mut one, two) = (manager.greeted(), manager.greeted());
        manager.await_kept(2);
        let mut waiting = manager.connect();
        waiting.send(event("waited"));
        manager.await_kept(3);
        manager.again(how);
        one.send(event("served"));
        one.replies_to(1);
        expect(&manager, &["served"]);
        drop(two);
        expect(&manager, &["served", "waited"]);
        manager.await_kept(2);
    }
}

#[test]
fn those_that_are_kept_are_served_though_the_limit_is_lower_now() {
    let mut manager = Manager::start_new();
    let mut clients: Vec<_> = (0..3).map(|_| manager.greeted()).collect();
    manager.await_kept(3);
    manager.configure("[ingest]\nmax_connections = 1\n");
    manager.again(End::Restart);
    for (n, client) in clients.iter_mut().enumerate() {
        client.send(event(n));
        client.replies_to(1);
    }
    let mut waiting = manager.connect();
    waiting.send("{\"event_id\":\"new\"}\n");
    manager.await_kept(4);
    clients.truncate(1);
    manager.await_kept(2);
    assert_eq!(manager.events().len(), 3);
    drop(clients);
    eventually("the new one is let in", || (manager.events().len() == 4).then_some(()));
}
