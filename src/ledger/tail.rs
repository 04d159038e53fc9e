//! The newest bytes of the active segment, in memory: what somebody may cut off the file before it is
//! anywhere else.
//!
//! logrotate's `copytruncate` copies the file, syncs the copy and only then truncates the file. What is
//! appended in between is acknowledged, and in no file afterwards. Here it still is.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Written;

/// The most bytes that are kept, of the active segment and the one before it.
const MOST: usize = 16 << 20;
/// Bytes older than this are not kept: no copy takes so long. They go with the seals, so that some are
/// kept for up to an epoch longer.
pub(super) const KEPT_NS: u64 = 60_000_000_000;

/// Bytes that are few enough to be kept until the next seal.
pub(super) const FEW: u64 = 256 << 10;

/// Whole lines at the end of a segment.
#[derive(Default)]
pub(super) struct Tail {
    /// Bytes of the segment before them.
    start: u64,
    /// Each is whole lines.
    pieces: VecDeque<Arc<[u8]>>,
    /// Their bytes.
    len: usize,
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
        let mut bytes = Vec::with_capacity(self.len);
        self.pieces.iter().for_each(|piece| bytes.extend_from_slice(piece));
        bytes
    }

    /// Takes in lines that were appended; the oldest ones go when they are too many.
    pub fn push(&mut self, lines: &Written) {
        self.pieces.extend(lines.pieces().iter().cloned());
        self.len += lines.len();
        self.keep(MOST);
    }

    /// Of a segment that is no more appended to: its oldest lines go where those of the `next` one need the room.
    pub fn make_way(&mut self, next: &Tail) {
        self.keep(MOST.saturating_sub(next.len));
    }

    /// A seal was pushed at `boot_ns`; what is older than a minute goes.
    pub fn sealed(&mut self, boot_ns: u64) {
        self.age(boot_ns);
        self.seals.push_back((boot_ns, self.start + self.len()));
    }

    /// Bytes that are kept.
    pub fn len(&self) -> u64 {
        self.len as u64
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
            // A seal is appended by itself, so a piece ends with it.
            while self.start < end && !self.pieces.is_empty() {
                self.forget_oldest();
            }
        }
    }

    fn keep(&mut self, most: usize) {
        while self.len > most {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let gone = self.pieces.pop_front().map_or(0, |piece| piece.len());
        self.start += gone as u64;
        self.len -= gone;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(tail: &mut Tail, lines: &[u8]) {
        tail.push(&Written::of(lines));
    }

    #[test]
    fn what_is_kept_begins_with_a_line_however_much_was_pushed() {
        let mut tail = Tail::new(100);
        let line = [&[b'x'; 999][..], b"\n"].concat();
        let batch = line.repeat(1000);
        for _ in 0..40 {
            push(&mut tail, &batch);
        }
        let kept = tail.to_vec().len();
        assert!(kept <= MOST && kept > MOST - batch.len(), "{kept}");
        assert_eq!(kept % 1000, 0);
        assert_eq!(tail.start() + kept as u64, 100 + 40_000_000);
    }

    #[test]
    fn two_segments_share_the_room() {
        let (mut closed, mut active) = (Tail::new(0), Tail::new(0));
        let batch = [&[b'x'; 999][..], b"\n"].concat().repeat(1000);
        for n in 1..=20 {
            push(&mut closed, &batch);
            if n > 10 {
                push(&mut active, &batch);
            }
            closed.make_way(&active);
            assert!(closed.len() + active.len() <= MOST as u64);
        }
        assert_eq!(active.len(), 10_000_000, "the active one's are newer");
        assert_eq!(closed.start() + closed.len(), 20_000_000);
    }

    #[test]
    fn a_minute_after_a_seal_what_was_before_it_goes() {
        let mut tail = Tail::new(10);
        let second = 1_000_000_000;
        push(&mut tail, b"a\nseal\n");
        tail.sealed(second);
        push(&mut tail, b"b\nseal\n");
        tail.sealed(60 * second);
        assert_eq!((tail.start(), tail.to_vec()), (10, b"a\nseal\nb\nseal\n".to_vec()));
        push(&mut tail, b"c\nseal\n");
        tail.sealed(61 * second);
        assert_eq!((tail.start(), tail.to_vec()), (17, b"b\nseal\nc\nseal\n".to_vec()));
    }

    #[test]
    fn much_is_let_go_of_after_a_minute_also_without_another_seal() {
        let mut tail = Tail::new(0);
        push(&mut tail, b"a\n");
        tail.sealed(5);
        assert_eq!(tail.due(), None, "a few bytes");
        push(&mut tail, &b"line\n".repeat(1_000_000));
        assert_eq!(tail.due(), None, "it is not sealed");
        tail.sealed(7);
        assert_eq!(tail.due(), Some(7 + KEPT_NS));
        push(&mut tail, b"b\n");
        tail.age(7 + KEPT_NS);
        assert_eq!((tail.to_vec(), tail.due()), (b"b\n".to_vec(), None));
        assert_eq!(tail.pieces.len(), 1);
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(24))]

        /// However lines and seals fall on the pieces: what is kept is what is not older than a minute.
        #[test]
        fn it_keeps_the_end_of_what_was_pushed(
            steps in proptest::collection::vec((1_usize..1_500_000, 0_u64..40), 1..8)
        ) {
            let (mut tail, mut all, mut seals) = (Tail::new(7), vec![b'\n'; 7], Vec::new());
            let mut now = 0;
            for (len, seconds) in steps {
                let mut line = vec![b'a' + (all.len() % 26) as u8; len];
                line.push(b'\n');
                push(&mut tail, &line);
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
            }
        }
    }
}
