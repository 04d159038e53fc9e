//! `cargo bench --bench stages`: what each stage of an event's way costs alone, on one thread, nanoseconds an event;
//! median of five. The stages are the library's own public functions, with the events of `cargo bench --bench pipeline`.
//!
//! Two stages have no public function. What the writer counts of a line is measured by [`auditlogd::engine::Audit`], which
//! reads a line in the same way and adds it up; and how it knows events again that are sent twice, in the engine itself:
//! `cargo bench --bench repeats`.

#[path = "../common/events.rs"]
mod events;
#[path = "../common/insert.rs"]
mod insert;
#[path = "../common/lines.rs"]
mod lines;
#[path = "../common/runs.rs"]
mod runs;

mod index;
mod ingest;
mod ledger;

use std::time::Instant;

use runs::median;

/// Events of a run.
const EVENTS: u64 = 50_000;
const RUNS: usize = 5;

/// What a stage costs.
struct Stage {
    name: &'static str,
    ns: f64,
    note: &'static str,
}

fn main() {
    let stages = [ingest::stages(), ledger::stages(), index::stages()];
    println!("{:<10}{:>10}{:>14}", "stage", "ns/event", "events/s");
    for Stage { name, ns, note } in stages.into_iter().flatten() {
        let line = format!("{name:<10}{ns:>10.0}{:>14.0}  {note}", 1e9 / ns);
        println!("{}", line.trim_end());
    }
}

/// Nanoseconds an event, the median of some runs over all events.
fn time(mut run: impl FnMut()) -> f64 {
    median((0..RUNS).map(|_| {
        let begun = Instant::now();
        run();
        begun.elapsed().as_nanos() as f64 / EVENTS as f64
    }))
}
