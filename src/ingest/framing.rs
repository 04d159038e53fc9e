//! Bytes in, lines out. A connection keeps nothing but the line it is in the middle of.

/// What is kept of a line that is refused, bytes.
pub const HEAD: usize = 4096;

/// A buffer that is larger than this is given back when it is empty.
const KEEP: usize = 1024;

/// How it goes on after a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// With the next one.
    Next,
    /// Not now: this was the last one.
    Stop,
    /// Not now, and this one is not taken: it comes again.
    Again,
}

/// One line without its LF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Text.
    Text(&'a str),
    /// Not UTF-8.
    Bytes(&'a [u8]),
    /// Longer than the limit.
    TooLong {
        /// Its first bytes, at most [`HEAD`].
        head: &'a [u8],
        /// All of its bytes.
        len: u64,
    },
}

impl Line<'_> {
    /// Its first bytes: all of them, unless it is too long.
    pub fn head(&self) -> &[u8] {
        match self {
            Line::Text(text) => text.as_bytes(),
            Line::Bytes(bytes) => bytes,
            Line::TooLong { head, .. } => head,
        }
    }

    /// Whether there is nothing before its LF.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of its bytes.
    pub fn len(&self) -> u64 {
        match self {
            Line::TooLong { len, .. } => *len,
            line => line.head().len() as u64,
        }
    }
}

/// The line that a connection is in the middle of.
#[derive(Debug, Default)]
pub struct Framer {
    /// The bytes so far; of a line over the limit only the first.
    tail: Vec<u8>,
    /// All bytes of the line.
    len: u64,
    /// They are more than the limit.
    over: bool,
}

impl Framer {
    /// Takes `input` apart and gives each line that ends in it to `each`, with the bytes of `input` up to behind
    /// its LF, until that says [`Then::Stop`] or [`Then::Again`]. Returns how many bytes were taken: all of them, or
    /// those up to behind the last line that was taken.
    /// A line of more than `max` bytes is too long.
    pub fn feed(
        &mut self,
        input: &[u8],
        max: usize,
        mut each: impl FnMut(Line<'_>, usize) -> Then,
    ) -> usize {
        let mut start = 0;
        if !self.is_empty() {
            let Some(end) = memchr::memchr(b'\n', input) else {
                self.keep(input, max);
                return input.len();
            };
            let before = Self { tail: Vec::new(), ..*self };
            let held = self.tail.len();
            // What is too long is not all kept, and could not be cut back.
            let whole = (self.len + end as u64 > max as u64).then(|| self.tail.clone());
            self.keep(&input[..end], max);
            start = end + 1;
            match each(self.line(), start) {
                Then::Next => self.clear(),
                Then::Stop => {
                    self.clear();
                    return start;
                }
                Then::Again => {
                    let mut tail = whole.unwrap_or_else(|| std::mem::take(&mut self.tail));
                    tail.truncate(held);
                    *self = Self { tail, ..before };
                    return 0;
                }
            }
        }
        let whole = memchr::memrchr(b'\n', &input[start..]).map_or(start, |at| start + at + 1);
        let (taken, then) =
            split(&input[start..whole], max, &mut |line, end| each(line, start + end));
        if then != Then::Next {
            return start + taken;
        }
        self.keep(&input[whole..], max);
        input.len()
    }

    /// The last line, if the input ended without LF.
    pub fn finish<R>(&mut self, each: impl FnOnce(Line<'_>) -> R) -> Option<R> {
        if self.is_empty() {
            return None;
        }
        let result = each(self.line());
        self.clear();
        Some(result)
    }

    /// The line that it is in the middle of: what is kept of it, all its bytes, and whether they are more than
    /// the limit.
    pub fn partial(&self) -> (&[u8], u64, bool) {
        (&self.tail, self.len, self.over)
    }

    /// In the middle of such a line.
    pub fn resume(tail: Vec<u8>, len: u64, over: bool) -> Self {
        Self { tail, len, over }
    }

    fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn clear(&mut self) {
        self.tail.clear();
        (self.len, self.over) = (0, false);
        if self.tail.capacity() > KEEP {
            self.tail = Vec::new();
        }
    }

    fn keep(&mut self, bytes: &[u8], max: usize) {
        self.len += bytes.len() as u64;
        self.over |= self.len > max as u64;
        if !self.over {
            self.make_room(bytes.len(), max);
            return self.tail.extend_from_slice(bytes);
        }
        let room = HEAD.saturating_sub(self.tail.len()).min(bytes.len());
        self.tail.extend_from_slice(&bytes[..room]);
        self.tail.truncate(HEAD);
        self.tail.shrink_to(HEAD);
    }

    /// Grows by doubling, but never beyond the longest line: there may be thousands of these.
    fn make_room(&mut self, more: usize, max: usize) {
        let (len, capacity) = (self.tail.len(), self.tail.capacity());
        if len + more > capacity {
            self.tail.reserve_exact((2 * capacity).min(max).max(len + more) - len);
        }
    }

    fn line(&self) -> Line<'_> {
        match self.over {
            false => text_or_bytes(&self.tail),
            true => Line::TooLong { head: &self.tail, len: self.len },
        }
    }
}

/// Gives out the lines of `input`, which ends with LF or is empty. UTF-8 is checked for all of them at
/// once; only if that fails, each by itself.
fn split(
    input: &[u8],
    max: usize,
    each: &mut impl FnMut(Line<'_>, usize) -> Then,
) -> (usize, Then) {
    let text = std::str::from_utf8(input).ok();
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', input) {
        let bytes = &input[start..end];
        let line = match text {
            _ if bytes.len() > max => too_long(bytes),
            Some(text) => Line::Text(&text[start..end]),
            None => text_or_bytes(bytes),
        };
        match each(line, end + 1) {
            Then::Next => start = end + 1,
            Then::Stop => return (end + 1, Then::Stop),
            Then::Again => return (start, Then::Again),
        }
    }
    (start, Then::Next)
}

fn too_long(bytes: &[u8]) -> Line<'_> {
    Line::TooLong { head: &bytes[..bytes.len().min(HEAD)], len: bytes.len() as u64 }
}

fn text_or_bytes(bytes: &[u8]) -> Line<'_> {
    std::str::from_utf8(bytes).map_or(Line::Bytes(bytes), Line::Text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A line that outlives the call.
    #[derive(Debug, PartialEq, Eq, Clone)]
    enum Owned {
        Text(String),
        Bytes(Vec<u8>),
        TooLong(Vec<u8>, u64),
    }

    fn own(line: Line<'_>) -> Owned {
        match line {
            Line::Text(text) => Owned::Text(text.into()),
            Line::Bytes(bytes) => Owned::Bytes(bytes.into()),
            Line::TooLong { head, len } => Owned::TooLong(head.into(), len),
        }
    }

    fn lines(chunks: &[&[u8]], max: usize) -> Vec<Owned> {
        let mut framer = Framer::default();
        let mut found = Vec::new();
        for chunk in chunks {
            let taken = framer.feed(chunk, max, |line, end| {
                assert_eq!(chunk[end - 1], b'\n');
                found.push(own(line));
                Then::Next
            });
            assert_eq!(taken, chunk.len());
            assert!(framer.tail.len() <= max.max(HEAD));
            assert!(framer.tail.capacity() <= max.max(HEAD), "{}", framer.tail.capacity());
        }
        found.extend(framer.finish(own));
        found
    }

    fn text(text: &str) -> Owned {
        Owned::Text(text.into())
    }

    #[test]
    fn lines_are_split_at_lf_only_and_the_last_one_needs_none() {
        let found = lines(&[b"a\r\n\nb\x0b\n", b"c"], 100);
        assert_eq!(found, [text("a\r"), text(""), text("b\x0b"), text("c")]);
    }

    #[test]
    fn a_line_over_the_limit_is_counted_and_the_next_one_is_whole() {
        let long = vec![b'x'; 10_000];
        let found = lines(&[b"a\n", &long, &long, b"\nb\n"], 5000);
        assert_eq!(found, [text("a"), Owned::TooLong(vec![b'x'; HEAD], 20_000), text("b")]);
    }

    #[test]
    fn a_line_of_exactly_the_limit_is_kept() {
        assert_eq!(
            lines(&[b"12345\n123", b"45\n123456\n"], 5)[..2],
            [text("12345"), text("12345")]
        );
    }

    #[test]
    fn bytes_that_are_not_utf8_spoil_only_their_own_line() {
        let found = lines(&[b"a\n\xff\nb\n"], 100);
        assert_eq!(found, [text("a"), Owned::Bytes(vec![0xff]), text("b")]);
    }

    #[test]
    fn splitting_stops_where_it_is_told_and_goes_on_from_there() {
        let mut framer = Framer::default();
        framer.feed(b"ze", 100, |_, _| Then::Next);
        let mut found = Vec::new();
        let mut rest: &[u8] = b"ro\none\ntwo\nthree";
        while !rest.is_empty() {
            let taken = framer.feed(rest, 100, |line, _| {
                found.push(own(line));
                Then::Stop
            });
            rest = &rest[taken..];
        }
        assert_eq!(found, [text("zero"), text("one"), text("two")]);
        assert_eq!(framer.finish(own), Some(text("three")));
    }

    #[test]
    fn a_line_that_is_not_taken_comes_again_whole() {
        let long = "x".repeat(6000);
        for (begin, end, max) in [("ze", "ro", 100), (&long, "y", 6000), (&long, "y", 5000)] {
            let (mut framer, mut found) = (Framer::default(), Vec::new());
            framer.feed(begin.as_bytes(), max, |_, _| Then::Next);
            let input = format!("{end}\none\ntwo\nth");
            let mut rest = input.as_bytes();
            let mut again = true;
            while !rest.is_empty() {
                let taken = framer.feed(rest, max, |line, _| {
                    again = !again;
                    if !again {
                        return Then::Again;
                    }
                    found.push(own(line));
                    Then::Next
                });
                rest = &rest[taken..];
            }
            let whole = format!("{begin}{end}");
            let first = match whole.len() > max {
                true => Owned::TooLong(whole.as_bytes()[..HEAD].to_vec(), whole.len() as u64),
                false => text(&whole),
            };
            assert_eq!(found, [first, text("one"), text("two")]);
            assert_eq!(framer.finish(own), Some(text("th")));
        }
    }

    #[test]
    fn an_idle_connection_holds_no_large_buffer() {
        let mut framer = Framer::default();
        framer.feed(&[b'x'; 50_000], 60_000, |_, _| Then::Next);
        framer.feed(b"\n", 60_000, |_, _| Then::Next);
        assert!(framer.tail.capacity() <= KEEP);
    }

    proptest! {
        #[test]
        fn any_chunking_of_the_bytes_gives_the_same_lines(
            pieces in proptest::collection::vec(
                prop_oneof!["[a-zé\u{2028}]{0,12}", Just("\n".to_owned()), Just("\n\n".to_owned())], 0..40),
            spoil in proptest::option::of((any::<prop::sample::Index>(), 0x80u8..)),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
            max in 1usize..40,
        ) {
            let mut bytes = pieces.concat().into_bytes();
            if let (Some((at, byte)), false) = (spoil, bytes.is_empty()) {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();

            let mut expected: Vec<Owned> = bytes
                .split(|b| *b == b'\n')
                .map(|line| own(if line.len() > max { too_long(line) } else { text_or_bytes(line) }))
                .collect();
            if expected.last() == Some(&text("")) {
                expected.pop();
            }
            prop_assert_eq!(lines(&chunks, max), expected);
        }
    }
}
