//! What the writer is about to append, written where it outlives the process. The ledger's own end then says
//! how much of it came to be: a kill may cut a batch after any line.

use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::layout::{INTENT, INTENT_BODIES, INTENT_MAX};
use super::memory::Memory;
use super::notes::{Ack, Mark, Origin, Take};

/// In an item's first number: it was accepted.
const ACCEPTED: u32 = 1 << 31;
/// Bytes of the header: half, length, first sequence number, number of lines, mac.
const HEADER: usize = 88;
/// Bytes of a submission before its items.
const SUBMISSION: usize = 44;

/// One line of a submission, as the intent knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intended {
    /// Bytes from the submission's start to behind the line.
    pub end: u32,
    /// Event lines from the submission's start to behind the line.
    pub line: u32,
    /// It is an event as the client sent it.
    pub accepted: bool,
}

/// Writes intents; the writer's thread holds the only one.
pub struct Promise {
    memory: Arc<Memory>,
    body: Vec<u8>,
    half: u32,
}

impl Promise {
    /// For this memory.
    pub fn new(memory: Arc<Memory>) -> Self {
        Self { memory, body: Vec::new(), half: 0 }
    }

    /// Adds a submission whose first line gets the sequence number `first`.
    pub fn add(
        &mut self,
        origin: Origin,
        first: u64,
        items: impl ExactSizeIterator<Item = Intended>,
    ) {
        self.body.extend_from_slice(&origin.slot.to_le_bytes());
        self.body.extend_from_slice(&(items.len() as u32).to_le_bytes());
        self.body.extend_from_slice(&u32::from(origin.acks).to_le_bytes());
        for n in [origin.session, origin.start, origin.lines, first] {
            self.body.extend_from_slice(&n.to_le_bytes());
        }
        for item in items {
            let end = item.end | if item.accepted { ACCEPTED } else { 0 };
            self.body.extend_from_slice(&end.to_le_bytes());
            self.body.extend_from_slice(&item.line.to_le_bytes());
        }
    }

    /// Puts what was added in force: a batch of `lines` lines, whose first one has this number and mac. It takes
    /// the place of the batch before, all of whose marks are written by now.
    pub fn make(&mut self, first: u64, lines: u64, mac: &[u8; 64]) -> io::Result<()> {
        let body = std::mem::take(&mut self.body);
        if body.is_empty() || body.len() > INTENT_MAX {
            return self.memory.forget_intent();
        }
        self.half ^= 1;
        self.memory.file.write_all_at(&body, INTENT_BODIES[self.half as usize])?;
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(&self.half.to_le_bytes());
        header[4..8].copy_from_slice(&(body.len() as u32).to_le_bytes());
        header[8..16].copy_from_slice(&first.to_le_bytes());
        header[16..24].copy_from_slice(&lines.to_le_bytes());
        header[24..].copy_from_slice(mac);
        // A kill before this: the intent before it is in force, and its batch is whole.
        self.memory.file.write_all_at(&header, INTENT)?;
        self.body = body;
        self.body.clear();
        Ok(())
    }
}

impl Memory {
    /// Marks what the last run has stored of its last batch, and forgets the intent. `stored` gives the macs of
    /// the event lines of the ledger from a sequence number on, at most so many, up to the first line that is none.
    /// To be called before anything is appended: lines of this run must not be taken for lines of the last one.
    pub fn settle(
        &self,
        stored: impl FnOnce(u64, u64) -> io::Result<Vec<[u8; 64]>>,
    ) -> io::Result<()> {
        let mut header = [0; HEADER];
        self.read(&mut header, INTENT)?;
        let (mut take, mac) = (Take(&header), &header[24..]);
        let (half, len, first, lines) = (take.u32(), take.u32(), take.u64(), take.u64());
        if len == 0 {
            return Ok(());
        }
        let mut body = vec![0; (len as usize).min(INTENT_MAX)];
        self.read(&mut body, INTENT_BODIES[(half & 1) as usize])?;
        let stored = stored(first, lines)?;
        // Another line in that place: nothing of the batch was stored, and this run's own lines stand there.
        if stored.first().is_some_and(|found| found == mac) {
            self.mark_stored(&body, first, &stored)?;
        }
        self.forget_intent()
    }

    fn mark_stored(&self, mut body: &[u8], first: u64, stored: &[[u8; 64]]) -> io::Result<()> {
        while body.len() >= SUBMISSION {
            let mut take = Take(body);
            let (slot, items, acks) = (take.u32(), take.u32() as usize, take.u32() != 0);
            let (session, start, lines, at) = (take.u64(), take.u64(), take.u64(), take.u64());
            let origin = Origin { slot, session, start, lines, acks };
            let split = (items * 8).min(take.0.len());
            let (items, rest) = take.0.split_at(split);
            body = rest;
            let from = at.saturating_sub(first).min(stored.len() as u64) as usize;
            if let Some(mark) = mark_of(origin, at, items, &stored[from..]) {
                self.raise_mark(origin, mark)?;
            }
        }
        Ok(())
    }

    fn raise_mark(&self, origin: Origin, mark: Mark) -> io::Result<()> {
        // The slot may have been given to another connection since.
        if self.identity(origin.slot)?.session != origin.session {
            return Ok(());
        }
        let known = self.mark(origin.slot)?;
        if mark.position <= known.position {
            return Ok(());
        }
        self.write_mark(origin.slot, Mark { ack: mark.ack.or(known.ack), ..mark })
    }

    fn forget_intent(&self) -> io::Result<()> {
        self.file.write_all_at(&[0; HEADER], INTENT)
    }
}

/// Up to where a submission is durable of whose lines those with the macs `stored` are; `at` is the first one's
/// sequence number.
fn mark_of(origin: Origin, at: u64, items: &[u8], stored: &[[u8; 64]]) -> Option<Mark> {
    let mut mark = None;
    let mut ack = None;
    for (nth, (item, mac)) in items.chunks_exact(8).zip(stored).enumerate() {
        let mut take = Take(item);
        let (end, line) = (take.u32(), origin.lines + u64::from(take.u32()));
        if end & ACCEPTED != 0 {
            ack = Some(Ack { line, seq: at + nth as u64, mac: *mac });
        }
        let position = origin.start + u64::from(end & !ACCEPTED);
        mark = Some(Mark { position, lines: line, acks: origin.acks, ack });
    }
    mark
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kept::Slot;

    fn items(ends: &[(u32, u32, bool)]) -> impl ExactSizeIterator<Item = Intended> + '_ {
        ends.iter().map(|&(end, line, accepted)| Intended { end, line, accepted })
    }

    fn admit(memory: &Arc<Memory>) -> Slot {
        let (socket, _) = std::os::unix::net::UnixStream::pair().expect("pair");
        memory.admit(9, &socket).expect("written").expect("room")
    }

    fn mac(n: u8) -> [u8; 64] {
        [n; 64]
    }

    /// Two connections; a batch of lines 10, 11, 12 of the first and 13 of the second is promised.
    fn promised() -> (Arc<Memory>, [Slot; 2]) {
        let memory = Memory::create().expect("memory");
        let slot = || admit(&memory);
        let slots = [slot(), slot()];
        let mut promise = Promise::new(memory.clone());
        let first = [(5, 1, true), (9, 2, false), (20, 4, true)];
        promise.add(slots[0].origin(100, 7, true), 10, items(&first));
        promise.add(slots[1].origin(0, 0, true), 13, items(&[(3, 1, true)]));
        promise.make(10, 4, &mac(10)).expect("written");
        (memory, slots)
    }

    fn settle(memory: &Memory, stored: &[u8]) {
        let stored = stored.iter().map(|&n| mac(n)).collect();
        memory
            .settle(|first, lines| {
                assert_eq!((first, lines), (10, 4));
                Ok(stored)
            })
            .expect("settled");
    }

    #[test]
    fn lines_that_the_ledger_has_are_durable_and_the_others_are_not() {
        let expected = |position, lines, line, seq| {
            let ack = Some(Ack { line, seq, mac: mac(seq as u8) });
            Mark { position, lines, acks: true, ack }
        };
        let none = Mark { position: 0, lines: 0, acks: false, ack: None };
        for (stored, first, second) in [
            (&[10, 11, 12, 13][..], expected(120, 11, 11, 12), expected(3, 1, 1, 13)),
            (&[10, 11, 12], expected(120, 11, 11, 12), none),
            (&[10, 11], expected(109, 9, 8, 10), none),
            (&[10], expected(105, 8, 8, 10), none),
            (&[], none, none),
            // This run's own lines stand where the batch was to be.
            (&[77, 78], none, none),
        ] {
            let (memory, slots) = promised();
            settle(&memory, stored);
            assert_eq!(slots[0].mark().expect("read"), first, "{stored:?}");
            assert_eq!(slots[1].mark().expect("read"), second, "{stored:?}");
            memory.settle(|_, _| panic!("forgotten")).expect("nothing to settle");
        }
    }

    #[test]
    fn an_intent_says_nothing_about_the_next_connection_in_its_slot() {
        let (memory, [slot, _other]) = promised();
        slot.release();
        drop(slot);
        let next = admit(&memory);
        settle(&memory, &[10, 11, 12, 13]);
        assert_eq!(next.mark().expect("read").position, 0);
    }

    #[test]
    fn a_mark_is_never_lowered() {
        let (memory, [slot, _other]) = promised();
        let later = Mark { position: 500, lines: 50, acks: false, ack: None };
        slot.set_mark(later).expect("written");
        settle(&memory, &[10, 11, 12, 13]);
        assert_eq!(slot.mark().expect("read"), later);
    }
}
