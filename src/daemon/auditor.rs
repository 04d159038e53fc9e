//! The auditor key on this host: a reminder each day until somebody has taken it away, then a record that
//! says so.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Now, rfc3339};
use crate::fs::Fs;
use crate::ledger::Paths;
use crate::ledger::auditor::{EXPORT, Whereabouts, end_removal};
use crate::record::Record;

/// How often the daemon looks, so that the record says within a minute when the key went.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How often the owner is reminded, nanoseconds of CLOCK_BOOTTIME.
const REMIND_EVERY_NS: u64 = 24 * 3600 * 1_000_000_000;

/// What a look shows.
#[derive(Debug, PartialEq, Eq)]
pub enum Sight {
    /// Nothing that anybody has to be told now.
    Nothing,
    /// The key is here, and the day is over.
    Remind(Whereabouts),
    /// The key went since the last look, or while no daemon ran: the record that says so.
    Gone(Record),
}

/// Looks for the key until it is gone.
pub struct Watch {
    disk: Arc<dyn Fs>,
    paths: Paths,
    /// CLOCK_BOOTTIME of the next reminder.
    remind_at: u64,
    last_seen: Option<String>,
    over: bool,
}

impl Watch {
    /// Begins to look, and ends a removal that a crash interrupted. `told`: the owner was told just now, and is not reminded before tomorrow.
    pub fn new(disk: Arc<dyn Fs>, paths: Paths, told: bool, now: Now) -> Self {
        if let Err(e) = end_removal(&*disk, &paths) {
            tracing::warn!("{e}");
        }
        let remind_at = if told { now.boot_ns + REMIND_EVERY_NS } else { now.boot_ns };
        Self { disk, paths, remind_at, last_seen: None, over: false }
    }

    /// How long to wait before the next look; `None` once there is nothing to look for.
    pub fn patience(&self) -> Option<Duration> {
        (!self.over).then_some(LOOK_EVERY)
    }

    /// Looks; after [`Sight::Gone`] the caller stores the record, then calls [`Watch::settle`].
    pub fn look(&mut self, now: Now) -> Sight {
        if self.over {
            return Sight::Nothing;
        }
        match Whereabouts::of(&self.paths) {
            Ok(here @ Whereabouts::OnHost { .. }) => {
                self.last_seen = Some(rfc3339(now.wall_ns));
                if now.boot_ns < self.remind_at {
                    return Sight::Nothing;
                }
                self.remind_at = now.boot_ns + REMIND_EVERY_NS;
                Sight::Remind(here)
            }
            Ok(Whereabouts::TakenAway { noticed: None }) => {
                Sight::Gone(Record::AuditorKeyRemoved { last_seen: self.last_seen.clone() })
            }
            Ok(_noted_before) => {
                self.over = true;
                Sight::Nothing
            }
            Err(e) => {
                tracing::warn!("the state directory could not be searched: {e}");
                Sight::Nothing
            }
        }
    }

    /// Notes that the record is stored. A crash before that has the next start store another one.
    pub fn settle(&mut self, now: Now) {
        let gone = Whereabouts::TakenAway { noticed: Some(rfc3339(now.wall_ns)) };
        match gone.note(&*self.disk, &self.paths) {
            Ok(()) => tracing::info!("the auditor key was taken off this host"),
            Err(e) => tracing::warn!("{e}; the next start will record the removal again"),
        }
        self.over = true;
    }
}

/// Reminds whoever reads the journal.
pub fn remind(whereabouts: &Whereabouts) {
    if let Whereabouts::OnHost { file, since } = whereabouts {
        tracing::warn!(
            "the auditor key {file:?} is on this host since {since}: until it is taken away, whoever becomes root here can forge the log's open end; run `{EXPORT}` as root and keep FILE elsewhere"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::Real;

    fn now(hours: u64) -> Now {
        Now { wall_ns: 0, boot_ns: hours * 3600 * 1_000_000_000 }
    }

    fn watch(told: bool) -> (tempfile::TempDir, Watch) {
        let dir = tempfile::tempdir().expect("dir");
        let paths = Paths { log_dir: dir.path().into(), state_dir: dir.path().into() };
        std::fs::write(paths.auditor_key(), "00").expect("writes");
        let watch = Watch::new(Arc::new(Real::default()), paths, told, now(0));
        (dir, watch)
    }

    fn reminds(watch: &mut Watch, hours: u64) -> bool {
        matches!(watch.look(now(hours)), Sight::Remind(Whereabouts::OnHost { .. }))
    }

    #[test]
    fn the_owner_is_reminded_at_the_start_and_once_a_day() {
        let (_dir, mut watch) = watch(false);
        let reminded: Vec<u64> = (0..60).filter(|hour| reminds(&mut watch, *hour)).collect();
        assert_eq!(reminded, [0, 24, 48]);
    }

    #[test]
    fn whoever_was_told_is_reminded_tomorrow() {
        let (_dir, mut watch) = watch(true);
        let reminded: Vec<u64> = (0..60).filter(|hour| reminds(&mut watch, *hour)).collect();
        assert_eq!(reminded, [24, 48]);
    }

    #[test]
    fn a_removal_is_told_until_it_is_settled_and_then_the_watch_is_over() {
        let (dir, mut watch) = watch(true);
        assert_eq!(watch.look(now(1)), Sight::Nothing);
        std::fs::remove_file(watch.paths.auditor_key()).expect("removes");
        let last_seen = Some(rfc3339(0));
        for _ in 0..2 {
            let gone = Sight::Gone(Record::AuditorKeyRemoved { last_seen: last_seen.clone() });
            assert_eq!(watch.look(now(2)), gone);
        }
        watch.settle(now(2));
        assert_eq!((watch.look(now(30)), watch.patience()), (Sight::Nothing, None));

        let paths = Paths { log_dir: dir.path().into(), state_dir: dir.path().into() };
        let mut next_start = Watch::new(Arc::new(Real::default()), paths, false, now(31));
        assert_eq!((next_start.look(now(31)), next_start.patience()), (Sight::Nothing, None));
    }
}
