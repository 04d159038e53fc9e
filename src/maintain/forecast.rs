//! How long the disk will do: what the daemon's directories used and what was free, at each run of the last day
//! or so.

use serde::{Deserialize, Serialize};

use super::boot::{Boot, Moment};
use crate::clock::Now;
use crate::metrics::Forecast;

/// A rate is one over at least so long, nanoseconds: a day has quiet hours.
const DAY_NS: u64 = 24 * 3_600_000_000_000;
/// Samples are at least so far apart: nobody fills the list by asking for runs.
const APART_NS: u64 = DAY_NS / 48;
/// A host that was off for longer, or whose clock says so, was off for that long.
const LONG_NS: u64 = 100 * DAY_NS;
/// Less in a day is no growth.
const STILL: u64 = 1 << 20;

/// What was used and free at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// When, nanoseconds after the first sample.
    pub at_ns: u64,
    /// Bytes that the log's and the state directory use.
    pub used: u64,
    /// Bytes that the log's file system has free.
    pub free: u64,
}

/// The samples, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Samples {
    /// When the newest one was taken.
    newest: Option<Moment>,
    list: Vec<Sample>,
}

impl Samples {
    /// Adds what is used and free now, unless the newest one is of just now. One that is a day old stays, to
    /// compare with; older ones go.
    pub fn add(&mut self, used: u64, free: u64, now: Now, boot: &Boot) {
        let passed = self.newest.as_ref().map(|newest| boot.since(newest, now));
        if passed.is_some_and(|passed| passed < APART_NS) {
            return;
        }
        let last = self.list.last().map_or(0, |sample| sample.at_ns);
        let at_ns = last.saturating_add(passed.unwrap_or(0).min(LONG_NS));
        self.list.push(Sample { at_ns, used, free });
        self.newest = Some(boot.moment(now));
        let old = self.list.iter().take_while(|sample| at_ns - sample.at_ns >= DAY_NS).count();
        self.list.drain(..old.saturating_sub(1));
        let first = self.list.first().map_or(0, |sample| sample.at_ns);
        self.list.iter_mut().for_each(|sample| sample.at_ns -= first);
    }

    /// Whether the list is one that [`Samples::add`] made.
    pub fn is_sound(&self) -> bool {
        self.list.is_sorted_by_key(|sample| sample.at_ns)
            && self.list.last().is_none_or(|last| last.at_ns <= LONG_NS + 2 * DAY_NS)
            && self.newest.is_none() == self.list.is_empty()
    }

    /// When the file system is full if it goes on as in the last day. The faster of two rates counts: that of
    /// the free bytes, which others use up too, and that of the daemon's own.
    pub fn forecast(&self) -> Forecast {
        let (Some(first), Some(last)) = (self.list.first(), self.list.last()) else {
            return Forecast::NotKnown { in_seconds: DAY_NS / 1_000_000_000 };
        };
        let over_ns = last.at_ns - first.at_ns;
        if over_ns < DAY_NS {
            return Forecast::NotKnown { in_seconds: (DAY_NS - over_ns).div_ceil(1_000_000_000) };
        }
        let a_day = |bytes: u64| {
            (u128::from(bytes) * u128::from(DAY_NS) / u128::from(over_ns)).min(u64::MAX.into())
                as u64
        };
        let own = a_day(last.used.saturating_sub(first.used));
        let all = a_day(first.free.saturating_sub(last.free)).max(own);
        if all < STILL {
            return Forecast::NotGrowing;
        }
        let seconds = u128::from(last.free) * 86_400 / u128::from(all);
        Forecast::FullIn {
            seconds: seconds.min(u64::MAX.into()) as u64,
            bytes_a_day: all,
            own_bytes_a_day: own,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: u64 = DAY_NS / 24;
    const GIB: u64 = 1 << 30;

    fn boot() -> Boot {
        Boot("a".into())
    }

    /// One sample an hour, `(used, free)`.
    fn hourly(samples: impl IntoIterator<Item = (u64, u64)>) -> Samples {
        let mut all = Samples::default();
        for (hour, (used, free)) in samples.into_iter().enumerate() {
            all.add(used, free, Now { wall_ns: 0, boot_ns: hour as u64 * HOUR }, &boot());
        }
        all
    }

    #[test]
    fn it_is_not_known_before_a_day_is_over() {
        assert_eq!(Samples::default().forecast(), Forecast::NotKnown { in_seconds: 86_400 });
        let growing = |hours: u64| hourly((0..=hours).map(|n| (n * GIB, 100 * GIB - n * GIB)));
        assert_eq!(growing(20).forecast(), Forecast::NotKnown { in_seconds: 4 * 3_600 });
        assert!(matches!(growing(24).forecast(), Forecast::FullIn { .. }));
    }

    #[test]
    fn it_is_full_when_what_is_free_is_used_up_at_the_rate_of_the_last_day() {
        // 24 GiB on the first day, 12 on the second; 60 are left.
        let day = |from: u64, a_day: u64| (0..24).map(move |n| from + n * a_day / 24);
        let used: Vec<_> =
            day(0, 24 * GIB).chain(day(24 * GIB, 12 * GIB)).chain([36 * GIB]).collect();
        let samples = hourly(used.into_iter().map(|used| (used, 96 * GIB - used)));
        let rate = 12 * GIB;
        let want =
            Forecast::FullIn { seconds: 5 * 86_400, bytes_a_day: rate, own_bytes_a_day: rate };
        assert_eq!(samples.forecast(), want);
    }

    #[test]
    fn what_others_use_up_counts_and_is_told_apart() {
        let samples = hourly((0..=24).map(|n| (n * GIB / 24, 100 * GIB - n * GIB)));
        let want = Forecast::FullIn {
            seconds: 76 * 86_400 / 24,
            bytes_a_day: 24 * GIB,
            own_bytes_a_day: GIB,
        };
        assert_eq!(samples.forecast(), want);
    }

    #[test]
    fn a_log_that_loses_as_much_as_it_gains_does_not_grow() {
        let samples = hourly((0..=48).map(|n| (GIB + n % 24, GIB - n % 24)));
        assert_eq!(samples.forecast(), Forecast::NotGrowing);
    }

    #[test]
    fn a_full_disk_is_full_now() {
        let samples = hourly((0..=24).map(|n| (n * GIB, 24 * GIB - n * GIB)));
        assert!(matches!(samples.forecast(), Forecast::FullIn { seconds: 0, .. }));
    }

    proptest! {
        #[test]
        fn the_list_stays_short_and_sound_whatever_the_clocks_and_the_disk_do(
            steps in prop::collection::vec((any::<u64>(), any::<u64>(), any::<i64>(), 0..HOUR, any::<bool>()), 0..300),
        ) {
            let (mut samples, mut up, mut boots) = (Samples::default(), 0, 0);
            for (used, free, wall_ns, passed, reboot) in steps {
                if reboot {
                    (up, boots) = (0, boots + 1);
                }
                up += passed;
                samples.add(used, free, Now { wall_ns, boot_ns: up }, &Boot(boots.to_string()));
                prop_assert!(samples.is_sound() && samples.list.len() <= 50);
                samples.forecast();
            }
        }
    }
}
