//! What became of the lines of clients, in sums that the log itself carries.

use std::fmt;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::words::count;

/// The sums of some users at one place of the log. All users of that place are in `parts` records that follow each
/// other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The leaf from which on lines are counted: 0, unless the sums before were not to be found.
    pub from_seq: u64,
    /// Every leaf below this one is counted; it is that of the first part.
    pub before_seq: u64,
    /// Which of the parts, from 1.
    pub part: u32,
    /// How many there are.
    pub parts: u32,
    /// The users, by uid.
    pub users: Vec<UserSums>,
}

/// What became of a user's lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserSums {
    /// Who; 4294967295 stands for all who are one too many to be told apart.
    pub uid: u32,
    /// Event lines that were taken off connections, refused ones too.
    pub lines: u64,
    /// The same by what became of them.
    #[serde(flatten)]
    pub sums: Sums,
    /// Those of which that is not known yet.
    pub waiting: u64,
}

/// What became of lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// They are in the log as events.
    pub stored: u64,
    /// They repeat an event that is in it, by its `event_id`. No line of the log shows these.
    pub repeated: u64,
    /// They were refused, with a record of their own.
    pub refused: u64,
    /// They were refused, and are counted in a summary.
    pub summarised: u64,
    /// They are in an exact gap record.
    pub missing: u64,
}

impl Account {
    /// Whether an event's JSON text is such a record.
    pub fn is_event(event: &str) -> bool {
        event.strip_prefix(super::PREFIX).is_some_and(|own| own.starts_with("account\""))
    }
}

impl Sums {
    /// All lines of which it is known what became of them.
    pub fn settled(&self) -> u64 {
        [self.stored, self.repeated, self.refused, self.summarised, self.missing]
            .iter()
            .fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// The same without what no line of the log shows.
    pub fn shown(&self) -> Self {
        Self { repeated: 0, ..*self }
    }

    /// What came since `earlier`; none if some sum became less.
    pub fn since(&self, earlier: &Self) -> Option<Self> {
        Some(Self {
            stored: self.stored.checked_sub(earlier.stored)?,
            repeated: self.repeated.checked_sub(earlier.repeated)?,
            refused: self.refused.checked_sub(earlier.refused)?,
            summarised: self.summarised.checked_sub(earlier.summarised)?,
            missing: self.missing.checked_sub(earlier.missing)?,
        })
    }
}

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        let Self { stored, repeated, refused, summarised, missing } = other;
        for (sum, n) in [
            (&mut self.stored, stored),
            (&mut self.repeated, repeated),
            (&mut self.refused, refused),
            (&mut self.summarised, summarised),
            (&mut self.missing, missing),
        ] {
            *sum = sum.saturating_add(n);
        }
    }
}

/// For the record's `action`.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = Sums::default();
        self.users.iter().for_each(|user| all += user.sums);
        let lines = self.users.iter().fold(0, |sum: u64, user| sum.saturating_add(user.lines));
        let (lines, users) = (count(lines, "line"), count(self.users.len() as u64, "user"));
        let Sums { stored, repeated, refused, summarised, missing } = all;
        write!(f, "{lines} of {users} so far: {stored} stored, {repeated} repeated, ")?;
        write!(f, "{refused} refused, {summarised} refused and summarised, {missing} missing")
    }
}
