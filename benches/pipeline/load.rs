//! The load generator, a process of its own: connections that send as fast as they are read.

use std::io::Write;
use std::net::Shutdown;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::events::Events;
use crate::reply::{Connection, Wait};
use crate::told::{Told, cpu_us, now_ns};

/// Different events that all connections together have before they begin again.
const DIFFERENT: usize = 1 << 17;
/// Bytes of a write, unless each line is one.
const WRITE: usize = 64 << 10;
/// Lines after which it is looked for acks.
const LOOK: u64 = 64;
/// How often it is told how far it is.
const TELL: Duration = Duration::from_millis(100);

/// What is sent, and how.
pub struct Load {
    pub socket: PathBuf,
    pub connections: usize,
    pub events: u64,
    /// 64 KiB a write, otherwise a line.
    pub batched: bool,
    /// Whether acks are asked for and waited for; otherwise it ends once all is written.
    pub acks: bool,
}

/// How it went; times are of CLOCK_BOOTTIME.
#[derive(Debug, Deserialize, Serialize)]
pub struct Sent {
    pub began_ns: u64,
    /// When the last event was acknowledged, or written if no acks were asked for.
    pub ended_ns: u64,
    pub events: u64,
    pub bytes: u64,
    /// The sequence number of the last of them.
    pub last_seq: u64,
    /// Of this process.
    pub cpu_us: u64,
}

impl Load {
    /// `SOCKET CONNECTIONS EVENTS batched|lines [plain]`
    pub fn from_args(args: &[&str]) -> Option<Self> {
        let [socket, connections, events, writes, rest @ ..] = args else { return None };
        Some(Self {
            socket: socket.into(),
            connections: connections.parse().ok().filter(|connections| *connections > 0)?,
            events: events.parse().ok()?,
            batched: match *writes {
                "batched" => true,
                "lines" => false,
                _ => return None,
            },
            acks: match rest {
                [] => true,
                ["plain"] => false,
                _ => return None,
            },
        })
    }

    /// The arguments that give it back.
    pub fn to_args(&self) -> Vec<String> {
        let writes = if self.batched { "batched" } else { "lines" };
        let socket = self.socket.to_string_lossy().into_owned();
        let mut args =
            vec![socket, self.connections.to_string(), self.events.to_string(), writes.into()];
        args.extend((!self.acks).then(|| "plain".into()));
        args
    }

    /// Makes the events, connects, waits to be told, sends, and waits for the last ack.
    pub fn run(&self, told: &Told) -> Sent {
        let share = |at: u64| self.events / self.connections as u64 * at;
        let clients: Vec<_> = (0..self.connections as u64)
            .map(|at| {
                let events = Events::new(at, DIFFERENT / self.connections);
                let last = at + 1 == self.connections as u64;
                let end = if last { self.events } else { share(at + 1) };
                (Connection::open(&self.socket, self.acks), events, end - share(at))
            })
            .collect();
        told.wait_for_go();
        let (began_ns, began_cpu) = (now_ns(), cpu_us());
        let acked = AtomicU64::new(0);
        let (ends, bytes) = std::thread::scope(|scope| {
            let send = |(connection, events, count)| {
                let acked = &acked;
                scope.spawn(move || self.send(connection, events, count, acked))
            };
            let clients: Vec<_> = clients.into_iter().map(send).collect();
            while clients.iter().any(|client| !client.is_finished()) {
                std::thread::sleep(TELL);
                told.progress(now_ns(), acked.load(Ordering::Relaxed));
            }
            let ends = clients.into_iter().map(|client| client.join().expect("all are sent"));
            ends.fold(((0, 0), 0), |((ns, seq), bytes), end| {
                ((end.ns.max(ns), end.seq.max(seq)), bytes + end.bytes)
            })
        });
        let (ended_ns, last_seq) = ends;
        let cpu_us = cpu_us() - began_cpu;
        Sent { began_ns, ended_ns, events: self.events, bytes, last_seq, cpu_us }
    }

    fn send(&self, mut to: Connection, mut events: Events, count: u64, acked: &AtomicU64) -> End {
        let (mut sent, mut looked, mut bytes) = (0, 0, 0);
        let mut told = 0;
        while sent < count {
            let (text, taken) = events.take(if self.batched { WRITE } else { 1 }, count - sent);
            to.stream.write_all(text).expect("the reader takes what is sent");
            (sent, bytes) = (sent + taken, bytes + text.len() as u64);
            if self.acks && sent - looked >= LOOK {
                looked = sent;
                to.read_acks(Wait::No);
                acked.fetch_add(to.acked - told, Ordering::Relaxed);
                told = to.acked;
            }
        }
        while self.acks && to.acked < count {
            to.read_acks(Wait::Yes);
            acked.fetch_add(to.acked - told, Ordering::Relaxed);
            told = to.acked;
        }
        assert!(to.acked <= count, "no more is acknowledged than was sent");
        let ns = now_ns();
        to.stream.shutdown(Shutdown::Write).expect("says that nothing more comes");
        End { ns, seq: to.seq, bytes }
    }
}

/// What became of one connection.
struct End {
    ns: u64,
    seq: u64,
    bytes: u64,
}
