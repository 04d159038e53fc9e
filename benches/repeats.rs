//! `cargo bench --bench repeats [-- EVENTS]`: what it costs the writer to know again what a client sends twice. Events
//! with ids go through the engine, with the window on and off in turns; the processor time of the writer's thread
//! alone is counted. Then the engine is started again on that log, which reads the window back.

#[path = "../tests/common/mod.rs"]
mod common;

use std::fs;
use std::sync::Arc;
use std::time::Instant;

use auditlogd::config::Repeats;
use auditlogd::engine::{Item, Submission};
use auditlogd::fs::Real;
use common::lab::{PEER, new_root, now};
use common::running::Running;

const RUNS: usize = 5;
/// Events of one submission, about as many as one read of a busy connection brings.
const TOGETHER: u64 = 300;

fn main() {
    let events = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(600_000u64);
    let windows = [0, 100_000];
    let mut found = [Vec::new(), Vec::new()];
    for _ in 0..RUNS {
        for (window, found) in windows.into_iter().zip(&mut found) {
            found.push(run(window, events));
        }
    }
    println!("medians of five, {events} events of 400 bytes with ids");
    println!("{:<12}{:>18}{:>16}", "window", "writer, ns/event", "a start, ms");
    for (window, found) in windows.into_iter().zip(&found) {
        let median = |of: fn(&Found) -> f64| {
            let mut sorted: Vec<_> = found.iter().map(of).collect();
            sorted.sort_by(f64::total_cmp);
            sorted[RUNS / 2]
        };
        let (writer, start) = (median(|found| found.writer_ns), median(|found| found.start_ms));
        println!("{window:<12}{writer:>18.0}{start:>16.1}");
    }
}

struct Found {
    writer_ns: f64,
    start_ms: f64,
}

fn run(window: usize, events: u64) -> Found {
    let root = new_root();
    let start = || {
        let disk = Arc::new(Real::default());
        let started = Running::start_with(disk, root.path(), 1, now(10), |config| {
            config.ingest.repeats = Repeats { window, seconds: 600 };
        });
        started.expect("the engine starts")
    };
    let running = start();
    let before = writer_ns();
    for first in (0..events).step_by(TOGETHER as usize) {
        submit(&running, first);
    }
    running.store(r#"{"event_type":"last"}"#).expect("stored");
    let writer_ns = (writer_ns() - before) as f64 / events as f64;
    running.stop().expect("stops");
    let began = Instant::now();
    let again = start();
    let start_ms = began.elapsed().as_secs_f64() * 1e3;
    again.stop().expect("stops");
    Found { writer_ns, start_ms }
}

fn submit(running: &Running, first: u64) {
    let (mut text, mut items) = (Vec::new(), Vec::new());
    for number in first..first + TOGETHER {
        let id = format!(
            "\"{:032x}\"",
            u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
        );
        let head = format!("{{\"event_type\":\"bench.sent\",\"event_id\":{id},\"text\":\"");
        let event = format!("{head}{}\"}}", "x".repeat(398 - head.len()));
        items.push(Item::of(id.len(), event.len(), true));
        text.extend_from_slice(id.as_bytes());
        text.extend_from_slice(event.as_bytes());
    }
    let submission =
        Submission { peer: PEER.into(), uid: 0, text, items, origin: None, on_commit: None };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(running.engine.submitter().flow(0).submit(submission)).expect("submitted");
}

/// Nanoseconds that the writer's thread has been on a processor (proc(5), schedstat).
fn writer_ns() -> u64 {
    let tasks = fs::read_dir("/proc/self/task").expect("there are threads");
    let of_writer = tasks.map(|task| task.expect("a thread").path()).find(|task| {
        fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == "writer")
    });
    let stat = fs::read_to_string(of_writer.expect("it writes").join("schedstat")).expect("read");
    stat.split(' ').next().and_then(|ns| ns.parse().ok()).expect("a number")
}
