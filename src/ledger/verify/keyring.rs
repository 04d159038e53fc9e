//! The line keys, which follow one from the other: derived in the order of the log, used by any thread.

use std::io;

use super::seals::{Known, Seals};
use crate::ledger::keys::{EpochSecret, LineKey, LogId, Ratchet};
use crate::ledger::tree::Hash;
use crate::ledger::{line, seal};

/// The keys from some epoch on.
pub struct Keyring {
    log_id: LogId,
    epoch: u64,
    secret: EpochSecret,
    ratchet: Ratchet,
}

/// The keys along a log that may have holes, over which its seals lead.
pub struct Keys {
    ring: Keyring,
    seals: Seals,
    /// The leaf that comes next.
    next: u64,
}

impl Keys {
    /// The keys of `ring` are those from leaf `next` on.
    pub fn new(ring: Keyring, seals: Seals, next: u64) -> Self {
        Self { ring, seals, next }
    }

    /// Goes on with leaf `first`, which begins an epoch if there is a hole before it. What is wrong with the seals,
    /// and with where the segment begins, is for whoever joins the log to find.
    pub fn skip_to(&mut self, first: u64) -> io::Result<()> {
        if first > self.next
            && let Ok(Some(Known { seal, .. })) = self.seals.last_before(first)
            && seal.epoch >= self.ring.epoch
        {
            self.ring.skip_to(seal.epoch.saturating_add(1), seal.reason.key_was_lost())?;
        }
        self.next = first;
        Ok(())
    }

    /// The keys of the lines in `block`, in their order. What is no line of a log gets some key: it is
    /// refused before the key matters.
    pub fn keys_of(&mut self, block: &[u8]) -> io::Result<LineKeys> {
        let keys = self.ring.keys_of(block)?;
        self.next += keys.len() as u64;
        Ok(keys)
    }
}

/// A key for each line of a block.
pub type LineKeys = Vec<LineKey>;

impl Keyring {
    /// The keys from the start of `epoch` on; with `key_was_lost` its first key was used up by the seal
    /// before it.
    pub fn new(
        auditor_key: &Hash,
        log_id: LogId,
        epoch: u64,
        key_was_lost: bool,
    ) -> io::Result<Self> {
        let mut secret = EpochSecret::new(auditor_key)?;
        for epoch in 0..epoch {
            secret = secret.next(&log_id, epoch)?;
        }
        let mut ratchet = secret.ratchet(&log_id, epoch)?;
        if key_was_lost {
            ratchet.step();
        }
        Ok(Self { log_id, epoch, secret, ratchet })
    }

    fn keys_of(&mut self, block: &[u8]) -> io::Result<LineKeys> {
        let mut keys = Vec::with_capacity(memchr::memchr_iter(b'\n', block).count());
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', block) {
            keys.push(self.key_of(&block[start..end])?);
            start = end + 1;
        }
        Ok(keys)
    }

    /// Goes on at the start of a later epoch.
    fn skip_to(&mut self, epoch: u64, key_was_lost: bool) -> io::Result<()> {
        while self.epoch < epoch {
            self.secret = self.secret.next(&self.log_id, self.epoch)?;
            self.epoch += 1;
        }
        self.ratchet = self.secret.ratchet(&self.log_id, epoch)?;
        if key_was_lost {
            self.ratchet.step();
        }
        Ok(())
    }

    fn key_of(&mut self, text: &[u8]) -> io::Result<LineKey> {
        if !line::peek_is_seal(text) {
            return Ok(self.ratchet.step());
        }
        let last = self.ratchet.step();
        self.secret = self.secret.next(&self.log_id, self.epoch)?;
        self.epoch += 1;
        self.ratchet = self.secret.ratchet(&self.log_id, self.epoch)?;
        match seal::peek_key_was_lost(text) {
            true => Ok(self.ratchet.step()),
            false => Ok(last),
        }
    }
}
