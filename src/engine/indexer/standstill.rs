//! An index that stands still: how long until the next try, and how often that is worth a line in the daemon's own log.

use std::mem::{Discriminant, discriminant};
use std::time::{Duration, Instant};

use super::FollowError;
use crate::index::IndexError;

/// How long the index is left alone after a first failure that may pass by itself.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// How long at most while somebody has it locked: who waits for the index should not wait for much longer.
const BUSY_PAUSE: Duration = Duration::from_secs(1);
/// How long at most while the disk is full.
const FULL_PAUSE: Duration = Duration::from_secs(10);
/// How long if it cannot be used.
const BROKEN_PAUSE: Duration = Duration::from_secs(60);
/// The same reason is logged again after so long.
const LOG_EVERY: Duration = Duration::from_secs(600);

/// What a failure is, whatever numbers are in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Index(Discriminant<IndexError>),
    Other(Discriminant<FollowError>),
}

impl Kind {
    fn of(error: &FollowError) -> Self {
        match error {
            FollowError::Index(error) => Self::Index(discriminant(error)),
            other => Self::Other(discriminant(other)),
        }
    }
}

/// The failures in a row, and what was logged of them and of earlier ones.
#[derive(Default)]
pub(super) struct Standstill {
    /// Before the last try.
    pause: Option<Duration>,
    /// What was logged when; there are few kinds.
    logged: Vec<(Kind, Instant)>,
    /// Whether the log's last word is that it stands still.
    open: bool,
}

impl Standstill {
    /// Another try failed; how long to wait for the next one.
    pub fn pause(&mut self, error: &FollowError) -> Duration {
        let most = longest(error);
        let pause = match self.pause {
            _ if most == BROKEN_PAUSE => most,
            Some(before) => (before * 2).min(most),
            None => FIRST_PAUSE,
        };
        *self.pause.insert(pause)
    }

    /// Whether this is to be logged.
    pub fn is_news(&mut self, error: &FollowError, now: Instant) -> bool {
        self.logged.retain(|(_, at)| now.duration_since(*at) < LOG_EVERY);
        let kind = Kind::of(error);
        let news = !self.logged.iter().any(|(logged, _)| *logged == kind);
        if news {
            self.logged.push((kind, now));
            self.open = true;
        }
        news
    }

    /// A try succeeded; whether that is to be logged.
    pub fn is_over(&mut self) -> bool {
        self.pause = None;
        std::mem::take(&mut self.open)
    }
}

fn longest(error: &FollowError) -> Duration {
    match error {
        FollowError::NoRoom { .. } | FollowError::Index(IndexError::Full { .. }) => FULL_PAUSE,
        FollowError::Index(IndexError::Gone { .. }) => BUSY_PAUSE,
        error if error.is_temporary() => BUSY_PAUSE,
        _ => BROKEN_PAUSE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy() -> FollowError {
        IndexError::Busy { path: "x".into() }.into()
    }

    #[test]
    fn tries_come_at_longer_and_longer_intervals_until_one_succeeds() {
        let mut standstill = Standstill::default();
        let pauses: Vec<_> = (0..6).map(|_| standstill.pause(&busy()).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000]);
        standstill.is_over();
        assert_eq!(standstill.pause(&busy()).as_millis(), 100);
        let broken = IndexError::NotOurs { path: "x".into() }.into();
        assert_eq!(standstill.pause(&broken), BROKEN_PAUSE);
        let full = || IndexError::Full { path: "x".into() }.into();
        assert_eq!(standstill.pause(&full()), FULL_PAUSE);
    }

    #[test]
    fn what_comes_and_goes_is_not_logged_each_time() {
        let (mut standstill, start) = (Standstill::default(), Instant::now());
        let missing = |to| FollowError::NotThere { from: 0, to };
        assert!(standstill.is_news(&missing(1), start));
        assert!(!standstill.is_news(&missing(2), start), "another number is no news");
        assert!(standstill.is_news(&busy(), start));
        assert!(standstill.is_over() && !standstill.is_over());
        assert!(!standstill.is_news(&busy(), start) && !standstill.is_over());
        assert!(standstill.is_news(&busy(), start + LOG_EVERY) && standstill.is_over());
    }
}
