//! Input cut into event lines: blank lines are left out, a last line needs no LF, and each line is known by its
//! number in the input.

/// What the input has next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// An event's line without LF, and its number, from 1.
    Event(&'a [u8], u64),
    /// A line that is longer than any event may be; nobody has the whole of it.
    TooLong(u64),
}

/// Takes the input in pieces of any size, and holds no more than a line and a piece of it.
#[derive(Debug)]
pub(super) struct Framer {
    text: Vec<u8>,
    /// Where in `text` the next line begins.
    at: usize,
    /// That line's number.
    number: u64,
    longest: usize,
    /// The current line was given up.
    skipping: bool,
    finished: bool,
}

impl Framer {
    /// For lines of at most so many bytes.
    pub(super) fn new(longest: usize) -> Self {
        Self { text: Vec::new(), at: 0, number: 1, longest, skipping: false, finished: false }
    }

    /// Adds a piece of the input.
    pub(super) fn feed(&mut self, piece: &[u8]) {
        self.text.drain(..self.at);
        self.at = 0;
        self.text.extend_from_slice(piece);
    }

    /// Nothing more comes.
    pub(super) fn finish(&mut self) {
        self.finished = true;
    }

    /// The number of the line that comes next.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The next event; none until more is fed, or at all once it is finished.
    pub(super) fn next(&mut self) -> Option<Line<'_>> {
        if self.skipping && !self.skip() {
            return None;
        }
        let rest = &self.text[self.at..];
        // Blanks before an event are dropped with the blank lines.
        let blanks = rest.iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(rest.len());
        self.number += memchr::memchr_iter(b'\n', &rest[..blanks]).count() as u64;
        let (start, rest) = (self.at + blanks, &rest[blanks..]);
        self.at = start;
        let lf = memchr::memchr(b'\n', rest);
        let len = match lf {
            Some(lf) => lf,
            None if rest.is_empty() || !self.finished && rest.len() <= self.longest => return None,
            None => rest.len(),
        };
        let number = self.number;
        self.at += len;
        self.skipping = true;
        self.skip();
        match len > self.longest {
            true => Some(Line::TooLong(number)),
            false => Some(Line::Event(&self.text[start..start + len], number)),
        }
    }

    /// Goes on behind the end of the current line, if that is there.
    fn skip(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let lf = memchr::memchr(b'\n', rest);
        self.at += lf.map_or(rest.len(), |lf| lf + 1);
        self.skipping = lf.is_none() && !self.finished;
        self.number += u64::from(!self.skipping);
        !self.skipping
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The events of an input, with their numbers; nothing is the text of a line that is too long.
    fn frame(longest: usize, pieces: &[&str]) -> Vec<(String, u64)> {
        let (mut framer, mut found) = (Framer::new(longest), Vec::new());
        for n in 0..=pieces.len() {
            match pieces.get(n) {
                Some(piece) => framer.feed(piece.as_bytes()),
                None => framer.finish(),
            }
            while let Some(line) = framer.next() {
                found.push(match line {
                    Line::Event(line, n) => (String::from_utf8(line.into()).expect("text"), n),
                    Line::TooLong(n) => (String::new(), n),
                });
            }
        }
        found
    }

    fn events(found: &[(&str, u64)]) -> Vec<(String, u64)> {
        found.iter().map(|(line, n)| ((*line).to_owned(), *n)).collect()
    }

    #[test]
    fn blank_lines_are_left_out_and_lines_keep_their_number_in_the_input() {
        let found = frame(9, &["a\n\n \r\nb\nc\n\n", "\n", "d"]);
        assert_eq!(found, events(&[("a", 1), ("b", 4), ("c", 5), ("d", 8)]));
    }

    #[test]
    fn a_line_that_is_too_long_is_named_once_and_the_next_one_is_whole() {
        for pieces in
            [&["a\n12345\nb"][..], &["a\n123", "45", "6789\n", "b"], &["a\n12345", "\nb\n"]]
        {
            assert_eq!(frame(4, pieces), events(&[("a", 1), ("", 2), ("b", 3)]), "{pieces:?}");
        }
        assert_eq!(frame(4, &["12345"]), events(&[("", 1)]));
        assert_eq!(frame(4, &["1234"]), events(&[("1234", 1)]));
    }

    proptest! {
        #[test]
        fn the_pieces_of_the_input_do_not_matter(text in "[ab\n ]{0,40}", cut in 0_usize..40) {
            let (left, right) = text.split_at(cut.min(text.len()));
            let whole = frame(6, &[&text]);
            prop_assert_eq!(&whole, &frame(6, &[left, right]));
            let lines: Vec<&str> = text.split('\n').collect();
            for (line, number) in whole {
                let origin = lines[number as usize - 1].trim_start();
                prop_assert!(line.is_empty() && origin.len() > 6 || line == origin);
            }
        }
    }
}
