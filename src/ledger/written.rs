//! What was appended to the log and is durable, in memory: once, for all who want it for a while.

use std::sync::Arc;

/// Bytes of a piece at most, but for a longer line. Small enough for the heap, which uses freed memory again: what is
/// larger gets new pages each time, and a kernel takes longer to make a page than a line takes to be signed.
const PIECE: usize = 256 << 10;

/// Whole lines, each with its LF, in the order of the log. To clone it copies no lines.
#[derive(Clone, Debug, Default)]
pub struct Written {
    pieces: Vec<Arc<[u8]>>,
    len: usize,
}

impl Written {
    /// A copy of these lines.
    pub fn of(lines: &[u8]) -> Self {
        let (mut pieces, mut rest) = (Vec::with_capacity(lines.len() / PIECE + 1), lines);
        while rest.len() > PIECE {
            let end = memchr::memrchr(b'\n', &rest[..PIECE]);
            let end = end.or_else(|| memchr::memchr(b'\n', rest));
            let (piece, after) = rest.split_at(end.map_or(rest.len(), |at| at + 1));
            pieces.push(piece.into());
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(rest.into());
        }
        Self { pieces, len: lines.len() }
    }

    /// Adds lines that follow.
    pub fn append(&mut self, further: Self) {
        self.pieces.extend(further.pieces);
        self.len += further.len;
    }

    /// Parts of it, each of whole lines.
    pub fn pieces(&self) -> &[Arc<[u8]>] {
        &self.pieces
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_are_whole_lines_and_all_of_them(lengths in prop::collection::vec(0usize..70_000, 0..40)) {
            let lines: Vec<u8> = lengths.iter().flat_map(|n| [vec![b'x'; *n], vec![b'\n']].concat()).collect();
            let written = Written::of(&lines);
            prop_assert_eq!(written.pieces().concat(), lines);
            prop_assert!(written.pieces().iter().all(|p| p.ends_with(b"\n") && p.len() <= PIECE));
        }

        #[test]
        fn a_line_longer_than_a_piece_is_a_piece(before in 0usize..3, len in PIECE..2 * PIECE) {
            let lines = [&b"a\n".repeat(before)[..], &vec![b'x'; len], b"\nb\n"].concat();
            let written = Written::of(&lines);
            prop_assert_eq!(written.pieces().concat(), lines);
            prop_assert!(written.pieces().iter().all(|p| p.ends_with(b"\n")));
        }
    }
}
