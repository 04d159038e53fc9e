//! The rungs of a disk that fills up: who may still write, and the reserve that lets the daemon say why nobody may.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clock::Now;
use crate::config::{self, Overflow};
use crate::engine::room::Room;
use crate::event::Class;
use crate::fs::space::{Reserve, Space};
use crate::record::{Level, Record};

/// Bytes that are always left to the daemon's own records: with less, no event is stored.
const OWN: u64 = 1 << 20;
/// How often the disk is looked at while events are written, or while some are not.
const EVERY_NS: u64 = 1_000_000_000;
/// After so many bytes it is looked at anyway.
const EVERY_BYTES: u64 = 1 << 20;

/// Tells what a file system has left.
pub type Measure = Arc<dyn Fn(&Path) -> io::Result<Space> + Send + Sync>;

/// What the ladder is made of.
#[derive(Clone)]
pub struct SpaceSetup {
    /// `[space]`
    pub limits: config::Space,
    /// `[maintenance] min_free_bytes`
    pub warn_bytes: u64,
    /// Tells what is left.
    pub measure: Measure,
    /// Where it is told.
    pub room: Arc<Room>,
}

impl SpaceSetup {
    /// Of a configuration, and of the real disk.
    pub fn of(config: &config::Config, room: Arc<Room>) -> Self {
        let (limits, warn_bytes) = (config.space.clone(), config.maintenance.min_free_bytes);
        Self { limits, warn_bytes, measure: Arc::new(crate::fs::space::space), room }
    }
}

/// The log's and the state's directory, and where the ladder stands.
pub(super) struct Ladder {
    setup: SpaceSetup,
    /// Each with its reserve; one if both are on the same file system.
    places: Vec<(PathBuf, Reserve)>,
    level: Level,
    /// The disk has refused something for want of space, and the reserve has not been had since.
    refused: bool,
    looked_at: u64,
    written: u64,
    /// When no event could be stored any more.
    full_since: Option<Now>,
}

impl Ladder {
    /// The reserve is in the first directory that is on a file system: beside the keys rather than beside the log.
    pub fn new(setup: SpaceSetup, [log_dir, state_dir]: [&Path; 2]) -> Self {
        let dirs = [state_dir, log_dir];
        let devices = dirs.map(|dir| (setup.measure)(dir).ok().map(|space| space.device));
        let one = devices[0] == devices[1];
        let dirs = if one { &dirs[..1] } else { &dirs[..] };
        let place = |dir: &&Path| {
            let total = (setup.measure)(dir).map_or(u64::MAX, |space| space.total);
            // A small disk is not to be eaten up by what is kept for the end.
            let bytes = setup.limits.reserve_bytes.min(total / 20);
            (dir.to_path_buf(), Reserve::new(dir, bytes))
        };
        let places = dirs.iter().map(place).collect();
        Self {
            setup,
            places,
            level: Level::Enough,
            refused: true,
            looked_at: 0,
            written: 0,
            full_since: None,
        }
    }

    /// Uses these limits from the next look on.
    pub fn configure(&mut self, limits: config::Space, warn_bytes: u64) {
        (self.setup.limits, self.setup.warn_bytes) = (limits, warn_bytes);
        self.looked_at = 0;
    }

    /// Where what is found is told.
    pub fn room(&self) -> &Room {
        &self.setup.room
    }

    /// No event is to be stored.
    pub fn is_full(&self) -> bool {
        self.level == Level::Full
    }

    /// So many bytes were written.
    pub fn wrote(&mut self, bytes: u64) {
        self.written += bytes;
    }

    /// CLOCK_BOOTTIME of the next look. A disk that is not getting full is looked at only by whoever writes.
    pub fn due_at(&self) -> u64 {
        match self.level {
            Level::Enough | Level::Warning => u64::MAX,
            _ => self.looked_at.saturating_add(EVERY_NS),
        }
    }

    /// Looks at the disk, if it is time; the record of what has changed, with whether it got worse.
    pub fn look(&mut self, now: Now) -> Option<Record> {
        let rested = now.boot_ns >= self.looked_at.saturating_add(EVERY_NS);
        if self.looked_at > 0 && !rested && self.written < EVERY_BYTES {
            return None;
        }
        (self.looked_at, self.written) = (now.boot_ns.max(1), 0);
        self.take_reserve();
        let (free, total, dir) = self.measure();
        let level = self.judge(free, total);
        let (before, refused) = (std::mem::replace(&mut self.level, level), self.refused);
        self.setup.room.tell(|state| {
            (state.level, state.free_bytes, state.reserve_used) = (level, Some(free), refused);
            state.dir.clone_from(&dir);
            state.instead = instead(&self.setup.limits, level);
        });
        self.note_full(now);
        if level == before {
            return None;
        }
        let record = Record::Space { level, before, free_bytes: free };
        match level > before {
            true => {
                let disk = dir.unwrap_or_default();
                tracing::warn!("{}; make room on the disk of {disk:?}", record.sentence())
            }
            false => tracing::info!("{}", record.sentence()),
        }
        Some(record)
    }

    fn note_full(&mut self, now: Now) {
        self.full_since = self.is_full().then(|| self.full_since.unwrap_or(now));
    }

    /// When no event could be stored any more.
    pub fn full_since(&self) -> Option<Now> {
        self.full_since
    }

    /// The disk has refused something for want of space: gives it the reserve back. False if it has that already.
    pub fn release(&mut self, now: Now) -> bool {
        let had = !self.refused && self.places.iter().any(|(_, reserve)| reserve.bytes() > 0);
        for (dir, reserve) in &self.places {
            if let Err(error) = reserve.release() {
                tracing::warn!("the reserve in {dir:?} could not be given back: {error}");
            }
        }
        (self.refused, self.level, self.looked_at) = (true, Level::Full, 0);
        self.note_full(now);
        self.setup.room.tell(|state| {
            (state.level, state.reserve_used) = (Level::Full, true);
            state.instead = instead(&self.setup.limits, Level::Full);
        });
        had
    }

    /// Takes the reserve back, or for the first time. That there is room for it is what ends a refusal: a quota shows
    /// in no figure.
    fn take_reserve(&mut self) {
        if !self.refused {
            return;
        }
        for (dir, reserve) in &self.places {
            match reserve.make() {
                Err(e) if matches!(e.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
                    return;
                }
                Err(error) => tracing::debug!("there is no reserve in {dir:?}: {error}"),
                Ok(()) => {}
            }
        }
        self.refused = false;
    }

    /// Bytes that are free for events where they are fewest, the bytes of the smallest disk, and the directory of the
    /// former. What cannot be told is found out by writing.
    fn measure(&self) -> (u64, u64, Option<PathBuf>) {
        let mut least = (u64::MAX, u64::MAX, None);
        for (dir, reserve) in &self.places {
            let Ok(space) = (self.setup.measure)(dir) else { continue };
            let kept = if self.refused { reserve.bytes() } else { 0 };
            let free = space.free.saturating_sub(kept);
            if free < least.0 {
                (least.0, least.2) = (free, Some(dir.clone()));
            }
            least.1 = least.1.min(space.total);
        }
        least
    }

    /// Where the ladder stands with so much free. Up again it goes only with a quarter more than it came down with.
    fn judge(&self, free: u64, total: u64) -> Level {
        if self.refused {
            return Level::Full;
        }
        let config::Space { low_bytes, normal_bytes, .. } = self.setup.limits;
        let rungs = [
            (Level::Full, OWN.min(total / 40)),
            (Level::NormalStops, normal_bytes.min(total / 10)),
            (Level::LowStops, low_bytes.min(total / 5)),
            (Level::Warning, self.setup.warn_bytes.min(total / 4)),
        ];
        let holds = |(level, bytes): &&(Level, u64)| {
            free < if self.level >= *level { bytes + bytes / 4 } else { *bytes }
        };
        rungs.iter().find(holds).map_or(Level::Enough, |(level, _)| *level)
    }
}

/// What becomes of the events that are not stored at this level, in words.
fn instead(limits: &config::Space, level: Level) -> Option<String> {
    let stopped = [Class::Low, Class::Normal, Class::High].into_iter().filter(|c| level.stops(*c));
    let mut ways: Vec<_> = stopped
        .map(|class| match limits.overflow(class) {
            Overflow::Block => "their clients wait",
            Overflow::Refuse => "they are refused",
            Overflow::Stderr => "they go to standard error and are stored later",
        })
        .collect();
    ways.sort_unstable();
    ways.dedup();
    match ways.len() {
        0 => None,
        1 => ways.pop().map(str::to_owned),
        _ => Some(format!("{}, by their priority", ways.join(" or "))),
    }
}
