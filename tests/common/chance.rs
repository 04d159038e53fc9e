//! What a test with random choices is told from outside, and says so that it can be repeated.

/// A number from the environment.
pub fn given(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// The seed of the test's choices: `AUDITLOGD_SEED`, or a new one.
pub fn seed() -> u64 {
    let seed = given("AUDITLOGD_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("AUDITLOGD_SEED={seed}");
    seed
}
