//! How long a client waits for its ack.

use super::{Effort, now};
use crate::baselines;
use crate::pace::{Latency, Pace};
use crate::runs::median;
use crate::subject::Subject;
use crate::table::{Row, Table};
use crate::told::Generator;

/// Clients of a paced run.
const CLIENTS: usize = 20;
/// The rate that has a goal.
const GOAL_RATE: u64 = 10_000;
/// One by one and the baseline in turns.
const ROUNDS: usize = 3;

pub fn measure(effort: &Effort, table: &mut Table) {
    let (mut syncs, mut idle) = (Vec::new(), Vec::new());
    now("acks, one by one");
    let subject = Subject::start();
    let socket = subject.socket().to_string_lossy().into_owned();
    for _ in 0..ROUNDS {
        syncs.push(baselines::sync(effort.one_by_one));
        idle.push(run(vec!["idle".into(), socket.clone(), effort.one_by_one.to_string()]));
    }
    let sync = of(&syncs, |latency| latency.p50);
    let beside = |row: Row| row.beside('c', sync);
    let mut rows = vec![
        Row::new("(c) 4 KiB appended and synced, p50", sync, "µs"),
        Row::new("(c) p99", of(&syncs, |latency| latency.p99), "µs"),
        beside(Row::new("idle, one by one, p50", of(&idle, |latency| latency.p50), "µs"))
            .ratio_at_most(3.0),
        beside(Row::new("  p99", of(&idle, |latency| latency.p99), "µs")).ratio_at_most(6.0),
        beside(Row::new("  p99.9", of(&idle, |latency| latency.p999), "µs")),
    ];
    subject.settle();
    subject.check(effort.one_by_one * ROUNDS as u64);
    for rate in effort.paces {
        now(&format!("acks at {rate} events a second"));
        rows.extend(paced(*rate, effort.pace_seconds, sync));
    }
    table.section("From when an event is due until its ack", rows);
}

fn paced(rate: u64, seconds: u64, sync: f64) -> [Row; 3] {
    let subject = Subject::start();
    let pace = Pace { socket: subject.socket(), clients: CLIENTS, rate, seconds };
    let latency = run([vec!["pace".into()], pace.to_args()].concat());
    subject.settle();
    subject.check(latency.events);
    let row = |name: String, ns: u64| Row::new(name, ns as f64 / 1e3, "µs").beside('c', sync);
    let mut rows = [
        row(format!("{rate} events/s of {CLIENTS} clients, p50"), latency.p50),
        row("  p99".into(), latency.p99),
        row("  p99.9".into(), latency.p999),
    ];
    if rate == GOAL_RATE {
        rows = rows.map(|row| if row.name == "  p99" { row.at_most(5_000.0) } else { row });
    }
    rows
}

/// One run of a load generator.
fn run(args: Vec<String>) -> Latency {
    let mut generator = Generator::start(&args);
    generator.go();
    generator.wait()
}

/// The median of some runs' figure, microseconds.
fn of(runs: &[Latency], figure: fn(&Latency) -> u64) -> f64 {
    median(runs.iter().map(|run| figure(run) as f64 / 1e3))
}
