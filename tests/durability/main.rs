//! Disks that fail and hosts that lose their power, at every step of whatever the daemon does with its files.
//!
//! `AUDITLOGD_SEED` repeats a run's choices, `AUDITLOGD_SECONDS` says for how long the power fails at random.

#[path = "../common/mod.rs"]
mod common;

mod crash;
mod disk;
mod faults;
mod judge;
mod lives;
mod maintained;
mod power;
mod stage;
mod waits;

/// A number from the environment.
fn given(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn seed() -> u64 {
    let seed = given("AUDITLOGD_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("AUDITLOGD_SEED={seed}");
    seed
}
