//! `cargo bench --bench handover [-- MIB]`: what it costs that connections outlive the daemon. One daemon below a
//! service manager that keeps its connections, where bytes are peeked and consumed after the commit, and one
//! without, which reads them; in turns, the index of both at rest.

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use common::manager::Manager;
use common::{Client, Daemon};

const RUNS: usize = 5;
/// Acknowledged lines of a connection and run.
const ROUND_TRIPS: u64 = 400;
const CONNECTIONS: [usize; 3] = [1, 4, 16];

fn main() {
    let mib = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(32u64);
    let (kept, plain) = (Manager::start_new(), Daemon::start());
    println!("{:<44}{:>10}{:>10}{:>8}", "medians of five", "read", "kept", "ratio");
    for (what, write, share) in [("64 KiB a write", 64 << 10, 1), ("a line a write", 1, 4)] {
        for connections in CONNECTIONS {
            let lines = (mib << 20) / share / line(0).len() as u64 / connections as u64;
            let speed = |daemon: &Daemon| {
                let seconds = send(daemon, connections, lines, write).as_secs_f64();
                vec![(lines * connections as u64) as f64 / seconds / 1e3]
            };
            let row = (format!("{what}, {connections} connections"), "k lines/s");
            show(&[row], &plain, &kept, speed);
        }
    }
    for connections in CONNECTIONS {
        let rows =
            ["p50", "p99"].map(|name| (format!("ack {name}, {connections} connections"), "ms"));
        show(&rows, &plain, &kept, |daemon| {
            let found = round_trips(daemon, connections);
            vec![quantile(&found, 0.5), quantile(&found, 0.99)]
        });
    }
}

/// One line of 400 bytes, as applications send them.
fn line(number: u64) -> String {
    let head = format!(
        "{{\"event_type\":\"bench.sent\",\"source\":\"bench\",\"n\":{number:>12},\"text\":\""
    );
    format!("{head}{}\"}}\n", "x".repeat(400 - 3 - head.len()))
}

/// Runs in turns on both and prints the medians, a row for each figure of a run.
fn show(rows: &[(String, &str)], plain: &Daemon, kept: &Daemon, run: impl Fn(&Daemon) -> Vec<f64>) {
    let mut found = [Vec::new(), Vec::new()];
    for _ in 0..RUNS {
        for (daemon, found) in [plain, kept].into_iter().zip(&mut found) {
            daemon.settle();
            found.push(run(daemon));
        }
    }
    for (nth, (what, unit)) in rows.iter().enumerate() {
        let median = |runs: &Vec<Vec<f64>>| {
            quantile(&runs.iter().map(|run| run[nth]).collect::<Vec<_>>(), 0.5)
        };
        let [plain, kept] = [&found[0], &found[1]].map(median);
        println!("{what:<34}{unit:>10}{plain:>10.2}{kept:>10.2}{:>8.2}", kept / plain);
    }
}

fn quantile(found: &[f64], at: f64) -> f64 {
    let mut sorted = found.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * at).round() as usize]
}

/// How long so many connections take to send so many lines each, in writes of at least so many bytes, and to
/// have all of them acknowledged.
fn send(daemon: &Daemon, connections: usize, lines: u64, write: usize) -> Duration {
    let mut writes = vec![String::new()];
    for number in 0..lines {
        if writes.last().is_some_and(|last| last.len() >= write) {
            writes.push(String::new());
        }
        if let Some(last) = writes.last_mut() {
            last.push_str(&line(number));
        }
    }
    let clients = (0..connections).map(|_| daemon.greeted()).collect();
    let start = Instant::now();
    together(clients, |client| {
        writes.iter().for_each(|bytes| client.send(bytes));
        client.replies_to(lines);
    });
    start.elapsed()
}

/// Milliseconds from the sending of a line to its ack, on so many connections at once.
fn round_trips(daemon: &Daemon, connections: usize) -> Vec<f64> {
    let clients = (0..connections).map(|_| daemon.greeted()).collect();
    let times = together(clients, |client| {
        let time = |number| {
            let start = Instant::now();
            client.send(line(number));
            client.replies_to(number);
            start.elapsed().as_secs_f64() * 1e3
        };
        (1..=ROUND_TRIPS).map(time).collect::<Vec<_>>()
    });
    times.concat()
}

fn together<T: Send>(clients: Vec<Client>, each: impl Fn(&mut Client) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let work = |mut client: Client| {
            let each = &each;
            scope.spawn(move || each(&mut client))
        };
        let threads: Vec<_> = clients.into_iter().map(work).collect();
        threads.into_iter().map(|thread| thread.join().expect("a client ends well")).collect()
    })
}
