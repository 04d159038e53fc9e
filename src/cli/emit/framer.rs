//! Input cut into event lines: blank lines are left out, the last line gets its LF, and each line sent
//! is still known by its number in the input.

use std::collections::VecDeque;

/// Counts lines while they pass through in pieces of any size.
#[derive(Debug)]
pub(super) struct Framer {
    /// The input's current line, from 1.
    input_line: u64,
    /// Event lines begun.
    events: u64,
    /// Nothing of the current line was sent yet.
    at_start: bool,
    /// From that event line on, the input has this many lines more.
    offsets: VecDeque<(u64, u64)>,
}

impl Framer {
    pub(super) fn new() -> Self {
        Self { input_line: 1, events: 0, at_start: true, offsets: VecDeque::new() }
    }

    /// Event lines begun so far.
    pub(super) fn events(&self) -> u64 {
        self.events
    }

    /// Appends what of `chunk` is to be sent. Blanks before an event are dropped with the blank lines.
    pub(super) fn feed(&mut self, mut chunk: &[u8], out: &mut Vec<u8>) {
        while !chunk.is_empty() {
            if self.at_start {
                let blanks =
                    chunk.iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(chunk.len());
                self.input_line += memchr::memchr_iter(b'\n', &chunk[..blanks]).count() as u64;
                chunk = &chunk[blanks..];
                if chunk.is_empty() {
                    return;
                }
                self.begin();
            }
            let end = memchr::memchr(b'\n', chunk).map(|lf| lf + 1);
            out.extend_from_slice(&chunk[..end.unwrap_or(chunk.len())]);
            chunk = &chunk[end.unwrap_or(chunk.len())..];
            if end.is_some() {
                self.at_start = true;
                self.input_line += 1;
            }
        }
    }

    /// Ends an unterminated last line.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.at_start {
            self.at_start = true;
            self.input_line += 1;
            out.push(b'\n');
        }
    }

    fn begin(&mut self) {
        self.at_start = false;
        self.events += 1;
        let offset = self.input_line - self.events;
        if self.offsets.back().is_none_or(|(_, last)| *last != offset) {
            self.offsets.push_back((self.events, offset));
        }
    }

    /// The number in the input of an event line that was begun and not forgotten; for the one after the
    /// last, where the next event would stand.
    pub(super) fn input_line(&self, event_line: u64) -> u64 {
        if event_line > self.events {
            return self.input_line;
        }
        let offset = self.offsets.iter().rev().find(|(first, _)| *first <= event_line);
        event_line + offset.map_or(0, |(_, offset)| *offset)
    }

    /// Nobody will ask for event lines up to this one any more.
    pub(super) fn forget(&mut self, event_line: u64) {
        while self.offsets.get(1).is_some_and(|(first, _)| *first <= event_line + 1) {
            self.offsets.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(chunks: &[&[u8]]) -> (Framer, Vec<u8>) {
        let (mut framer, mut out) = (Framer::new(), Vec::new());
        chunks.iter().for_each(|chunk| framer.feed(chunk, &mut out));
        framer.finish(&mut out);
        (framer, out)
    }

    #[test]
    fn blank_lines_are_left_out_and_lines_keep_their_number_in_the_input() {
        let (framer, out) = frame(&[b"a\n\n \r\nb\nc\n\n", b"\n", b"d"]);
        assert_eq!(out, b"a\nb\nc\nd\n");
        let lines: Vec<u64> = (1..=4).map(|n| framer.input_line(n)).collect();
        assert_eq!(lines, [1, 4, 5, 8]);
        assert_eq!(framer.input_line(5), 9);
    }

    #[test]
    fn forgetting_answered_lines_keeps_the_numbers_of_the_others() {
        let (mut framer, _) = frame(&[b"a\n\nb\n\nc\n\nd\n"]);
        framer.forget(2);
        assert_eq!(framer.input_line(3), 5);
        assert_eq!(framer.input_line(4), 7);
        assert_eq!(framer.offsets.len(), 2);
    }

    proptest! {
        #[test]
        fn the_pieces_of_the_input_do_not_matter(
            text in "[ab\n ]{0,40}", cut in 0_usize..40,
        ) {
            let bytes = text.as_bytes();
            let cut = cut.min(bytes.len());
            let (whole, out) = frame(&[bytes]);
            let (pieces, same) = frame(&[&bytes[..cut], &bytes[cut..]]);
            prop_assert_eq!(&out, &same);
            let input: Vec<&str> = text.split('\n').collect();
            let lines: Vec<&[u8]> = out.split_inclusive(|b| *b == b'\n').collect();
            prop_assert_eq!(lines.len() as u64, whole.events());
            for (n, line) in (1..).zip(lines) {
                prop_assert_eq!(whole.input_line(n), pieces.input_line(n));
                let origin = input[whole.input_line(n) as usize - 1].trim_start();
                let origin = format!("{origin}\n");
                prop_assert_eq!(line, origin.as_bytes());
            }
        }
    }
}
