//! What becomes of a segment, and why, for people and programs.

use std::fmt;
use std::ops::Range;

use crate::clock::rfc3339;

/// What becomes of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes.
    Go(Going),
    /// It stays.
    Keep(Why),
}

/// Why a segment may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Going {
    /// By which rule, for people.
    pub policy: String,
    /// The shortest time that something in it was kept.
    pub keep_seconds: u64,
    /// Since when it may, nanoseconds since 1970.
    pub since_ns: i64,
    /// Whether only because space is low.
    pub early: bool,
}

/// Why a segment stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is being written.
    Open,
    /// Something in it has not expired; until when, nanoseconds since 1970.
    NotExpired(i64),
    /// These holds match something in it.
    Held(Vec<String>),
    /// These archives have not taken it.
    NotArchived(Vec<String>),
    /// No seal is between it and a neighbour that stays.
    Joined,
    /// Leaves beside it are missing, and no record says that they were deleted.
    BesideMissing(Range<u64>),
    /// What it holds is not known.
    Unreadable(String),
}

impl Why {
    /// One word for it.
    pub fn code(&self) -> &'static str {
        match self {
            Why::Open => "open",
            Why::NotExpired(_) => "not_expired",
            Why::Held(_) => "held",
            Why::NotArchived(_) => "not_archived",
            Why::Joined => "joined",
            Why::BesideMissing(_) => "beside_missing",
            Why::Unreadable(_) => "unreadable",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Open => f.write_str("it is being written"),
            Why::NotExpired(until_ns) => {
                write!(f, "not everything in it has expired before {}", rfc3339(*until_ns))
            }
            Why::Held(holds) => write!(f, "held by {}", holds.join(", ")),
            Why::NotArchived(archives) => write!(f, "not taken yet by {}", archives.join(", ")),
            Why::Joined => {
                f.write_str("no seal is between it and a segment beside it that is kept")
            }
            Why::BesideMissing(Range { start, end }) => write!(
                f,
                "lines {start} to {} beside it are missing, and no record says that they were deleted; run \
                 `auditlog verify`",
                end.saturating_sub(1)
            ),
            Why::Unreadable(what) => f.write_str(what),
        }
    }
}
