//! A stream of bytes in reads of any length: the same lines come out of it, however it is cut.

use auditlogd::ingest::framing::{Framer, HEAD, Line, Then};

/// A line that outlives the call: its first bytes, its length, and whether it is text.
type Owned = (Vec<u8>, u64, Option<bool>);

fn own(line: Line<'_>) -> Owned {
    let text = match line {
        Line::Text(_) => Some(true),
        Line::Bytes(_) => Some(false),
        Line::TooLong { .. } => None,
    };
    (line.head().to_vec(), line.len(), text)
}

/// The lines of a stream, from its definition.
fn expected(stream: &[u8], max: usize) -> Vec<Owned> {
    let line = |line: &[u8]| match line.len() > max {
        true => (line[..line.len().min(HEAD)].to_vec(), line.len() as u64, None),
        false => (line.to_vec(), line.len() as u64, Some(std::str::from_utf8(line).is_ok())),
    };
    let mut lines: Vec<_> = stream.split(|byte| *byte == b'\n').map(line).collect();
    if lines.last().is_some_and(|(_, len, _)| *len == 0) {
        lines.pop();
    }
    lines
}

/// One input: the longest line, how the stream is cut and where the reader pauses, and the stream.
pub fn run(bytes: &[u8]) {
    let Some(([long, pause, cuts @ ..], stream)) = bytes.split_first_chunk::<6>() else { return };
    let max = 1 + usize::from(*long) * 24;
    let mut lengths = cuts.iter().map(|cut| 1 + usize::from(*cut) * 3).cycle();
    let (mut framer, mut found, mut left) = (Framer::default(), Vec::new(), stream);
    while !left.is_empty() {
        let (mut read, rest) = left.split_at(lengths.next().unwrap_or(1).min(left.len()));
        left = rest;
        while !read.is_empty() {
            let taken = framer.feed(read, max, |line, end| {
                assert_eq!(read[end - 1], b'\n');
                found.push(own(line));
                match found.len().is_multiple_of(1 + usize::from(pause % 4)) {
                    true => Then::Stop,
                    false => Then::Next,
                }
            });
            assert!(taken > 0 || framer.partial().1 == 0, "it goes on");
            read = &read[taken..];
        }
        let (held, len, over) = framer.partial();
        assert!(held.len() <= max.max(HEAD) && (over || held.len() as u64 == len));
        // What a restart of the daemon does with half a line.
        framer = Framer::resume(held.to_vec(), len, over);
    }
    found.extend(framer.finish(own));
    assert_eq!(found, expected(stream, max));
}
