//! As fast as it goes: the daemon takes all that one load generator sends, and the database follows.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::load::{Load, Sent};
use crate::runs::warm;
use crate::subject::Subject;
use crate::told::{Generator, now_ns};

/// How often it is looked how far the database is.
const LOOK: Duration = Duration::from_millis(5);

/// What a run has shown. Rates are events a second.
pub struct Flood {
    pub sent: Sent,
    pub acked_rate: f64,
    pub visible_rate: f64,
    /// Processor time of the daemon for an event, until it was visible.
    pub cpu_us: f64,
    /// The same by thread.
    pub by_thread: BTreeMap<String, f64>,
    /// Of the load generator.
    pub load_cpu_us: f64,
    /// The most resident memory, MiB.
    pub peak_mib: f64,
    /// Of the ledger for an event, uncompressed.
    pub ledger_bytes: f64,
    /// Of the database.
    pub database_bytes: f64,
    /// Events of a commit, on average.
    pub events_per_commit: f64,
    /// How far it was, by time.
    pub moments: Vec<Moment>,
}

/// How far it was.
#[derive(Clone, Copy)]
pub struct Moment {
    /// Since the beginning.
    pub seconds: f64,
    pub acked: u64,
    pub visible: u64,
}

/// One run on a daemon of its own. Fails if the daemon does not have each event, in the database too.
pub fn run(connections: usize, events: u64, batched: bool) -> Flood {
    warm(events);
    let subject = Subject::start();
    let load = Load { socket: subject.socket(), connections, events, batched, acks: true };
    let mut generator = Generator::start(&[vec!["load".into()], load.to_args()].concat());
    let process = subject.process();
    process.reset_peak();
    let (first, commits) = (subject.indexed(), subject.commits());
    let cpu = process.cpu();
    let began_ns = now_ns();
    generator.go();
    let mut sent: Option<Sent> = None;
    let mut moments = Vec::new();
    let visible_ns = loop {
        sent = sent.or_else(|| generator.outcome());
        // First the database, then the clock: what is told is no earlier than it was.
        let (indexed, now) = (subject.indexed(), now_ns());
        let acked = match &sent {
            Some(sent) => sent.events,
            None => generator.progress.last().map_or(0, |(_, acked)| *acked),
        };
        let seconds = (now - began_ns) as f64 / 1e9;
        moments.push(Moment { seconds, acked, visible: indexed - first });
        if sent.as_ref().is_some_and(|sent| indexed > sent.last_seq) {
            break now;
        }
        std::thread::sleep(LOOK);
    };
    let sent = sent.expect("seen above");
    let (cpu_after, commits_after) = (process.cpu(), subject.commits());
    let peak_kib = process.memory()[1];
    let (ledger, database) = subject.check(events);
    let each = |all: u64| all as f64 / events as f64;
    let rate = |end: u64| events as f64 * 1e9 / (end - sent.began_ns) as f64;
    let spent = |(name, us): (&String, &u64)| {
        (name.clone(), each(us - cpu.by_thread.get(name).copied().unwrap_or(0)))
    };
    Flood {
        acked_rate: rate(sent.ended_ns),
        visible_rate: rate(visible_ns),
        cpu_us: each(cpu_after.all_us - cpu.all_us),
        by_thread: cpu_after.by_thread.iter().map(spent).collect(),
        load_cpu_us: each(sent.cpu_us),
        peak_mib: peak_kib as f64 / 1024.0,
        events_per_commit: events as f64 / (commits_after - commits) as f64,
        ledger_bytes: each(ledger.bytes),
        database_bytes: each(database),
        moments,
        sent,
    }
}
