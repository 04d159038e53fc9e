//! `cargo bench --bench start [-- MILLIONS]`: how long it takes from the execution of the daemon to the first
//! acknowledged event, after a kill under load and after a stop, for a short log and for one of so many million events;
//! and what an idle daemon takes. Without a service manager, at the defaults but for the quota. Ten million events take
//! 1 GB for their segments and 5 GB for their database, below `$TMPDIR`.

#[path = "../../tests/common/mod.rs"]
mod common;

mod idle;
mod log;
mod run;

use std::path::Path;
use std::time::Duration;

use run::{Run, load, wait_for_the_index};

const RUNS: usize = 5;
/// Events that come in between two kills.
const LOAD: u64 = 300_000;
/// What a flood needs, and a log that is not looked at while it is measured.
const CONFIG: &str = "[quota]\nevents_per_second = 0\nbytes_per_second = 0\n";

fn main() {
    let millions = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(1.0f64);
    println!(
        "{:<44}{:>10}{:>10}{:>10}{:>14}",
        "ms to the first ack", "least", "median", "most", "MB read"
    );
    for events in [10_000, (millions * 1e6) as u64] {
        let root = common::lab::new_root();
        common::write_config(root.path(), CONFIG);
        let segments = log::write(root.path(), events);
        let run = Run::start(root.path());
        wait_for_the_index(root.path());
        run.stop();
        let log = format!("{events} events in {segments} segments");
        show(&format!("{log}, stopped"), (0..RUNS).map(|_| after_stop(root.path())).collect());
        show(&format!("{log}, killed"), (0..RUNS).map(|_| after_kill(root.path())).collect());
    }
    idle::measure();
}

/// What one start took, and what the process had read from files by then.
struct Took {
    time: Duration,
    read: u64,
}

fn after_stop(root: &Path) -> Took {
    let run = Run::start(root);
    let took = Took { time: run.first_ack, read: run.read };
    run.stop();
    took
}

/// A kill under load, and the start after it.
fn after_kill(root: &Path) -> Took {
    let run = Run::start(root);
    load(root, LOAD, || run.kill());
    let run = Run::start(root);
    let took = Took { time: run.first_ack, read: run.read };
    wait_for_the_index(root);
    run.stop();
    took
}

fn show(what: &str, mut took: Vec<Took>) {
    took.sort_by_key(|took| took.time);
    let ms = |nth: usize| took[nth].time.as_secs_f64() * 1e3;
    let read = took.iter().map(|took| took.read).max().unwrap_or(0) as f64 / 1e6;
    println!(
        "{what:<44}{:>10.1}{:>10.1}{:>10.1}{read:>14.1}",
        ms(0),
        ms(took.len() / 2),
        ms(took.len() - 1)
    );
}
