//! How long to wait after a failure: twice as long after each, with jitter, so that those who lost the same
//! service do not come back to it all at once.

use std::time::Duration;

/// The failures since the last success, and the bounds of the waits.
#[derive(Debug)]
pub struct Backoff {
    failures: u32,
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// The first wait is at most `first`, and none is longer than `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { failures: 0, first, longest }
    }

    /// The time until the next try: from half of 1, 2, 4… times the first wait to the whole.
    pub fn failed(&mut self) -> Duration {
        let whole = self.first.saturating_mul(1 << self.failures.min(20)).min(self.longest);
        self.failures += 1;
        let half = (whole / 2).as_micros() as u64;
        // Without random bytes every wait is the longest.
        let dice = getrandom::u64().unwrap_or(half);
        whole / 2 + Duration::from_micros(dice % (half + 1))
    }

    /// The next failure is the first one.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_five_minutes_and_start_over_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(300));
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
