//! What `fuzz/` drives with a fuzzer, driven for a moment by a generator of its own: each entry takes any bytes and panics
//! where something is wrong. `AUDITLOGD_FUZZ_SECONDS` runs each for longer; `AUDITLOGD_SEED` repeats a run, whose seed is
//! printed when it fails.

#[path = "../../fuzz/entries/mod.rs"]
mod entries;
mod generator;
mod seeds;

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use generator::Generator;

/// A number from the environment.
fn given(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

static SEED: LazyLock<u64> =
    LazyLock::new(|| given("AUDITLOGD_SEED").unwrap_or_else(|| fastrand::u64(..)));

/// An input that is being tried: a panic in it says which it was.
struct Trial<'a> {
    entry: &'a str,
    input: &'a [u8],
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let (entry, input) = (self.entry, self.input.escape_ascii());
            eprintln!("{entry} with AUDITLOGD_SEED={} fails on b\"{input}\"", *SEED);
        }
    }
}

/// Runs an entry on what comes from these inputs.
fn smoke(entry: &str, begin_with: Vec<Vec<u8>>, run: fn(&[u8])) {
    println!("{entry}: AUDITLOGD_SEED={}", *SEED);
    let lasts = Duration::from_secs(given("AUDITLOGD_FUZZ_SECONDS").unwrap_or(2));
    let (start, mut inputs) = (Instant::now(), 0u64);
    let mut generator = Generator::new(*SEED, begin_with);
    while start.elapsed() < lasts || inputs == 0 {
        let input = generator.next_input(inputs);
        let trial = Trial { entry, input: &input };
        run(trial.input);
        inputs += 1;
    }
    println!("{entry}: {inputs} inputs in {:?}", start.elapsed());
}

macro_rules! smoke_tests {
    ($($entry:ident),+) => {$(
        #[test]
        fn $entry() {
            smoke(stringify!($entry), seeds::$entry(), entries::$entry::run);
        }
    )+};
}

smoke_tests!(config, event, filter, framing, line, note, proof, protocol, retention, seal, state);
