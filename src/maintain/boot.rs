//! How much time has passed between two moments, also across restarts of the daemon and of the host.

use serde::{Deserialize, Serialize};

use crate::clock::Now;

/// The kernel's boot id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot(pub String);

/// A moment that outlives the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// CLOCK_REALTIME, nanoseconds since 1970.
    pub wall_ns: i64,
    /// CLOCK_BOOTTIME, nanoseconds.
    pub boot_ns: u64,
    /// In which boot.
    pub boot_id: String,
}

impl Boot {
    /// This moment.
    pub fn moment(&self, now: Now) -> Moment {
        Moment { wall_ns: now.wall_ns, boot_ns: now.boot_ns, boot_id: self.0.clone() }
    }

    /// Nanoseconds that have passed for certain: across a reboot nobody knows how long the host was off.
    pub fn at_least_since(&self, then: &Moment, now: Now) -> u64 {
        let before = if then.boot_id == self.0 { then.boot_ns } else { 0 };
        now.boot_ns.saturating_sub(before)
    }

    /// Nanoseconds that have passed by the best clock there is: the boot clock, and across a reboot the wall
    /// clock.
    pub fn since(&self, then: &Moment, now: Now) -> u64 {
        let certain = self.at_least_since(then, now);
        if then.boot_id == self.0 {
            return certain;
        }
        let by_wall = i128::from(now.wall_ns) - i128::from(then.wall_ns);
        certain.max(u64::try_from(by_wall).unwrap_or(0))
    }
}
