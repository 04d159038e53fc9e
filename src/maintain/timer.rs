//! When the next run is due. All times are those of CLOCK_BOOTTIME, so that no step of the wall clock triggers
//! or delays a run; only across a reboot the wall clock says how long ago the last one was.

use std::io;
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EventFd;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::boot::{Boot, Moment};
use crate::clock::Now;

/// How far from the interval the time between two runs is at most, in parts of the interval: hosts that were
/// started together spread.
const JITTER: u64 = 10;

/// Which part of the interval passes between a start, or the end of a run, and the next run at least: a minute for
/// the default of an hour. A start has better things to do.
const REST: u64 = 60;

/// When the next run is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Between two runs, nanoseconds.
    pub interval_ns: u64,
    /// Which wait of those that the jitter allows: 0 the shortest, [`u32::MAX`] the longest.
    pub random: u32,
}

impl Schedule {
    /// CLOCK_BOOTTIME of the next run; `last` is the beginning of the last one, if there was one. It is never in the
    /// past, and never farther away than an interval and its jitter.
    pub fn due(&self, last: Option<&Moment>, now: Now, boot: &Boot) -> u64 {
        let soon = self.spread(self.interval_ns / REST);
        let wait = match last {
            Some(last) => {
                self.spread(self.interval_ns).saturating_sub(boot.since(last, now)).max(soon)
            }
            None => soon,
        };
        now.boot_ns.saturating_add(wait)
    }

    /// A time near `ns`, as the random bits say.
    fn spread(&self, ns: u64) -> u64 {
        let least = ns - ns / JITTER;
        let room = u128::from(ns / JITTER * 2) * u128::from(self.random) / u128::from(u32::MAX);
        least.saturating_add(room as u64)
    }
}

/// Random bits for [`Schedule::random`]; without any, the wait is the longest.
pub fn random() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX)
}

/// Sleeps until a time of CLOCK_BOOTTIME, suspend included, or until somebody wakes the sleeper; it never
/// wakes in between.
pub struct Alarm {
    timer: TimerFd,
    wakeup: EventFd,
}

impl Alarm {
    /// An alarm that is not set.
    pub fn new() -> io::Result<Self> {
        let timer = TimerFd::new(ClockId::CLOCK_BOOTTIME, TimerFlags::TFD_CLOEXEC)?;
        let flags =
            nix::sys::eventfd::EfdFlags::EFD_CLOEXEC | nix::sys::eventfd::EfdFlags::EFD_NONBLOCK;
        Ok(Self { timer, wakeup: EventFd::from_flags(flags)? })
    }

    /// Wakes the sleeper, or whoever sleeps next.
    pub fn wake(&self) {
        // It fails only if so many wait already that the counter is full.
        let _already_woken = self.wakeup.write(1);
    }

    /// Returns at that time of CLOCK_BOOTTIME or when woken. May return early; the caller looks at the clock.
    pub fn sleep_until(&self, boot_ns: u64) -> io::Result<()> {
        // A timer that is set to zero would never ring.
        let at = std::time::Duration::from_nanos(boot_ns.max(1));
        let once = Expiration::OneShot(TimeSpec::from_duration(at));
        self.timer.set(once, TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
        let mut both =
            [self.timer.as_fd(), self.wakeup.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match poll(&mut both, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
        // Setting a timer again forgets that it rang.
        let _nobody_woke_it = self.wakeup.read();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const HOUR: u64 = 3_600 * SECOND;

    fn boot(id: &str) -> Boot {
        Boot(id.into())
    }

    fn last(wall_ns: i64, boot_ns: u64) -> Moment {
        Moment { wall_ns, boot_ns, boot_id: "a".into() }
    }

    fn hourly(random: u32) -> Schedule {
        Schedule { interval_ns: HOUR, random }
    }

    #[test]
    fn the_first_run_ever_comes_a_minute_after_the_start() {
        let now = Now { wall_ns: 0, boot_ns: 7 * HOUR };
        for (random, seconds) in [(0, 54), (u32::MAX, 66)] {
            assert_eq!(hourly(random).due(None, now, &boot("a")), now.boot_ns + seconds * SECOND);
        }
    }

    #[test]
    fn a_restart_goes_on_where_it_was_and_catches_up_what_was_missed() {
        let before = last(0, 10 * HOUR);
        for (passed, wait) in [(0, 54 * 60), (HOUR / 2, 24 * 60), (HOUR, 54), (90 * HOUR, 54)] {
            let now = Now { wall_ns: 0, boot_ns: 10 * HOUR + passed };
            assert_eq!(hourly(0).due(Some(&before), now, &boot("a")), now.boot_ns + wait * SECOND);
        }
    }

    #[test]
    fn across_a_reboot_the_wall_clock_says_how_long_ago_it_was() {
        let before = last(0, 10 * HOUR);
        for (wall, wait) in [(HOUR / 2, 24 * 60), (9 * HOUR, 54)] {
            let now = Now { wall_ns: wall as i64, boot_ns: SECOND };
            assert_eq!(hourly(0).due(Some(&before), now, &boot("b")), now.boot_ns + wait * SECOND);
        }
    }

    proptest! {
        #[test]
        fn no_wall_clock_triggers_or_delays_a_run(
            wall: i64, then: i64, up in 0..1_000 * HOUR, passed in 0..1_000 * HOUR, random: u32,
        ) {
            let before = last(then, up);
            let at = |wall_ns| {
                hourly(random).due(Some(&before), Now { wall_ns, boot_ns: up + passed }, &boot("a"))
            };
            prop_assert_eq!(at(wall), at(then));
        }

        #[test]
        fn a_run_is_never_due_at_once_and_never_later_than_the_interval_and_its_jitter(
            wall: i64, then: i64, up in 0..1_000 * HOUR, now in 0..1_000 * HOUR, random: u32,
            same_boot: bool, ran: bool, seconds in 60..=604_800_u64,
        ) {
            let schedule = Schedule { interval_ns: seconds * SECOND, random };
            let before = last(then, up);
            let id = if same_boot { "a" } else { "b" };
            let due = schedule.due(
                ran.then_some(&before),
                Now { wall_ns: wall, boot_ns: now },
                &boot(id),
            );
            let wait = due - now;
            prop_assert!(wait >= seconds * SECOND / 60 * 9 / 10);
            prop_assert!(wait <= seconds * SECOND / 10 * 11);
        }
    }
}
