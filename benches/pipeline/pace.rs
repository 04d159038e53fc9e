//! The load generator that keeps time: how long it takes from when an event was due until its ack is read.
//!
//! One thread serves all clients: it sends what is due, reads what is there, and sleeps until one or the other. An event
//! that could not be sent in time counts from when it was due, so a daemon that stands still makes all events late that
//! were due meanwhile, and not one.

use std::collections::VecDeque;
use std::io::Write;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use serde::{Deserialize, Serialize};

use crate::events::Events;
use crate::reply::{Connection, Wait};
use crate::told::{Told, now_ns};

/// Different events of a client.
const DIFFERENT: usize = 4_096;

/// What is sent, and when.
pub struct Pace {
    pub socket: PathBuf,
    pub clients: usize,
    /// Events a second, of all clients together.
    pub rate: u64,
    pub seconds: u64,
}

/// How long events took, nanoseconds.
#[derive(Debug, Deserialize, Serialize)]
pub struct Latency {
    pub p50: u64,
    pub p99: u64,
    pub p999: u64,
    pub most: u64,
    pub events: u64,
}

impl Latency {
    /// Of all of these.
    pub fn of(mut taken: Vec<u64>) -> Self {
        taken.sort_unstable();
        let at = |part: f64| taken[((taken.len() - 1) as f64 * part).round() as usize];
        let (p50, p99, p999, most) = (at(0.5), at(0.99), at(0.999), at(1.0));
        Self { p50, p99, p999, most, events: taken.len() as u64 }
    }
}

impl Pace {
    /// `SOCKET CLIENTS RATE SECONDS`
    pub fn from_args(args: &[&str]) -> Option<Self> {
        let [socket, clients, rate, seconds] = args else { return None };
        let pace = Self {
            socket: socket.into(),
            clients: clients.parse().ok()?,
            rate: rate.parse().ok()?,
            seconds: seconds.parse().ok()?,
        };
        (pace.clients > 0 && pace.rate >= pace.clients as u64 && pace.seconds > 0).then_some(pace)
    }

    /// The arguments that give it back.
    pub fn to_args(&self) -> Vec<String> {
        let socket = self.socket.to_string_lossy().into_owned();
        let (clients, rate) = (self.clients.to_string(), self.rate.to_string());
        vec![socket, clients, rate, self.seconds.to_string()]
    }

    /// Connects, waits to be told, and sends for so many seconds.
    pub fn run(&self, told: &Told) -> Latency {
        // The kernel may wake a process 50 µs late otherwise.
        nix::sys::prctl::set_timerslack(1).expect("a process may be woken in time");
        let interval = 1_000_000_000 * self.clients as u64 / self.rate;
        let each = self.rate * self.seconds / self.clients as u64;
        let mut clients: Vec<_> =
            (0..self.clients as u64).map(|at| Client::open(&self.socket, at, each)).collect();
        told.wait_for_go();
        let begun = now_ns();
        for (at, client) in clients.iter_mut().enumerate() {
            // They do not send all at once.
            client.due = begun + interval * at as u64 / self.clients as u64;
        }
        let mut taken = Vec::with_capacity(each as usize * self.clients);
        while clients.iter().any(Client::is_busy) {
            let now = now_ns();
            clients.iter_mut().for_each(|client| client.send_due(now, interval));
            wait(&clients);
            clients.iter_mut().for_each(|client| client.read(&mut taken));
        }
        assert_eq!(taken.len() as u64, each * self.clients as u64, "each event is acknowledged");
        Latency::of(taken)
    }
}

/// Sends one event, waits for its ack, sends the next one.
pub fn one_by_one(socket: &Path, events: u64, told: &Told) -> Latency {
    let mut connection = Connection::open(socket, true);
    let mut source = Events::new(0, DIFFERENT);
    told.wait_for_go();
    let mut taken = Vec::with_capacity(events as usize);
    for number in 1..=events {
        let (text, _) = source.take(1, 1);
        let begun = now_ns();
        connection.stream.write_all(text).expect("the daemon takes it");
        connection.wait_for(number);
        taken.push(now_ns() - begun);
    }
    Latency::of(taken)
}

struct Client {
    connection: Connection,
    events: Events,
    /// The rest of an event that the socket had no room for.
    unsent: Vec<u8>,
    /// When the next one is due.
    due: u64,
    /// Events to come.
    left: u64,
    /// When those that are not acknowledged were due.
    waiting: VecDeque<u64>,
}

impl Client {
    fn open(socket: &Path, seed: u64, events: u64) -> Self {
        Self {
            connection: Connection::open(socket, true),
            events: Events::new(seed, DIFFERENT),
            unsent: Vec::new(),
            due: 0,
            left: events,
            waiting: VecDeque::new(),
        }
    }

    fn is_busy(&self) -> bool {
        self.left > 0 || !self.waiting.is_empty()
    }

    /// Sends what is due, each event on its own, as far as the socket takes it.
    fn send_due(&mut self, now: u64, interval: u64) {
        loop {
            if self.unsent.is_empty() {
                if self.left == 0 || self.due > now {
                    return;
                }
                self.unsent.extend_from_slice(self.events.take(1, 1).0);
                self.waiting.push_back(self.due);
                (self.due, self.left) = (self.due + interval, self.left - 1);
            }
            match send(&self.connection.stream, &self.unsent, SendFlags::DONTWAIT) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(Errno::AGAIN) => return,
                Err(e) => panic!("the daemon does not take it: {e}"),
            }
        }
    }

    /// Takes in the acks that are there.
    fn read(&mut self, taken: &mut Vec<u64>) {
        let before = self.connection.acked;
        self.connection.read_acks(Wait::No);
        let new = (self.connection.acked - before) as usize;
        if new > 0 {
            let now = now_ns();
            taken.extend(self.waiting.drain(..new).map(|due| now - due));
        }
    }
}

/// Until something is there to be read, or to be sent.
fn wait(clients: &[Client]) {
    let events = |client: &Client| match client.unsent.is_empty() {
        true => PollFlags::IN,
        false => PollFlags::IN | PollFlags::OUT,
    };
    let fds = clients.iter().map(|c| PollFd::new(&c.connection.stream, events(c)));
    let mut fds: Vec<_> = fds.collect();
    let due = clients.iter().filter(|client| client.left > 0 && client.unsent.is_empty());
    let left = due.map(|client| client.due).min().map(|due| due.saturating_sub(now_ns()));
    let timeout = left.map(|ns| Timespec { tv_sec: 0, tv_nsec: ns.min(999_999_999) as i64 });
    match poll(&mut fds, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(e) => panic!("cannot wait: {e}"),
    }
}
