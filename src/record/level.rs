//! How full the disk is, and which events are stored then.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::event::Class;

/// How far the disk is on its way to being full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// There is room.
    #[default]
    Enough,
    /// Less than `[maintenance] min_free_bytes` is free: maintenance makes room, all events are stored.
    Warning,
    /// Less than `[space] low_bytes`: events of the class [`Class::Low`] are not stored.
    LowStops,
    /// Less than `[space] normal_bytes`: only those of [`Class::High`] are.
    NormalStops,
    /// The disk takes nothing, or only what the daemon has to say itself.
    Full,
}

impl Level {
    /// Whether events of this class are not stored now.
    pub fn stops(self, class: Class) -> bool {
        let from = match class {
            Class::Low => Level::LowStops,
            Class::Normal => Level::NormalStops,
            Class::High => Level::Full,
        };
        self >= from
    }
}

/// Which events are stored.
impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Enough => "all events are stored",
            Level::Warning => "all events are still stored",
            Level::LowStops => "events of priority info and debug are not stored",
            Level::NormalStops => "only events of priority error and worse are stored",
            Level::Full => "no event is stored",
        })
    }
}
