//! Daemons that are killed at any moment while clients of all habits go on.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;

use crate::common::manager::{End, Manager};
use crate::common::{Client, eventually, verify};
use crate::{event, given, id};

/// How a client sends.
#[derive(Clone, Copy)]
enum Habit {
    /// Reads its replies as it goes.
    Acks,
    /// Cuts its text anywhere.
    Pieces,
    /// A line of many kilobytes at a time.
    Large,
    /// Asks for replies and never reads one.
    Deaf,
    /// Closes after a few lines and connects again.
    Short,
}

const HABITS: [Habit; 6] =
    [Habit::Acks, Habit::Pieces, Habit::Large, Habit::Deaf, Habit::Short, Habit::Pieces];

/// Sends until told to stop; returns how many lines were sent. Any error is a client that noticed.
fn send(manager: &Connects, name: usize, habit: Habit, mut rng: Rng, stop: &AtomicBool) -> u64 {
    let mut client = manager.client(habit);
    let (mut sent, mut of_connection) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        let burst = rng.u64(1..30);
        let size = if matches!(habit, Habit::Large) { rng.usize(5_000..50_000) } else { 0 };
        let text: String = (sent..sent + burst).map(|n| line(name, n, size)).collect();
        for piece in pieces(text.as_bytes(), habit, &mut rng) {
            client.stream.write_all(piece).expect("no client notices");
        }
        (sent, of_connection) = (sent + burst, of_connection + burst);
        match habit {
            Habit::Acks => read_acks(&mut client, of_connection),
            Habit::Short => (client, of_connection) = (manager.client(habit), 0),
            _ => {}
        }
        std::thread::sleep(Duration::from_millis(rng.u64(0..20)));
    }
    if matches!(habit, Habit::Acks) {
        assert!(client.finish().iter().all(|reply| reply["ack"].is_object()));
    }
    sent
}

fn line(client: usize, number: u64, size: usize) -> String {
    match size {
        0 => event(format!("{client}-{number}")),
        _ => format!("{{\"event_id\":\"{client}-{number}\",\"a\":\"{}\"}}\n", "x".repeat(size)),
    }
}

fn pieces<'a>(text: &'a [u8], habit: Habit, rng: &mut Rng) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while matches!(habit, Habit::Pieces) && rest.len() > 1 {
        let (piece, after) = rest.split_at(rng.usize(1..rest.len().min(100)));
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

/// Acks come until that of the last line, never with a smaller line than before.
fn read_acks(client: &mut Client, last: u64) {
    let replies = client.replies_to(last);
    let lines: Vec<_> =
        replies.iter().map(|reply| reply["ack"]["line"].as_u64().expect("only acks")).collect();
    assert!(lines.is_sorted(), "{lines:?}");
}

/// What clients need of a manager that others restart.
struct Connects(std::path::PathBuf);

impl Connects {
    /// One that has been greeted if it asks for replies. A daemon that is killed between accept(2) and
    /// handing the connection over takes it along: who is not greeted has sent nothing yet, and comes again.
    fn client(&self, habit: Habit) -> Client {
        loop {
            let stream = std::os::unix::net::UnixStream::connect(&self.0).expect("connects");
            let mut client = Client::new(stream);
            if !matches!(habit, Habit::Acks | Habit::Deaf | Habit::Short) {
                return client;
            }
            let greeted = client.stream.write_all(b"{\"auditlog\":{\"ack\":true}}\n").is_ok();
            if greeted && client.reply().is_some() {
                return client;
            }
        }
    }
}

/// `HANDOVER_KILLS` says how often, `HANDOVER_SEED` repeats a run's choices.
#[test]
fn nothing_is_lost_or_doubled_by_kills_at_any_moment_and_no_client_notices() {
    let seed = given("HANDOVER_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("HANDOVER_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let mut manager = Manager::start_new();
    let connects = Connects(manager.socket());
    let stop = AtomicBool::new(false);
    let sent: Vec<u64> = std::thread::scope(|scope| {
        let clients: Vec<_> = HABITS
            .into_iter()
            .enumerate()
            .map(|(name, habit)| {
                let (rng, connects, stop) = (rng.fork(), &connects, &stop);
                scope.spawn(move || send(connects, name, habit, rng, stop))
            })
            .collect();
        manager.await_kept(HABITS.len());
        for _ in 0..given("HANDOVER_KILLS").unwrap_or(16) {
            std::thread::sleep(Duration::from_millis(rng.u64(0..400)));
            manager.end(if rng.u8(..) < 40 { End::Restart } else { End::Kill });
            // Some do not get as far as to be ready.
            while rng.u8(..) < 64 {
                manager.start_without_waiting();
                std::thread::sleep(Duration::from_millis(rng.u64(0..150)));
                manager.end(End::Kill);
            }
            manager.start();
        }
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().expect("no client notices")).collect()
    });
    let all: u64 = sent.iter().sum();
    eventually("all events are stored", || (manager.events().len() as u64 >= all).then_some(()));
    manager.await_kept(0);
    check(&manager, &sent);
}

/// Each client's events are there once; those of one connection in their order.
fn check(manager: &Manager, sent: &[u64]) {
    let mut found = vec![Vec::new(); sent.len()];
    for line in manager.events() {
        let id = id(&line);
        let (client, number) = id.split_once('-').expect("an id of these");
        let number: u64 = number.parse().expect("a number");
        found[client.parse::<usize>().expect("a number")].push(number);
    }
    for (client, (mut found, sent)) in found.into_iter().zip(sent).enumerate() {
        if matches!(HABITS[client], Habit::Short) {
            found.sort_unstable();
        }
        let expected: Vec<_> = (0..*sent).collect();
        let first = found.iter().zip(&expected).position(|(found, expected)| found != expected);
        assert!(
            found == expected,
            "client {client}: {sent} sent, {} found, first difference at {first:?}",
            found.len()
        );
    }
    assert!(manager.records("rejected").is_empty());
    let (_, said) = verify(manager.root());
    assert!(!said.contains("TAMPERED"), "{said}");
}
