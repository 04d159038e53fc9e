//! The newest bytes of the active segment, in memory: what somebody may cut off the file before it is
//! anywhere else.
//!
//! logrotate's `copytruncate` copies the file, syncs the copy and only then truncates the file. What is
//! appended in between is acknowledged, and in no file afterwards. Here it still is.

use std::collections::VecDeque;

/// The most bytes that are kept.
const MOST: usize = 32 << 20;
/// Bytes older than this are not kept: no copy takes so long. They go with the seals, so that some are
/// kept for up to an epoch longer.
pub(super) const KEPT_NS: u64 = 60_000_000_000;

/// Bytes that are few enough to be kept until the next seal.
pub(super) const FEW: u64 = 256 << 10;

/// Whole lines at the end of the active segment.
#[derive(Default)]
pub(super) struct Tail {
    /// Bytes of the segment before them.
    start: u64,
    bytes: VecDeque<u8>,
    /// CLOCK_BOOTTIME of seals, with the bytes of the segment before each one's end.
    seals: VecDeque<(u64, u64)>,
}

impl Tail {
    /// Of a segment that was opened with so many bytes in it.
    pub fn new(start: u64) -> Self {
        Self { start, ..Self::default() }
    }

    /// Bytes of the segment before those that are kept.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// A copy of what is kept.
    pub fn to_vec(&self) -> Vec<u8> {
        let (first, second) = self.bytes.as_slices();
        [first, second].concat()
    }

    /// Takes in whole lines that were appended; the oldest ones go when they are too many.
    pub fn push(&mut self, lines: &[u8]) {
        let excess = (self.bytes.len() + lines.len()).saturating_sub(MOST);
        if excess > 0 {
            let line_end = self.bytes.iter().skip(excess - 1).position(|byte| *byte == b'\n');
            self.forget(line_end.map_or(self.bytes.len(), |at| excess + at));
        }
        self.bytes.extend(lines);
    }

    /// A seal was pushed at `boot_ns`; what is older than a minute goes.
    pub fn sealed(&mut self, boot_ns: u64) {
        self.age(boot_ns);
        self.seals.push_back((boot_ns, self.start + self.bytes.len() as u64));
    }

    /// Bytes that are kept.
    pub fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// CLOCK_BOOTTIME at which [`Tail::age`] frees more than a few bytes, if it does.
    pub fn due(&self) -> Option<u64> {
        let is_much = |(_, end): &&(u64, u64)| end.saturating_sub(self.start) > FEW;
        let (sealed_ns, _) = self.seals.iter().find(is_much)?;
        Some(sealed_ns.saturating_add(KEPT_NS))
    }

    /// What is older than a minute goes.
    pub fn age(&mut self, boot_ns: u64) {
        while let Some((sealed_ns, end)) = self.seals.front().copied() {
            if boot_ns.saturating_sub(sealed_ns) < KEPT_NS {
                break;
            }
            self.seals.pop_front();
            self.forget(end.saturating_sub(self.start) as usize);
        }
        if self.bytes.capacity() / 4 > self.bytes.len() {
            self.bytes.shrink_to(self.bytes.len() * 2);
        }
    }

    fn forget(&mut self, bytes: usize) {
        self.bytes.drain(..bytes.min(self.bytes.len()));
        self.start += bytes as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_begins_with_a_line_however_much_was_pushed() {
        let mut tail = Tail::new(100);
        let line = [&[b'x'; 999][..], b"\n"].concat();
        let batch = line.repeat(1000);
        for _ in 0..40 {
            tail.push(&batch);
        }
        let kept = tail.to_vec().len();
        assert!(kept <= MOST && kept > MOST - 2000, "{kept}");
        assert_eq!(kept % 1000, 0);
        assert_eq!(tail.start() + kept as u64, 100 + 40_000_000);
    }

    #[test]
    fn a_minute_after_a_seal_what_was_before_it_goes() {
        let mut tail = Tail::new(10);
        let second = 1_000_000_000;
        tail.push(b"a\nseal\n");
        tail.sealed(second);
        tail.push(b"b\nseal\n");
        tail.sealed(60 * second);
        assert_eq!((tail.start(), tail.to_vec()), (10, b"a\nseal\nb\nseal\n".to_vec()));
        tail.push(b"c\nseal\n");
        tail.sealed(61 * second);
        assert_eq!((tail.start(), tail.to_vec()), (17, b"b\nseal\nc\nseal\n".to_vec()));
    }

    #[test]
    fn much_is_let_go_of_after_a_minute_also_without_another_seal() {
        let mut tail = Tail::new(0);
        tail.push(b"a\n");
        tail.sealed(5);
        assert_eq!(tail.due(), None, "a few bytes");
        tail.push(&b"line\n".repeat(1_000_000));
        assert_eq!(tail.due(), None, "it is not sealed");
        tail.sealed(7);
        assert_eq!(tail.due(), Some(7 + KEPT_NS));
        tail.push(b"b\n");
        tail.age(7 + KEPT_NS);
        assert_eq!((tail.to_vec(), tail.due()), (b"b\n".to_vec(), None));
        assert!(tail.bytes.capacity() < 1000, "{}", tail.bytes.capacity());
    }
}
