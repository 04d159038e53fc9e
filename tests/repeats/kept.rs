//! Connections that outlive the daemon: what the next run reads again, and what their clients send again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::common::manager::{End, Manager};
use crate::common::verify;
use crate::{event, events, given, receipt, stored};

#[test]
fn a_repeat_on_a_connection_that_outlived_the_daemon_is_acknowledged_with_the_first_line() {
    for how in End::BOTH {
        let mut manager = Manager::start_new();
        let mut client = manager.greeted();
        let first = client.store(event("a").trim_end(), 1);
        client.store(event("b").trim_end(), 2);
        manager.await_kept(1);
        manager.again(how);
        client.send(event("a"));
        let again = client.replies_to(3).pop().expect("an ack");
        assert_eq!(receipt(&again["ack"]), receipt(&first["ack"]), "{how:?}");
        let elsewhere = manager.greeted().store(event("a").trim_end(), 1);
        assert_eq!(receipt(&elsewhere["ack"]), receipt(&first["ack"]), "{how:?}");
        client.send(events(["b", "c", "a", "c"]));
        client.replies_to(7);
        let expected: BTreeMap<_, _> = ["a", "b", "c"].map(|id| (id.to_owned(), 1)).into();
        assert_eq!(stored(manager.root()), expected, "{how:?}");
    }
}

#[test]
fn repeats_that_nobody_had_read_when_the_daemon_ended_are_found_by_the_next() {
    for how in End::BOTH {
        let mut manager = Manager::start_new();
        let mut client = manager.greeted();
        let first = client.store(event("a").trim_end(), 1);
        manager.await_kept(1);
        manager.end(how);
        client.send(events(["b", "a", "b", "a"]));
        manager.start();
        let last = client.replies_to(5).pop().expect("an ack");
        assert_eq!(receipt(&last["ack"]), receipt(&first["ack"]), "{how:?}");
        let expected: BTreeMap<_, _> = ["a", "b"].map(|id| (id.to_owned(), 1)).into();
        assert_eq!(stored(manager.root()), expected, "{how:?}");
    }
}

/// `REPEAT_KILLS` says how often, `REPEAT_SEED` repeats a run's choices.
#[test]
fn kills_at_any_moment_of_batches_full_of_repeats_lose_and_double_nothing() {
    let seed = given("REPEAT_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("REPEAT_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut manager = Manager::start_new();
    let stop = AtomicBool::new(false);
    let sent: Vec<u64> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|name| {
                let (mut client, mut rng, stop) = (manager.greeted(), rng.fork(), &stop);
                scope.spawn(move || {
                    let (mut ids, mut lines) = (0, 0);
                    while !stop.load(Ordering::Relaxed) {
                        let burst = rng.u64(1..30);
                        let text: String = (0..burst)
                            .map(|_| {
                                let is_new = ids == 0 || rng.bool();
                                ids += u64::from(is_new);
                                let id = if is_new { ids } else { rng.u64(1..=ids) };
                                event(format!("{name}-{id}"))
                            })
                            .collect();
                        client.send(text);
                        lines += burst;
                        let replies = client.replies_to(lines);
                        assert!(replies.iter().all(|reply| reply["ack"].is_object()));
                    }
                    ids
                })
            })
            .collect();
        manager.await_kept(clients.len());
        for _ in 0..given("REPEAT_KILLS").unwrap_or(8) {
            std::thread::sleep(Duration::from_millis(rng.u64(0..200)));
            manager.again(if rng.u8(..) < 64 { End::Restart } else { End::Kill });
        }
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().expect("no client notices")).collect()
    });
    let ids = sent
        .into_iter()
        .enumerate()
        .flat_map(|(name, last)| (1..=last).map(move |id| (format!("{name}-{id}"), 1)));
    assert!(stored(manager.root()) == ids.collect(), "not every event is there once");
    let (_, said) = verify(manager.root());
    assert!(!said.contains("TAMPERED"), "{said}");
}
