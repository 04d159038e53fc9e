//! A daemon that is killed right before or right behind any of its system calls: while it serves, while it
//! starts and while it ends. What a thread does between two calls is seen from both.

use std::io::Write;

use fastrand::Rng;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::common::manager::trace::{Ran, Trace};
use crate::common::manager::{End, Manager};
use crate::common::{Client, eventually};
use crate::{event, events, given, ids};

/// What the daemon is doing when it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Serving,
    Starting,
    Ending,
}

/// Lines of one that asked for replies.
const GREETED: u64 = 12;
/// What has been sent of a line that is too long, and of the whole of it.
const LONG_LINE: (usize, usize) = (90_000, 150_000);

/// Clients in all states, and what they have sent while nobody read.
struct Clients {
    greeted: Client,
    long: Client,
    /// It connected when the daemon stood still. Killed between accept(2) and handing it over, the daemon
    /// takes it along: this cannot be helped, and its lines are not taken either then.
    new: Client,
}

impl Clients {
    /// Connects those that are to be there already.
    fn before(manager: &Manager) -> (Client, Client, Client) {
        let clients = (manager.greeted(), manager.connect(), manager.connect());
        manager.await_kept(3);
        clients
    }

    /// Sends all but the last part of the last lines; one client closes.
    fn send(manager: &Manager, clients: (Client, Client, Client)) -> Self {
        let (mut greeted, mut long, mut closing) = clients;
        greeted.send(events((1..GREETED).map(|n| format!("greeted {n}"))));
        greeted.send("nonsense\n");
        greeted.send(&event("greeted last")[..30]);
        long.send([b'x'; LONG_LINE.0]);
        closing.send(
            [&events(["closing 1", "closing 2"]), "{\"event_id\":\"closing last\"}"].concat(),
        );
        drop(closing);
        let mut new = manager.connect();
        new.send(
            ["{\"auditlog\":{\"ack\":true}}\n", &event("new 1"), &event("new 2")[..20]].concat(),
        );
        Self { greeted, long, new }
    }

    /// What there is to be stored before the rest is sent, and the connections that are to be kept.
    const STORED: (usize, usize) = (GREETED as usize - 1 + 3 + 1, 3);

    /// Sends the rest and checks that everything is there, once and in order. Whether the new one lives.
    fn finish(mut self, manager: &Manager, what: &str) -> bool {
        self.greeted.send(&event("greeted last")[30..]);
        let replies = self.greeted.replies_to(GREETED + 1);
        let acks: Vec<_> =
            replies.iter().filter_map(|reply| reply["ack"]["line"].as_u64()).collect();
        assert!(acks.is_sorted(), "{what}: {acks:?}");
        self.greeted.finish();
        self.long.send([b'x'; LONG_LINE.1 - LONG_LINE.0]);
        self.long.send(["\n", &event("long 1")].concat());
        assert!(self.long.finish().is_empty());
        let lives = self.new.stream.write_all(&event("new 2").as_bytes()[20..]).is_ok();
        if lives {
            // Killed before it was consumed, the greeting is answered again; it never becomes an event.
            eventually("the new one's last event is stored", || {
                ids(manager).contains(&"new 2".into()).then_some(())
            });
            let events = manager.events();
            let greeting = events.iter().find(|line| !line["event"]["auditlog"].is_null());
            assert!(greeting.is_none(), "{what}: {greeting:?}");
            self.new.replies_to(2);
        }
        drop(self.new);
        manager.await_kept(0);

        let found = ids(manager);
        let of = |client: &str| -> Vec<&str> {
            found.iter().filter_map(|id| id.strip_prefix(client)?.strip_prefix(' ')).collect()
        };
        let numbers: Vec<_> = (1..GREETED).map(|n| n.to_string()).collect();
        let greeted: Vec<_> = numbers.iter().map(String::as_str).chain(["last"]).collect();
        assert_eq!(of("greeted"), greeted, "{what}");
        assert_eq!(of("closing"), ["1", "2", "last"], "{what}");
        assert_eq!(of("long"), ["1"], "{what}");
        assert_eq!(of("new"), if lives { &["1", "2"][..] } else { &[] }, "{what}");
        let mut refused: Vec<_> = manager.records("rejected").iter().map(refusal).collect();
        refused.sort();
        let expected = [
            ("invalid_json".to_owned(), GREETED, 8),
            ("too_long".to_owned(), 1, LONG_LINE.1 as u64),
        ];
        assert_eq!(refused, expected, "{what}");
        lives
    }
}

/// Code, line and length of a refused line.
fn refusal(record: &Value) -> (String, u64, u64) {
    let data = &record["event"]["data"];
    let number = |name: &str| data[name].as_u64().expect("a number");
    (data["code"].as_str().expect("text").into(), number("line"), number("bytes"))
}

/// What a run came to.
struct Outcome {
    moments: usize,
    new_lives: bool,
}

/// Runs once and kills the daemon at a moment, or when all is done; none if the host does not let tests
/// trace.
fn run(doing: Doing, kill_at: Option<usize>, what: &str) -> Option<Outcome> {
    let mut manager = Manager::start_new();
    let (clients, mut trace) = if doing == Doing::Starting {
        let clients = Clients::before(&manager);
        manager.end(End::Kill);
        let clients = Clients::send(&manager, clients);
        let mut trace = traced(&mut manager)?;
        trace.watch_from_the_start();
        (clients, trace)
    } else {
        manager.end(End::Kill);
        let mut trace = traced(&mut manager)?;
        trace.run(|| manager.state().ready, None);
        let clients = trace.run_during(|| Clients::before(&manager));
        let clients = trace.watch(|| {
            let clients = Clients::send(&manager, clients);
            if doing == Doing::Ending {
                manager.signal(Signal::SIGUSR1);
            }
            clients
        });
        (clients, trace)
    };
    let (stored, kept) = Clients::STORED;
    let done = || doing != Doing::Ending && ids(&manager).len() == stored && manager.kept() == kept;
    let ran = trace.run(done, kill_at);
    if ran == Ran::Done {
        trace.kill();
    }
    let moments = trace.moments();
    manager.traced_ended(trace);
    let new_is_kept = manager.kept() > kept;
    manager.start();
    let new_lives = clients.finish(&manager, what);
    assert!(new_lives || !new_is_kept, "{what}: the manager held the new connection");
    Some(Outcome { moments, new_lives })
}

fn traced(manager: &mut Manager) -> Option<Trace> {
    manager.start_traced().inspect_err(|e| println!("skipped: tests may not trace here: {e}")).ok()
}

/// `HANDOVER_MOMENTS` says how many, `HANDOVER_SEED` repeats a run's choices.
fn kill_at_moments(doing: Doing) {
    let Some(whole) = run(doing, None, "not killed") else { return };
    assert!(whole.moments > 20, "{doing:?}: {} moments", whole.moments);
    assert!(whole.new_lives);
    let seed = given("HANDOVER_SEED").unwrap_or_else(|| fastrand::u64(..));
    let wanted = given("HANDOVER_MOMENTS").map_or(10, |wanted| wanted as usize);
    println!("HANDOVER_SEED={seed}: {wanted} of {} moments", whole.moments);
    let mut rng = Rng::with_seed(seed);
    let mut taken_along = 0;
    for _ in 0..wanted {
        let moment = rng.usize(0..whole.moments);
        let what = format!("{doing:?}, killed at {moment} of {}", whole.moments);
        let outcome = run(doing, Some(moment), &what).expect("traced as before");
        taken_along += usize::from(!outcome.new_lives);
    }
    println!("{taken_along} times between accept(2) and the store");
}

#[test]
fn killed_at_any_moment_while_it_serves() {
    kill_at_moments(Doing::Serving);
}

#[test]
fn killed_at_any_moment_while_it_starts() {
    kill_at_moments(Doing::Starting);
}

#[test]
fn killed_at_any_moment_while_it_ends() {
    kill_at_moments(Doing::Ending);
}
