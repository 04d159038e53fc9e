//! What became of each user's lines since the start. At any moment, of each user, `lines` is the sum of
//! `stored`, `repeated`, `refused`, `summarised`, `missing` and what waits for a commit.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use super::Counter;
use crate::record::Sums;

/// Users that are told apart; more share one account.
const MAX_USERS: usize = 1024;
/// The uid of that account: no user has it.
pub const SHARED: u32 = u32::MAX;

macro_rules! account {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// One user's counters; every connection of that user holds the same one behind an `Arc`.
        #[derive(Debug, Default)]
        pub struct Account { $($(#[$doc])* pub $name: Counter,)+ }

        /// The counters of a user at one moment.
        #[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub struct AccountSnapshot { $($(#[$doc])* #[serde(default)] pub $name: u64,)+ }

        impl Account {
            /// Reads all counters, each by itself.
            pub fn snapshot(&self) -> AccountSnapshot {
                AccountSnapshot { $($name: self.$name.get(),)+ }
            }
        }
    };
}

account! {
    /// Connections open now.
    connections,
    /// Connections that wait now because the user has exceeded its quota.
    slowed,
    /// How long connections waited for that reason, added up, milliseconds.
    slowed_ms,
    /// When one last did or was turned away, seconds since 1970; 0 if none was.
    slowed_at,
    /// Connections that were closed at once: the user had its share of them.
    turned_away,
    /// Bytes that were read.
    bytes,
    /// Events that are in the ledger.
    stored,
    /// Events that were in it already, by their `event_id`, and were acknowledged again.
    repeated,
    /// Lines that were refused with a record of their own.
    refused,
    /// Lines that were refused and counted in a summary.
    summarised,
    /// Events that are not in the ledger, but in an exact gap record.
    missing,
    /// Event lines that were taken off connections, refused ones too. Read last, so that it is never less than the
    /// sum of the others.
    lines,
}

impl AccountSnapshot {
    /// What became of the lines.
    pub fn sums(&self) -> Sums {
        let &Self { stored, repeated, refused, summarised, missing, .. } = self;
        Sums { stored, repeated, refused, summarised, missing }
    }

    /// Lines of which that is not known yet.
    pub fn waiting(&self) -> u64 {
        self.lines.saturating_sub(self.sums().settled())
    }
}

/// The name under which a user is counted who comes to these: the own one, as long as there are not too many.
pub fn told_apart<T>(users: &BTreeMap<u32, T>, uid: u32) -> u32 {
    if users.len() < MAX_USERS || users.contains_key(&uid) { uid } else { SHARED }
}

/// The accounts of all users.
#[derive(Debug, Default)]
pub struct Accounts(Mutex<BTreeMap<u32, Arc<Account>>>);

impl Accounts {
    /// This user's account.
    pub fn of(&self, uid: u32) -> Arc<Account> {
        let mut users = self.lock();
        let uid = told_apart(&users, uid);
        users.entry(uid).or_default().clone()
    }

    /// The name of that account.
    pub fn name_of(&self, uid: u32) -> u32 {
        told_apart(&self.lock(), uid)
    }

    /// All accounts, by uid.
    pub fn snapshot(&self) -> BTreeMap<u32, AccountSnapshot> {
        self.lock().iter().map(|(uid, account)| (*uid, account.snapshot())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Arc<Account>>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
