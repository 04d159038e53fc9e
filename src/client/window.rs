//! The events that are not answered yet, in their order: pure bookkeeping of what a connection was given, what it
//! has answered, and what the next one is to be given again.

use std::collections::VecDeque;

/// One event that is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Bytes of its line, LF included.
    len: usize,
    /// What its owner calls it; `None` for one that was read from the spool.
    pub ticket: Option<u64>,
    /// Where its line ends in the spool, if it is there.
    pub kept: Option<u64>,
    /// It was refused, and an event before it is not answered.
    refused: bool,
}

/// The lines, one after the other, and how far the connection is with them.
#[derive(Debug, Default)]
pub(super) struct Window {
    text: Vec<u8>,
    /// Where in `text` the first event begins: what is before it is answered.
    start: usize,
    /// Up to where in `text` the connection took it.
    written: usize,
    entries: VecDeque<Entry>,
    /// Lines of the connection that are answered; the first entry is the one after.
    answered: u64,
    /// Bytes of the events that are not in the spool.
    unkept: usize,
}

/// What was answered.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answered {
    /// Events that are on disk now.
    pub accepted: u64,
    /// Events that the spool needs no longer, refused ones too.
    pub kept: u64,
    /// Everything before this byte of the spool is answered.
    pub spool_until: Option<u64>,
}

impl Window {
    /// Adds an event: its line without LF.
    pub fn push(&mut self, line: &[u8], ticket: Option<u64>, kept: Option<u64>) {
        if self.start > self.text.len() / 2 {
            self.text.drain(..self.start);
            self.written -= self.start;
            self.start = 0;
        }
        self.text.extend_from_slice(line);
        self.text.push(b'\n');
        let len = line.len() + 1;
        self.unkept += if kept.is_some() { 0 } else { len };
        self.entries.push_back(Entry { len, ticket, kept, refused: false });
    }

    /// Events that are not answered.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of them.
    pub fn bytes(&self) -> usize {
        self.text.len() - self.start
    }

    /// Bytes of those that are not in the spool.
    pub fn unkept(&self) -> usize {
        self.unkept
    }

    /// How many events these are.
    pub fn unkept_count(&self) -> u64 {
        self.entries.iter().filter(|entry| entry.kept.is_none() && !entry.refused).count() as u64
    }

    /// The first of them.
    pub fn first_unkept(&self) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.kept.is_none() && !entry.refused)
    }

    /// What the connection is still to be given.
    pub fn unwritten(&self) -> &[u8] {
        &self.text[self.written..]
    }

    /// The connection took so many bytes of that.
    pub fn wrote(&mut self, bytes: usize) {
        self.written += bytes;
    }

    /// There is a new connection: it is to be given everything but what was refused, byte for byte.
    pub fn rewind(&mut self) {
        if self.entries.iter().any(|entry| entry.refused) {
            let (mut text, mut at) = (Vec::with_capacity(self.bytes()), self.start);
            for entry in &self.entries {
                if !entry.refused {
                    text.extend_from_slice(&self.text[at..at + entry.len]);
                }
                at += entry.len;
            }
            self.entries.retain(|entry| !entry.refused);
            (self.text, self.start) = (text, 0);
        }
        (self.written, self.answered) = (self.start, 0);
    }

    /// The lines, with their LF, that are not in the spool and have to be sent, in their order. What is refused
    /// is not of them.
    pub fn unkept_lines(&self) -> Vec<u8> {
        let (mut lines, mut at) = (Vec::new(), self.start);
        for entry in &self.entries {
            if entry.kept.is_none() && !entry.refused {
                lines.extend_from_slice(&self.text[at..at + entry.len]);
            }
            at += entry.len;
        }
        lines
    }

    /// These lines are in the spool now, from that byte on.
    pub fn kept_from(&mut self, mut offset: u64) {
        for entry in self.entries.iter_mut().filter(|e| e.kept.is_none() && !e.refused) {
            offset += entry.len as u64;
            entry.kept = Some(offset);
        }
        self.unkept = 0;
    }

    /// The connection's lines up to this one are on disk, but those that were refused. `None`: it was given no such
    /// line.
    pub fn acknowledge(&mut self, line: u64) -> Option<Answered> {
        let count = usize::try_from(line.saturating_sub(self.answered)).ok()?;
        let bytes: usize = self.entries.iter().take(count).map(|entry| entry.len).sum();
        if count > self.entries.len() || self.start + bytes > self.written {
            return None;
        }
        let mut answered = Answered::default();
        for _ in 0..count {
            self.pop(&mut answered);
        }
        self.pop_refused(&mut answered);
        Some(answered)
    }

    /// The connection's line was refused: the event, with the text of its line. `None`: it has no such line, or said
    /// before that it is on disk.
    pub fn refuse(&mut self, line: u64) -> Option<(Entry, Vec<u8>, Answered)> {
        let index = usize::try_from(line.checked_sub(self.answered + 1)?).ok()?;
        let at: usize = self.start + self.entries.iter().take(index).map(|e| e.len).sum::<usize>();
        let entry = self.entries.get_mut(index).filter(|entry| !entry.refused)?;
        entry.refused = true;
        if entry.kept.is_none() {
            self.unkept -= entry.len;
        }
        let found = *entry;
        let text = self.text[at..at + found.len - 1].to_vec();
        let mut answered = Answered::default();
        self.pop_refused(&mut answered);
        Some((found, text, answered))
    }

    fn pop_refused(&mut self, answered: &mut Answered) {
        while self.entries.front().is_some_and(|entry| entry.refused) {
            self.pop(answered);
        }
    }

    fn pop(&mut self, answered: &mut Answered) {
        let Some(entry) = self.entries.pop_front() else { return };
        self.start += entry.len;
        self.answered += 1;
        answered.spool_until = entry.kept.or(answered.spool_until);
        answered.kept += u64::from(entry.kept.is_some());
        if !entry.refused {
            answered.accepted += 1;
            self.unkept -= if entry.kept.is_none() { entry.len } else { 0 };
        }
    }
}

#[cfg(test)]
mod tests;
