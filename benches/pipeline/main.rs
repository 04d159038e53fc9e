//! `cargo bench --bench pipeline`: how fast the daemon is, beside what its parts cost alone. About five minutes, no root.
//!
//! The daemon runs as on a host, on an empty log below `target/tmp`, without quotas; the events come from another
//! process, so that what is said of memory and processor time is the daemon's alone. In turns with it the baselines are
//! measured: (a) one thread that macs, hashes, writes and syncs the same lines, (b) a loop that inserts the same rows
//! into the same schema, (c) 4 KiB appended and synced. The table says for each figure how it is beside its baseline
//! and whether a goal is met; no figure makes the bench fail, but an event that was not stored does.
//!
//! ```text
//! cargo bench --bench pipeline                    all of it
//! cargo bench --bench pipeline -- quick           less of it, about half a minute
//! cargo bench --bench pipeline -- quick PROGRAM   with that daemon instead of the one that was just compiled
//! cargo bench --bench pipeline -- sustained 5     five million events at once: does the rate stay as it is?
//! cargo bench --bench pipeline -- peers DIR       other log daemons, which `benches/peers.sh` puts into DIR
//! ```
//!
//! The load generator on a daemon that runs already (the program is in `target/release/deps`):
//!
//! ```text
//! pipeline load SOCKET CONNECTIONS EVENTS batched|lines [plain]     as fast as they are read
//! pipeline pace SOCKET CLIENTS RATE SECONDS                         so many events a second
//! pipeline idle SOCKET EVENTS                                       one after the other
//! ```

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../common/events.rs"]
mod events;
#[path = "../common/insert.rs"]
mod insert;
#[path = "../common/lines.rs"]
mod lines;
#[path = "../common/runs.rs"]
mod runs;

mod baselines;
mod flood;
mod load;
mod measure;
mod pace;
mod peers;
mod process;
mod reply;
mod stored;
mod subject;
mod table;
mod told;

use std::path::Path;

use load::Load;
use measure::{FULL, QUICK};
use pace::Pace;
use told::Told;

fn main() {
    // Cargo adds an option of its own.
    let mut args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let waits = args.last().is_some_and(|arg| arg == told::WAIT);
    if waits {
        args.pop();
    }
    let told = Told::new(waits);
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    match args[..] {
        [] => measure::all(&FULL),
        ["quick"] => measure::all(&QUICK),
        ["quick", program] => {
            subject::PROGRAM.get_or_init(|| program.to_owned());
            measure::all(&QUICK);
        }
        ["sustained"] => measure::sustained(5),
        ["sustained", millions] => measure::sustained(number(millions)),
        ["peers", packages] => peers::measure(Path::new(packages), 3),
        ["peers", packages, rounds] => peers::measure(Path::new(packages), number(rounds)),
        ["load", ref rest @ ..] => {
            let load = Load::from_args(rest).unwrap_or_else(|| unknown(&args));
            told.outcome(&load.run(&told));
        }
        ["pace", ref rest @ ..] => {
            let pace = Pace::from_args(rest).unwrap_or_else(|| unknown(&args));
            told.outcome(&pace.run(&told));
        }
        ["idle", socket, events] => {
            told.outcome(&pace::one_by_one(Path::new(socket), number(events), &told));
        }
        ["hold", socket, connections] => {
            let open = |_| reply::Connection::open(Path::new(socket), false);
            let held: Vec<_> = (0..number(connections)).map(open).collect();
            told.wait_for_go();
            drop(held);
        }
        _ => unknown(&args),
    }
}

fn number(text: &str) -> u64 {
    text.parse().ok().filter(|number| *number > 0).unwrap_or_else(|| unknown(&[text]))
}

fn unknown(args: &[&str]) -> ! {
    eprintln!(
        "pipeline does not understand {args:?}; its ways are at the top of benches/pipeline/main.rs"
    );
    std::process::exit(2)
}
