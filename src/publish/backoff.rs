//! How long to wait after a failure: twice as long after each, with jitter, so that hosts that lost the
//! same witness do not come back to it all at once.

use std::time::Duration;

const FIRST_MS: u64 = 1_000;
const LONGEST_MS: u64 = 300_000;

/// The failures since the last success.
#[derive(Default)]
pub(super) struct Backoff(u32);

impl Backoff {
    /// The time until the next try: from half of 1, 2, 4… seconds to the whole, at most five minutes.
    pub fn failed(&mut self) -> Duration {
        let whole = FIRST_MS.saturating_mul(1 << self.0.min(20)).min(LONGEST_MS);
        self.0 += 1;
        // Without random bytes every wait is the longest.
        let dice = getrandom::u32().map_or(u64::MAX, u64::from);
        Duration::from_millis(whole / 2 + dice % (whole / 2 + 1))
    }

    pub fn succeeded(&mut self) {
        self.0 = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_five_minutes_and_start_over_after_a_success() {
        let mut backoff = Backoff::default();
        for whole in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            let wait = backoff.failed().as_millis();
            assert!((whole * 500..=whole * 1_000).contains(&wait), "{whole}: {wait}");
        }
        for _ in 0..100 {
            backoff.failed();
        }
        backoff.succeeded();
        assert!(backoff.failed() <= Duration::from_secs(1));
    }
}
