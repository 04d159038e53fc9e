//! A token bucket.

use std::time::Duration;

/// The tokens of this part of a second are waited for at least.
const PART: u64 = 100;

/// Tokens of one kind. It begins full, and so it is whenever there is no limit.
#[derive(Debug)]
pub struct Bucket {
    tokens: f64,
    /// What it holds at most.
    burst: f64,
    /// What is waited for once it is empty: less would be many small reads.
    least: f64,
    rate: f64,
}

impl Default for Bucket {
    fn default() -> Self {
        Self { tokens: f64::INFINITY, burst: f64::INFINITY, least: 0.0, rate: 0.0 }
    }
}

impl Bucket {
    /// What has come meanwhile at so many a second (0: there is no limit), kept up to `burst`.
    pub fn fill(&mut self, passed: Duration, rate: u64, burst: u64) {
        if rate == 0 {
            return *self = Self::default();
        }
        self.burst = burst.max(1) as f64;
        self.rate = rate as f64;
        self.least = ((rate / PART).max(1) as f64).min(self.burst);
        self.tokens = (self.tokens + passed.as_secs_f64() * rate as f64).min(self.burst);
    }

    pub fn is_full(&self) -> bool {
        self.tokens >= self.burst
    }

    /// How long to wait for tokens; none if there is one.
    pub fn missing(&self) -> Option<Duration> {
        if self.tokens >= 1.0 {
            return None;
        }
        let missing = self.least - self.tokens;
        // Rounded up: a timer that ends a moment early would have to be set again.
        Some(Duration::from_secs_f64(missing / self.rate + 1e-6))
    }

    /// Takes tokens out, if none are missing, and leaves most to the user's other connections.
    pub fn take(&mut self) -> u64 {
        if self.tokens == f64::INFINITY {
            return u64::MAX;
        }
        let taken = (self.tokens / 4.0).max(self.least.min(self.tokens)).floor();
        self.tokens -= taken;
        taken as u64
    }

    /// Puts back what was not used; more may have been used than was taken.
    pub fn settle(&mut self, taken: u64, used: u64) {
        if taken != u64::MAX && self.tokens != f64::INFINITY {
            self.tokens = (self.tokens + taken as f64 - used as f64).min(self.burst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn drain(bucket: &mut Bucket) -> u64 {
        std::iter::from_fn(|| bucket.missing().is_none().then(|| bucket.take())).sum()
    }

    #[test]
    fn the_burst_comes_at_once_and_then_the_rate() {
        let mut bucket = Bucket::default();
        bucket.fill(Duration::ZERO, 50, 5000);
        assert_eq!(drain(&mut bucket), 5000);
        bucket.fill(2 * SECOND, 50, 5000);
        assert_eq!(drain(&mut bucket), 100);
        bucket.fill(500 * SECOND, 50, 5000);
        assert_eq!(drain(&mut bucket), 5000);
    }

    #[test]
    fn what_is_not_used_is_put_back_and_what_is_used_beyond_has_to_be_waited_for() {
        let mut bucket = Bucket::default();
        bucket.fill(Duration::ZERO, 10, 100);
        let taken = bucket.take();
        assert_eq!(taken, 25);
        bucket.settle(taken, 5);
        assert_eq!(drain(&mut bucket), 95);
        bucket.settle(0, 20);
        let time = bucket.missing().expect("a debt");
        assert!((2.0..2.2).contains(&time.as_secs_f64()), "{time:?}");
    }

    #[test]
    fn without_a_limit_there_is_always_enough_and_a_new_limit_begins_with_a_burst() {
        let mut bucket = Bucket::default();
        bucket.fill(SECOND, 0, 7);
        assert_eq!((bucket.missing(), bucket.take()), (None, u64::MAX));
        bucket.settle(u64::MAX, 1 << 40);
        bucket.fill(SECOND, 10, 70);
        assert_eq!(drain(&mut bucket), 70);
    }
}
