//! One user's events: in the order of the log, and found by their ids.

use std::collections::VecDeque;

use data_encoding::HEXLOWER;
use hashbrown::HashTable;

use super::Key;
use crate::engine::submit::Receipt;

/// Texts with the same id that are known at once. A client that gives all its events one id makes no search long.
const TEXTS: usize = 8;

/// An event: 52 bytes, and 5 to 10 more in the index.
pub struct Entry {
    id: [u8; 8],
    text: [u8; 8],
    mac: [u8; 32],
    /// The line's number, its lower half.
    seq: u32,
}

/// What a user's events say of one.
pub enum Known<'e> {
    /// It is this one.
    First(&'e Entry),
    /// There is one with its id.
    OtherText,
    /// Nothing.
    No,
}

/// The events of one user.
#[derive(Default)]
pub struct User {
    /// Oldest first.
    entries: VecDeque<Entry>,
    /// The place of the first one; places are counted up, round and round.
    first: u32,
    /// Places, by id.
    index: HashTable<u32>,
}

impl Entry {
    pub fn of(key: Key, receipt: &Receipt) -> Self {
        let mut mac = [0; 32];
        // Always 64 hex digits.
        let _ = HEXLOWER.decode_mut(&receipt.mac, &mut mac);
        Self::new(key, receipt.seq, mac)
    }

    pub fn new(key: Key, seq: u64, mac: [u8; 32]) -> Self {
        let (id, text) = (key.id.to_ne_bytes(), key.text.to_ne_bytes());
        Self { id, text, mac, seq: seq as u32 }
    }

    /// The receipt of its line, where no entry is of a later line than `newest`.
    pub fn receipt(&self, newest: u64) -> Receipt {
        let mut mac = [0; 64];
        HEXLOWER.encode_mut(&self.mac, &mut mac);
        Receipt { seq: self.seq(newest), mac }
    }

    fn seq(&self, newest: u64) -> u64 {
        newest.saturating_sub(u64::from((newest as u32).wrapping_sub(self.seq)))
    }

    fn hash(&self) -> u64 {
        u64::from_ne_bytes(self.id)
    }
}

impl User {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn find(&self, key: Key) -> Known<'_> {
        let mut known = Known::No;
        for (_, entry) in self.with_id(key.id) {
            if entry.text == key.text.to_ne_bytes() {
                return Known::First(entry);
            }
            known = Known::OtherText;
        }
        known
    }

    /// Takes in an event that is newer than all others and not among them. There will be at
    /// most `most`.
    pub fn push_newest(&mut self, entry: Entry, most: usize) {
        if self.with_id(entry.hash()).count() >= TEXTS {
            let oldest = self.with_id(entry.hash()).map(|(age, _)| age).min();
            self.unlist(oldest.unwrap_or(0), entry.hash());
        }
        if self.entries.len() == self.entries.capacity() {
            // Twice as much, but not more than there will be.
            let more = self.entries.len().max(4).min(most.saturating_sub(self.entries.len()));
            self.entries.reserve_exact(more);
        }
        self.entries.push_back(entry);
        self.list(self.entries.len() - 1);
    }

    /// Takes in an event that is older than all others; false if it is among them or there are enough of its id.
    pub fn push_oldest(&mut self, entry: Entry) -> bool {
        let same = || self.with_id(entry.hash());
        if same().count() >= TEXTS || same().any(|(_, known)| known.text == entry.text) {
            return false;
        }
        self.entries.push_front(entry);
        self.first = self.first.wrapping_sub(1);
        self.list(0);
        true
    }

    /// Forgets all but the newest; how many.
    pub fn keep_newest(&mut self, most: usize) -> usize {
        let excess = self.len().saturating_sub(most);
        (0..excess).for_each(|_| self.pop_oldest());
        if excess > 1 {
            self.shrink();
        }
        excess
    }

    /// Forgets the lines before this one; how many.
    pub fn forget_before(&mut self, seq: u64, newest: u64) -> usize {
        let before = self.len();
        while self.entries.front().is_some_and(|entry| entry.seq(newest) < seq) {
            self.pop_oldest();
        }
        self.shrink();
        before - self.len()
    }

    fn pop_oldest(&mut self) {
        if let Some(hash) = self.entries.front().map(Entry::hash) {
            self.unlist(0, hash);
            self.entries.pop_front();
            self.first = self.first.wrapping_add(1);
        }
    }

    /// The events with an id, each with how many are older.
    fn with_id(&self, id: u64) -> impl Iterator<Item = (usize, &Entry)> {
        let at = move |place: &u32| place.wrapping_sub(self.first) as usize;
        let listed = self.index.iter_hash(id).map(at);
        let entries = listed.filter_map(|at| Some((at, self.entries.get(at)?)));
        entries.filter(move |(_, entry)| entry.hash() == id)
    }

    fn list(&mut self, at: usize) {
        let Self { entries, first, index } = self;
        let place = first.wrapping_add(at as u32);
        let hash =
            |place: &u32| entries.get(place.wrapping_sub(*first) as usize).map_or(0, Entry::hash);
        index.insert_unique(hash(&place), place, hash);
    }

    fn unlist(&mut self, at: usize, hash: u64) {
        let place = self.first.wrapping_add(at as u32);
        if let Ok(listed) = self.index.find_entry(hash, |listed| *listed == place) {
            listed.remove();
        }
    }

    /// Gives memory back once most of it is not used.
    fn shrink(&mut self) {
        let Self { entries, first, index } = self;
        if entries.capacity() / 4 > entries.len() {
            let kept = entries.len() * 2;
            entries.shrink_to(kept);
            index.shrink_to(kept, |place| {
                entries.get(place.wrapping_sub(*first) as usize).map_or(0, Entry::hash)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_takes_52_bytes() {
        assert_eq!(size_of::<Entry>(), 52);
    }
}
