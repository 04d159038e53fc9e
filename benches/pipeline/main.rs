//! `cargo bench --bench pipeline`

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../common/events.rs"]
mod events;
mod flood;
mod load;
mod reply;
mod subject;
mod told;

use load::Load;
use told::Told;

fn main() {
    // Cargo adds an option of its own.
    let mut args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let waits = args.last().is_some_and(|arg| arg == told::WAIT);
    if waits {
        args.pop();
    }
    let mut told = Told::new(waits);
    match args.split_first().map(|(what, rest)| (what.as_str(), rest)) {
        Some(("load", rest)) => {
            let load = Load::from_args(rest)
                .expect("load SOCKET CONNECTIONS EVENTS batched|lines [plain]");
            let sent = load.run(&mut told);
            told.outcome(&sent);
        }
        _ => {
            let events = args.first().and_then(|a| a.parse().ok()).unwrap_or(300_000);
            for batched in [true, false] {
                for connections in [1, 4, 16] {
                    let f = flood::run(connections, events, batched);
                    println!(
                        "{connections:>2} {} acked {:.0} visible {:.0} cpu {:.2} load {:.2} peak {:.1} per commit {:.0} {:.2?}",
                        if batched { "batched" } else { "lines" },
                        f.acked_rate,
                        f.visible_rate,
                        f.cpu_us,
                        f.load_cpu_us,
                        f.peak_mib,
                        f.events_per_commit,
                        f.by_thread
                    );
                }
            }
        }
    }
}
