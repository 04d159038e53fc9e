//! Events that come in again: a client that lost its connection before it read the acknowledgement sends its last
//! events once more. By their `event_id` they are known, for as long as `[ingest] repeat_…` says.
//!
//! A repeat has the same user, the same id and the same text, byte for byte. The same id with another text is
//! another event, whatever its sender thinks: an event too many can be left out later, one too few cannot.

mod ages;
mod past;
mod user;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::submit::Receipt;
use crate::clock::Now;
use crate::config;
use ages::Ages;
pub use past::recall;
use user::{Entry, Known, User};

/// All users together are remembered so many times the events of one.
const USERS_FULL: usize = 4;
/// Users whose events are remembered. Another one's are once one of these has none left.
const MAX_USERS: usize = 4_096;
/// Fewer entries (a quarter of a MiB) are nothing to wake up for.
const FEW: usize = 4_096;

/// The events of the last minutes that have an id, by user.
pub struct Repeats {
    limits: config::Repeats,
    /// For ids, and for ids with their texts. Nobody outside knows the keys, so nobody can make two texts alike.
    hashers: [RandomState; 2],
    users: HashMap<u32, User>,
    /// Over all users.
    entries: usize,
    ages: Ages,
    /// CLOCK_BOOTTIME of the commit that is under way.
    now_ns: i64,
    /// No entry is of a later line.
    newest: u64,
}

/// What is known of an event before it is stored.
pub enum Seen {
    /// It is stored already, in this line.
    Repeat(Receipt),
    /// It is not. With its key it is to be entered; none if it is not to be remembered.
    New(Option<Key>),
}

/// What an event is recognised by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    id: u64,
    text: u64,
    /// Another text with this id is remembered.
    pub reused: bool,
}

impl Repeats {
    /// Remembers nothing yet; `next` is the ledger's next line.
    pub fn new(limits: config::Repeats, next: u64) -> Self {
        Self {
            limits,
            hashers: [RandomState::new(), RandomState::new()],
            users: HashMap::new(),
            entries: 0,
            ages: Ages::new(limits.seconds),
            now_ns: 0,
            newest: next,
        }
    }

    /// Puts other limits in force. What is remembered stays as far as they let it.
    pub fn configure(&mut self, limits: config::Repeats) {
        self.limits = limits;
        self.ages.set_window(limits.seconds);
        for user in self.users.values_mut() {
            self.entries -= user.keep_newest(limits.window);
        }
        self.users.retain(|_, user| !user.is_empty());
        self.users.shrink_to_fit();
    }

    /// A commit begins, whose first line is `next`. Forgets what is too old and too much; says whether that was
    /// anything.
    pub fn begin(&mut self, now: Now, next: u64) -> bool {
        self.now_ns = boot_ns(now);
        self.newest = next;
        let before = self.entries;
        // Entries say their line in 32 bits.
        let distant = next.saturating_sub(1 << 31);
        let horizon = self.ages.step(self.now_ns, next).unwrap_or(0).max(distant);
        if horizon > 0 {
            self.forget_before(horizon);
        }
        self.share();
        self.entries < before
    }

    /// Whether the event `text` with the id `id` (a JSON string, or empty for none) of this user is stored.
    pub fn look(&self, uid: u32, id: &[u8], text: &[u8]) -> Seen {
        if id.is_empty() || self.limits.window == 0 {
            return Seen::New(None);
        }
        let key = self.key(id, text);
        match self.users.get(&uid).map_or(Known::No, |user| user.find(key)) {
            Known::First(entry) => Seen::Repeat(entry.receipt(self.newest)),
            Known::OtherText => Seen::New(Some(Key { reused: true, ..key })),
            Known::No => Seen::New(Some(key)),
        }
    }

    /// Remembers an event that is signed. Should its commit fail, the writer ends, and this with it.
    pub fn enter(&mut self, uid: u32, key: Key, receipt: &Receipt) {
        let most = self.limits.window;
        let Some(user) = self.user(uid) else { return };
        let gone = user.keep_newest(most - 1);
        user.push_newest(Entry::of(key, receipt), most);
        self.entries = self.entries + 1 - gone;
        self.newest = receipt.seq;
        self.ages.entered(self.now_ns);
    }

    /// CLOCK_BOOTTIME at which much can be forgotten; none if there is not much.
    pub fn due(&self) -> Option<u64> {
        let due_ns = self.ages.due().filter(|_| self.entries > FEW)?;
        Some(u64::try_from(due_ns).unwrap_or(0))
    }

    /// Remembers an event of an earlier run, older than all that are remembered. False if there is room for none.
    fn enter_earlier(&mut self, uid: u32, entry: Entry, seq: u64, at_ns: i64) -> bool {
        self.ages.recalled(seq, at_ns);
        let window = self.limits.window;
        if let Some(user) = self.user(uid)
            && user.len() < window
            && user.push_oldest(entry)
        {
            self.entries += 1;
        }
        self.entries < window * USERS_FULL
    }

    fn key(&self, id: &[u8], text: &[u8]) -> Key {
        let [of_ids, of_texts] = &self.hashers;
        Key { id: of_ids.hash_one(id), text: of_texts.hash_one((id, text)), reused: false }
    }

    fn user(&mut self, uid: u32) -> Option<&mut User> {
        let room = self.users.len() < MAX_USERS || self.users.contains_key(&uid);
        room.then(|| self.users.entry(uid).or_default())
    }

    fn forget_before(&mut self, seq: u64) {
        for user in self.users.values_mut() {
            self.entries -= user.forget_before(seq, self.newest);
        }
        self.users.retain(|_, user| !user.is_empty());
    }

    /// Whoever has the most gives way first, so that nobody pushes out what somebody with less sent.
    fn share(&mut self) {
        let most = self.limits.window * USERS_FULL;
        if self.entries > most {
            // Some more than must be, so that this is rare.
            let level = level(self.users.values().map(User::len), most - most / 8);
            for user in self.users.values_mut() {
                self.entries -= user.keep_newest(level);
            }
        }
    }
}

/// The greatest length to which all are to be cut so that they come to at most `most` together.
fn level(lengths: impl Iterator<Item = usize>, most: usize) -> usize {
    let mut lengths: Vec<_> = lengths.collect();
    lengths.sort_unstable();
    let mut left = most;
    for (nth, length) in lengths.iter().enumerate() {
        let share = left / (lengths.len() - nth);
        if *length > share {
            return share;
        }
        left -= length;
    }
    usize::MAX
}

fn boot_ns(now: Now) -> i64 {
    i64::try_from(now.boot_ns).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
