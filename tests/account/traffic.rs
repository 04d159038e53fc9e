//! Clients of a daemon that is killed, restarted and rotated beneath them.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;

use crate::common::manager::{End, Manager};
use crate::common::{Client, Daemon, eventually};
use crate::{account, assert_adds_up, gaps, sums};

/// Sends good and bad lines until told to stop; how many of both.
fn send(mut client: Client, mut rng: Rng, stop: &AtomicBool) -> (u64, u64) {
    let (mut good, mut bad) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        let mut text = String::new();
        for _ in 0..rng.u64(1..20) {
            match rng.u8(..8) {
                0 => (bad, text) = (bad + 1, text + "no event\n"),
                // No line at all.
                1 => text.push('\n'),
                2 => (good, text) = (good + 1, text + "{\"event\":\"}\\\",\\\"event\\\":{\"}\n"),
                _ => (good, text) = (good + 1, text + "{\"event_type\":\"t\"}\n"),
            }
        }
        // In two pieces: the first one may end within a line.
        let (first, second) = text.as_bytes().split_at(rng.usize(..text.len()));
        client.stream.write_all(first).expect("no client notices");
        client.stream.write_all(second).expect("no client notices");
        std::thread::sleep(Duration::from_millis(rng.u64(0..20)));
    }
    (good, bad)
}

/// `ACCOUNT_KILLS` says how often, `ACCOUNT_SEED` repeats a run's choices.
#[test]
fn it_adds_up_at_any_moment_while_daemons_are_killed_and_rotated() {
    let given = |name: &str| std::env::var(name).ok()?.parse().ok();
    let seed = given("ACCOUNT_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("ACCOUNT_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    // Each refused line gets a record.
    let config = "[ingest]\nreject_records_burst = 100000\nreject_records_per_second = 100000\n";
    let mut manager = Manager::with_config(config);
    let stop = AtomicBool::new(false);
    let sent: Vec<(u64, u64)> = std::thread::scope(|scope| {
        let mut clients = Vec::new();
        for _ in 0..4 {
            let (client, rng) = (manager.connect(), rng.fork());
            clients.push(scope.spawn(|| send(client, rng, &stop)));
        }
        manager.await_kept(4);
        for _ in 0..given("ACCOUNT_KILLS").unwrap_or(6) {
            std::thread::sleep(Duration::from_millis(rng.u64(0..200)));
            if rng.bool() {
                assert!(manager.tool(&["rotate"]).status.success());
            }
            let (code, said) = account(manager.root());
            assert_eq!(code, 0, "{said:#}");
            sums(&said["total"]);
            manager.again(if rng.u8(..) < 80 { End::Restart } else { End::Kill });
        }
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().expect("no client notices")).collect()
    });
    let (good, bad) = sent.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let total = eventually("all lines are dealt with", || {
        let (code, said) = account(manager.root());
        assert_eq!((code, gaps(&said)), (0, vec![]), "{said:#}");
        (sums(&said["total"]).iter().sum::<u64>() >= good + bad).then_some(said)
    });
    assert_eq!(sums(&total["total"]), [good, 0, bad, 0, 0]);
    manager.stop();
    let (code, said) = account(manager.root());
    assert_eq!((code, sums(&said["total"])), (0, [good, 0, bad, 0, 0]), "{said:#}");
    assert!(said["checked"].as_u64() > Some(0), "{said:#}");
    assert_eq!(said["last_checked"]["seq"].as_u64().map(|seq| seq + 3), said["next_seq"].as_u64());
}

#[test]
fn lines_that_are_only_counted_are_in_the_sums_of_the_stop() {
    let daemon =
        Daemon::start_with("[ingest]\nreject_records_burst = 2\nreject_records_per_second = 1\n");
    let mut client = daemon.greeted();
    client.send("bad\n".repeat(500) + "{}\n");
    client.finish();
    let root = daemon.stop().daemon;
    let (code, said) = account(root.root());
    assert_eq!(code, 0, "{said:#}");
    assert_adds_up(&said);
    let [stored, _, refused, summarised, _] = sums(&said["total"]);
    assert_eq!((stored, refused + summarised), (1, 500));
    assert!((2..450).contains(&refused), "{refused}");
    // The counter of the socket, not a sum of what became of the lines, says how many there were.
    let records = root.records("account");
    let user = &records.last().expect("a record")["event"]["data"]["users"][0];
    assert_eq!((user["lines"].as_u64(), user["waiting"].as_u64()), (Some(501), Some(0)), "{user}");
}
