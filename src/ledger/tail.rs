//! The newest bytes of the active segment, in memory: what somebody may cut off the file before it is
//! anywhere else.
//!
//! logrotate's `copytruncate` copies the file, syncs the copy and only then truncates the file. What is
//! appended in between is acknowledged, and in no file afterwards. Here it still is.

use std::collections::VecDeque;

use crate::kernel;

/// The most bytes that are kept.
const MOST: usize = 32 << 20;
/// Bytes older than this are not kept: no copy takes so long. They go with the seals, so that some are
/// kept for up to an epoch longer.
pub(super) const KEPT_NS: u64 = 60_000_000_000;

/// Bytes that are few enough to be kept until the next seal.
pub(super) const FEW: u64 = 256 << 10;

/// What is allocated at a time: at any time of a run the lines take as much memory as they have bytes. In one allocation
/// it would be up to twice as much, and what was needed once would stay.
const PIECE: usize = kernel::LARGE;

/// Whole lines at the end of the active segment.
#[derive(Default)]
pub(super) struct Tail {
    /// Bytes of the segment before them.
    start: u64,
    /// Each but the last one is full.
    pieces: VecDeque<Vec<u8>>,
    /// Bytes at the front of the first piece that are not kept any more.
    gone: usize,
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
        let mut bytes = Vec::with_capacity(self.kept());
        let mut gone = self.gone;
        for piece in &self.pieces {
            bytes.extend_from_slice(&piece[gone..]);
            gone = 0;
        }
        bytes
    }

    /// Takes in whole lines that were appended; the oldest ones go when they are too many.
    pub fn push(&mut self, lines: &[u8]) {
        let excess = (self.kept() + lines.len()).saturating_sub(MOST);
        if excess > 0 {
            self.forget(self.line_end(excess - 1).unwrap_or(self.kept()));
        }
        let mut rest = lines;
        while !rest.is_empty() {
            if self.pieces.back().is_none_or(|piece| piece.len() == PIECE) {
                self.pieces.push_back(Vec::with_capacity(PIECE));
            }
            let Some(piece) = self.pieces.back_mut() else { break };
            let (now, later) = rest.split_at(rest.len().min(PIECE - piece.len()));
            piece.extend_from_slice(now);
            rest = later;
        }
    }

    /// A seal was pushed at `boot_ns`; what is older than a minute goes.
    pub fn sealed(&mut self, boot_ns: u64) {
        self.age(boot_ns);
        self.seals.push_back((boot_ns, self.start + self.len()));
    }

    /// Bytes that are kept.
    pub fn len(&self) -> u64 {
        self.kept() as u64
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
    }

    fn kept(&self) -> usize {
        let last = self.pieces.back().map_or(0, Vec::len);
        self.pieces.len().saturating_sub(1) * PIECE + last - self.gone
    }

    /// Bytes up to the end of the line that the kept byte `at` is in, with its LF.
    fn line_end(&self, at: usize) -> Option<usize> {
        let at = self.gone + at;
        let mut from = at % PIECE;
        for (nth, piece) in self.pieces.iter().enumerate().skip(at / PIECE) {
            if let Some(end) = memchr::memchr(b'\n', piece.get(from..)?) {
                return Some(nth * PIECE + from + end + 1 - self.gone);
            }
            from = 0;
        }
        None
    }

    /// Of bytes that were kept and are not any more, the pieces are freed.
    fn forget(&mut self, bytes: usize) {
        let kept = self.kept();
        self.start += bytes as u64;
        if bytes >= kept {
            self.pieces.clear();
            self.gone = 0;
            return;
        }
        self.gone += bytes;
        self.pieces.drain(..self.gone / PIECE);
        self.gone %= PIECE;
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
        assert_eq!(tail.pieces.len(), 1);
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(24))]

        /// However lines and seals fall on the pieces: what is kept is what is not older than a minute.
        #[test]
        fn it_keeps_the_end_of_what_was_pushed(
            steps in proptest::collection::vec((1_usize..3 * PIECE, 0_u64..40), 1..8)
        ) {
            let (mut tail, mut all, mut seals) = (Tail::new(7), vec![b'\n'; 7], Vec::new());
            let mut now = 0;
            for (len, seconds) in steps {
                let mut line = vec![b'a' + (all.len() % 26) as u8; len];
                line.push(b'\n');
                tail.push(&line);
                all.extend(line);
                now += seconds * 1_000_000_000;
                tail.sealed(now);
                let old = seals.iter().rev().find(|(at, _)| now - at >= KEPT_NS);
                let start = old.map_or(7, |(_, end)| *end);
                seals.push((now, all.len()));
                let kept = &all[start..];
                proptest::prop_assert_eq!(tail.start(), start as u64);
                proptest::prop_assert_eq!(tail.len(), kept.len() as u64);
                proptest::prop_assert!(tail.to_vec() == kept);
                proptest::prop_assert!(tail.pieces.len() <= kept.len() / PIECE + 2);
            }
        }
    }
}
