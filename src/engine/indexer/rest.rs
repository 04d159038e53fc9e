//! When the index thread gives memory back: after the start, and after a burst of events, once few come.
//!
//! Pages of the database in SQLite's cache, and what the allocator keeps of the queues and of the start, would otherwise
//! stay for as long as the daemon runs.

use std::time::{Duration, Instant};

/// Lines in bytes from which on there is something to give back.
const MUCH: u64 = 256 << 10;
/// How long it is watched whether few come.
const WINDOW: Duration = Duration::from_secs(10);
/// The same after the start, which has read files and made tables that are not needed again.
const AFTER_START: Duration = Duration::from_secs(2);

/// What was done since memory was given back.
#[derive(Default)]
pub(super) struct Rest {
    bytes: u64,
    window: Option<Window>,
}

struct Window {
    ends: Instant,
    bytes: u64,
}

impl Rest {
    /// That of a daemon that starts.
    pub fn after_start(now: Instant) -> Self {
        Self { bytes: 0, window: Some(Window { ends: now + AFTER_START, bytes: 0 }) }
    }

    /// So many bytes of lines were taken in.
    pub fn worked(&mut self, bytes: u64, now: Instant) {
        self.bytes = self.bytes.saturating_add(bytes);
        match &mut self.window {
            Some(window) => window.bytes = window.bytes.saturating_add(bytes),
            None if self.bytes >= MUCH => self.window = Some(Window::from(now)),
            None => {}
        }
    }

    /// Rows were deleted, which reads as much as it needs of the database.
    pub fn pruned(&mut self, now: Instant) {
        self.worked(MUCH, now);
    }

    /// When to look; never if there is nothing to give back, so that nobody is woken for it.
    pub fn due(&self) -> Option<Instant> {
        self.window.as_ref().map(|window| window.ends)
    }

    /// Whether it is time to give memory back.
    pub fn is_over(&mut self, now: Instant) -> bool {
        match &self.window {
            Some(window) if window.ends <= now && window.bytes < MUCH => {
                *self = Self::default();
                true
            }
            Some(window) if window.ends <= now => {
                self.window = Some(Window::from(now));
                false
            }
            _ => false,
        }
    }
}

impl Window {
    fn from(now: Instant) -> Self {
        Self { ends: now + WINDOW, bytes: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_burst_memory_is_given_back_once() {
        let (mut rest, start) = (Rest::default(), Instant::now());
        rest.worked(1000, start);
        assert_eq!(rest.due(), None, "nothing to give back");
        rest.worked(MUCH, start);
        rest.worked(MUCH, start);
        let end = start + WINDOW;
        assert_eq!(rest.due(), Some(end));
        assert!(!rest.is_over(start), "it is not time");
        assert!(!rest.is_over(end), "much came");
        rest.worked(1000, end);
        assert_eq!(rest.due(), Some(end + WINDOW));
        assert!(rest.is_over(end + WINDOW), "few come");
        assert_eq!(rest.due(), None);
    }

    #[test]
    fn after_the_start_memory_is_given_back_unless_much_comes_at_once() {
        let start = Instant::now();
        let mut rest = Rest::after_start(start);
        let end = start + AFTER_START;
        assert_eq!(rest.due(), Some(end));
        rest.worked(1000, start);
        assert!(rest.is_over(end));
        assert_eq!(rest.due(), None);
        let mut rest = Rest::after_start(start);
        rest.worked(MUCH, start);
        assert!(!rest.is_over(end), "much came");
        assert!(rest.is_over(end + WINDOW), "few come");
    }

    #[test]
    fn a_trickle_wakes_nobody_until_it_comes_to_much() {
        let (mut rest, start) = (Rest::default(), Instant::now());
        let trickle = (1..).find(|_| {
            rest.worked(1024, start);
            rest.due().is_some()
        });
        assert_eq!(trickle, Some(MUCH / 1024));
        assert!(rest.is_over(start + WINDOW));
    }

    #[test]
    fn deleting_is_work() {
        let mut rest = Rest::default();
        rest.pruned(Instant::now());
        assert!(rest.due().is_some());
    }
}
