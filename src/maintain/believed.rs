//! The time that retention goes by. Whoever sets the wall clock ahead could have everything deleted at once;
//! so the time that is believed goes at most four times as fast as the boot clock, and after a long downtime
//! catches up with the wall clock within a third of its length.

use serde::{Deserialize, Serialize};

use super::boot::{Boot, Moment};
use crate::clock::Now;

/// How many times as fast as the boot clock the believed time may go.
const FASTEST: u64 = 4;

/// How far the believed time has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Believed {
    /// Nanoseconds since 1970. Never goes back, and never more slowly than the boot clock.
    pub ns: i64,
    /// When it was that.
    pub at: Moment,
}

impl Believed {
    /// What is believed at `now`, if it was `last` before. Nothing is known better than the wall clock by whoever
    /// has no `last`.
    pub fn next(last: Option<&Self>, now: Now, boot: &Boot) -> Self {
        let at = boot.moment(now);
        let Some(last) = last else { return Self { ns: now.wall_ns, at } };
        let passed = boot.at_least_since(&last.at, now);
        let (slowest, fastest) = (
            last.ns.saturating_add_unsigned(passed),
            last.ns.saturating_add_unsigned(passed.saturating_mul(FASTEST)),
        );
        Self { ns: now.wall_ns.clamp(slowest, fastest), at }
    }

    /// The time for retention: a wall clock that is behind what is believed keeps more, so it is taken then.
    pub fn for_retention(&self, now: Now) -> i64 {
        self.ns.min(now.wall_ns)
    }

    /// How far it was behind the wall clock, nanoseconds.
    pub fn lag_ns(&self) -> u64 {
        self.at.wall_ns.saturating_sub(self.ns).max(0).unsigned_abs()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: u64 = 3_600_000_000_000;
    const DAY: u64 = 24 * HOUR;

    fn boot(id: &str) -> Boot {
        Boot(id.into())
    }

    fn at(wall_ns: i64, boot_ns: u64) -> Now {
        Now { wall_ns, boot_ns }
    }

    fn start() -> Believed {
        Believed::next(None, at(DAY as i64 * 20_000, DAY), &boot("a"))
    }

    #[test]
    fn a_clock_that_jumps_years_ahead_is_believed_for_four_hours_an_hour() {
        let wall = start().ns + 3_650 * DAY as i64;
        let believed = Believed::next(Some(&start()), at(wall, DAY + HOUR), &boot("a"));
        assert_eq!(believed.for_retention(at(wall, DAY + HOUR)), start().ns + 4 * HOUR as i64);
        // Set right again, it counts at once.
        let right = at(start().ns + 2 * HOUR as i64, DAY + 2 * HOUR);
        let believed = Believed::next(Some(&believed), right, &boot("a"));
        assert_eq!(believed.for_retention(right), right.wall_ns);
    }

    #[test]
    fn after_thirty_days_switched_off_ten_days_catch_up() {
        let mut believed = start();
        for hours in 1..=240 {
            let now = at(start().ns + (30 * DAY + hours * HOUR) as i64, hours * HOUR);
            believed = Believed::next(Some(&believed), now, &boot("b"));
            assert_eq!(believed.lag_ns() == 0, hours == 240, "{hours}");
        }
    }

    #[test]
    fn a_boot_without_a_battery_neither_deletes_nor_takes_back_what_was_known() {
        // The clock shows 1970 until the network has set it.
        let early = at(60, HOUR);
        let believed = Believed::next(Some(&start()), early, &boot("b"));
        assert_eq!(believed.for_retention(early), 60);
        let set = at(start().ns + 2 * HOUR as i64, 2 * HOUR);
        let believed = Believed::next(Some(&believed), set, &boot("b"));
        assert_eq!(believed.for_retention(set), set.wall_ns);
    }

    proptest! {
        #[test]
        fn it_never_goes_back_nor_faster_than_allowed_nor_ahead_of_the_wall_clock(
            steps in prop::collection::vec((0..400 * DAY, any::<i64>(), any::<bool>()), 1..50),
        ) {
            let (mut believed, mut up, mut boots) = (start(), DAY, 0);
            let mut passed = 0_u64;
            for (after, wall, reboot) in steps {
                if reboot {
                    boots += 1;
                    up = 0;
                }
                up += after;
                passed += after;
                let now = at(wall, up);
                let id = if boots == 0 { "a".into() } else { boots.to_string() };
                let next = Believed::next(Some(&believed), now, &boot(&id));
                prop_assert!(next.ns >= believed.ns);
                prop_assert!(next.ns <= start().ns.saturating_add_unsigned(4 * passed));
                prop_assert!(next.for_retention(now) <= wall);
                believed = next;
            }
        }
    }
}
