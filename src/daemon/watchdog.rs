//! WATCHDOG=1, from the writer's thread only, and only between two turns of its loop: a writer that a disk keeps
//! waiting sends none, and the service manager does what `WatchdogSec=` says. With it comes the status line.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;

use super::status_line::StatusLine;
use crate::clock::Now;

/// How old the figures of the status line may be when the writer is at work.
const STATUS_EVERY_NS: u64 = 10 * SECOND_NS;
/// How soon a message is tried again that the service manager did not take.
const AGAIN_NS: u64 = SECOND_NS;
const SECOND_NS: u64 = 1_000_000_000;

/// What the writer's thread tells the service manager.
pub struct Watchdog {
    line: Arc<StatusLine>,
    /// Between two pings; none without a watchdog.
    every_ns: Option<u64>,
    /// CLOCK_BOOTTIME of the next ping.
    ping_at: u64,
    /// CLOCK_BOOTTIME from which on a turn refreshes the status line.
    status_at: u64,
}

impl Watchdog {
    /// The one that `$WATCHDOG_USEC` and `$WATCHDOG_PID` ask for (sd_watchdog_enabled(3)).
    pub fn from_env(line: Arc<StatusLine>) -> Self {
        Self::new(line, sd_notify::watchdog_enabled())
    }

    fn new(line: Arc<StatusLine>, limit: Option<Duration>) -> Self {
        let half = |limit: Duration| u64::try_from(limit.as_nanos() / 2).unwrap_or(u64::MAX);
        let every_ns = limit.filter(|_| line.is_read()).map(half).filter(|ns| *ns > 0);
        Self { line, every_ns, ping_at: 0, status_at: 0 }
    }

    /// The writer's loop has come round. Returns CLOCK_BOOTTIME at which it has to come round again, also if
    /// there is nothing to do; without a watchdog nobody is woken.
    pub fn turn(&mut self, now: Now) -> Option<u64> {
        if !self.line.is_read() {
            return None;
        }
        self.line.look(now.wall_ns);
        let ping = self.every_ns.filter(|_| now.boot_ns >= self.ping_at);
        if ping.is_some() || now.boot_ns >= self.status_at {
            let first: &[_] = if ping.is_some() { &[NotifyState::Watchdog] } else { &[] };
            let wait_ns = match self.line.refresh(first) {
                true => ping,
                false => ping.map(|every_ns| every_ns.min(AGAIN_NS)),
            };
            if let Some(wait_ns) = wait_ns {
                self.ping_at = now.boot_ns.saturating_add(wait_ns);
            }
            self.status_at = now.boot_ns.saturating_add(STATUS_EVERY_NS);
        }
        self.every_ns.map(|_| self.ping_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::notify::Manager;
    use crate::daemon::notify::tests::{messages, pair};

    fn at(tenths: u64) -> Now {
        Now { wall_ns: 0, boot_ns: tenths * SECOND_NS / 10 }
    }

    fn watchdog(manager: Manager, limit: Option<u64>) -> Watchdog {
        let line = StatusLine::new(manager, Arc::default());
        Watchdog::new(line, limit.map(Duration::from_secs))
    }

    fn pings(messages: &[String]) -> usize {
        messages.iter().filter(|message| message.starts_with("WATCHDOG=1\nSTATUS=")).count()
    }

    #[test]
    fn it_pings_at_half_the_time_and_no_more_often_however_busy_the_writer_is() {
        let (manager, heard, _dir) = pair();
        let mut watchdog = watchdog(manager, Some(3));
        assert_eq!(watchdog.turn(at(1000)), Some(at(1015).boot_ns));
        assert_eq!(pings(&messages(&heard)), 1);
        for tenths in 1001..1015 {
            assert_eq!(watchdog.turn(at(tenths)), Some(at(1015).boot_ns));
        }
        assert!(messages(&heard).is_empty());
        assert_eq!(watchdog.turn(at(1016)), Some(at(1031).boot_ns));
        assert_eq!(pings(&messages(&heard)), 1);
    }

    #[test]
    fn a_ping_that_was_not_taken_is_sent_again_soon() {
        let (manager, heard, _dir) = pair();
        while manager.mention(&[NotifyState::Watchdog]) {}
        let mut watchdog = watchdog(manager, Some(60));
        assert_eq!(watchdog.turn(at(0)), Some(at(10).boot_ns));
        messages(&heard);
        assert_eq!(watchdog.turn(at(10)), Some(at(310).boot_ns));
        assert_eq!(pings(&messages(&heard)), 1);
    }

    #[test]
    fn without_a_watchdog_nobody_is_woken_and_the_figures_come_with_the_work() {
        let (manager, heard, _dir) = pair();
        let mut watchdog = watchdog(manager, None);
        assert!((0..205).all(|tenths| watchdog.turn(at(tenths)).is_none()));
        let said = messages(&heard);
        assert_eq!((said.len(), pings(&said)), (3, 0), "{said:?}");
    }

    #[test]
    fn without_a_service_manager_nothing_is_done() {
        assert_eq!(watchdog(Manager::default(), Some(60)).turn(at(0)), None);
    }
}
