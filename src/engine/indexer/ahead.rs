//! What the index inserts next is read and parsed, and its postings are put in order, by another thread, while
//! the index inserts what comes before.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;

use self_cell::self_cell;

use crate::engine::rows::{Parser, Part};
use crate::event::FieldMap;
use crate::index::{Postings, PostingsBuilder};

/// Pieces that may wait for the index. While it commits a transaction, which takes nearly as long as to insert the rows,
/// so many are made.
const WAITING: usize = 4;

/// Whole lines, each with its LF.
pub(super) struct Piece {
    pub lines: Arc<[u8]>,
    /// The leaf behind them, if a transaction ends there.
    pub ends: Option<u64>,
}

/// A piece as the index takes it.
pub(super) struct Prepared {
    rows: Rows,
    /// Of its rows, and of rows before it.
    pub postings: Vec<Postings>,
    pub bytes: usize,
    pub ends: Option<u64>,
}

type Parts<'a> = Vec<Part<'a>>;

self_cell!(
    /// Lines, and what they say.
    struct Rows {
        owner: Arc<[u8]>,
        #[covariant]
        dependent: Parts,
    }
);

impl Prepared {
    pub fn parts(&self) -> &[Part<'_>] {
        self.rows.borrow_dependent()
    }
}

/// Prepares one piece after the other.
pub(super) struct Preparer<'c> {
    fields: &'c FieldMap,
    log_id: &'c str,
    postings: PostingsBuilder,
}

impl<'c> Preparer<'c> {
    pub fn new(fields: &'c FieldMap, log_id: &'c str) -> Self {
        Self { fields, log_id, postings: PostingsBuilder::default() }
    }

    fn prepare(&mut self, piece: Piece) -> Prepared {
        let (bytes, ends) = (piece.lines.len(), piece.ends);
        let mut postings = Vec::new();
        let rows = Rows::new(piece.lines, |lines| {
            let mut parts = Parts::new();
            let Ok(()) = Parser::new(self.fields, self.log_id).read(lines, |part| {
                part.note(&mut self.postings, &mut postings);
                parts.push(part);
                Ok::<_, Infallible>(())
            });
            parts
        });
        if ends.is_some() {
            postings.push(self.postings.finish());
        }
        Prepared { rows, postings, bytes, ends }
    }
}

/// Pieces, prepared.
pub(super) type Given<'g> = dyn Iterator<Item = io::Result<Prepared>> + 'g;

/// Hands the pieces of a source to `take`, prepared by another thread if there are many. What `take` leaves is lost.
pub(super) fn prepared<R>(
    source: &mut (dyn Iterator<Item = io::Result<Piece>> + Send),
    preparer: &mut Preparer<'_>,
    many: bool,
    take: &mut dyn FnMut(&mut Given<'_>) -> R,
) -> R {
    if many {
        let taken = thread::scope(|scope| {
            let (give, given) = sync_channel(WAITING);
            let (source, preparer) = (&mut *source, &mut *preparer);
            let work = move || {
                let mut prepared = source.map(|piece| piece.map(|piece| preparer.prepare(piece)));
                // It ends once nobody takes any more.
                prepared.try_for_each(|prepared| give.send(prepared)).is_ok()
            };
            let thread = thread::Builder::new().name("index-lines".into());
            let thread = thread.spawn_scoped(scope, work);
            thread.is_ok().then(|| take(&mut given.into_iter()))
        });
        // Without a thread to be had it takes longer.
        if let Some(taken) = taken {
            return taken;
        }
    }
    take(&mut source.map(|piece| piece.map(|piece| preparer.prepare(piece))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rows::Sink;
    use crate::index::{EventRow, IndexError, SealRow};
    use crate::ledger::line;

    const LOG_ID: &str = "0123456789abcdef0123456789abcdef";

    /// The numbers of rows and their actors.
    #[derive(Debug, Default, PartialEq)]
    struct Seen(Vec<(u64, Option<String>)>);

    impl Sink for Seen {
        fn events(&mut self, rows: &[EventRow<'_>]) -> Result<(), IndexError> {
            let of = |row: &EventRow<'_>| (row.seq, row.fields.actor.as_deref().map(str::to_owned));
            self.0.extend(rows.iter().map(of));
            Ok(())
        }

        fn seal(&mut self, _: &SealRow<'_>) -> Result<(), IndexError> {
            unreachable!("there is none")
        }
    }

    fn lines(seqs: std::ops::Range<u64>) -> Arc<[u8]> {
        let mut text = Vec::new();
        for seq in seqs {
            let ts = "2026-11-21T01:23:45.123456789Z";
            let id = format!(r#""{}-{seq}""#, &LOG_ID[..12]);
            let peer = r#"{"pid":1,"uid":0,"gid":0,"unit":null,"exe":null}"#;
            let event = format!(r#"{{"actor":"user-{}"}}"#, seq % 7);
            line::push_event(&mut text, seq, ts, id.as_bytes(), peer, event.as_bytes());
            line::push_tail(&mut text, &[9; 32]);
            text.push(b'\n');
        }
        text.into()
    }

    /// Pieces of so many leaves each; a transaction ends with each second one.
    fn pieces(sizes: &[u64]) -> Vec<Piece> {
        let ends = sizes.iter().scan(0, |next, size| {
            *next += size;
            Some(*next)
        });
        let piece = |((size, next), at): ((&u64, u64), usize)| Piece {
            lines: lines(next - size..next),
            ends: (at % 2 == 1).then_some(next),
        };
        sizes.iter().zip(ends).zip(0..).map(piece).collect()
    }

    /// What becomes of them: the rows, where transactions end, and how many postings each piece brings.
    fn given(pieces: Vec<Piece>, many: bool) -> (Seen, Vec<Option<u64>>, Vec<usize>) {
        let (map, mut rows) = (FieldMap::builtin(), Seen::default());
        let (mut ends, mut postings) = (Vec::new(), Vec::new());
        let mut preparer = Preparer::new(&map, LOG_ID);
        prepared(&mut pieces.into_iter().map(Ok), &mut preparer, many, &mut |given| {
            for prepared in given {
                let prepared = prepared.expect("nothing fails here");
                prepared.parts().iter().for_each(|part| part.give(&mut rows).expect("takes all"));
                ends.push(prepared.ends);
                postings.push(prepared.postings.len());
            }
        });
        (rows, ends, postings)
    }

    #[test]
    fn another_thread_gives_what_one_gives() {
        let sizes = [1, 0, 3000, 1, 2500, 2500];
        let (rows, ends, postings) = given(pieces(&sizes), true);
        let numbers: Vec<u64> = rows.0.iter().map(|(seq, _)| *seq).collect();
        assert_eq!(numbers, Vec::from_iter(0..8002));
        assert_eq!(ends, [None, Some(1), None, Some(3002), None, Some(8002)]);
        assert_eq!(postings, [0, 1, 0, 1, 0, 1], "they come at the end of a transaction");
        assert_eq!((rows, ends, postings), given(pieces(&sizes), false));
    }

    #[test]
    fn postings_of_a_block_come_with_the_first_row_of_the_next() {
        let (rows, _, postings) = given(pieces(&[8000, 400]), true);
        assert_eq!(rows.0.len(), 8400);
        assert_eq!(postings, [0, 2]);
    }

    #[test]
    fn who_takes_no_more_ends_it() {
        let map = FieldMap::builtin();
        let mut source =
            std::iter::repeat_with(|| Ok(Piece { lines: lines(0..10), ends: Some(10) }));
        let taken = prepared(&mut source, &mut Preparer::new(&map, LOG_ID), true, &mut |given| {
            given.take(20).filter(Result::is_ok).count()
        });
        assert_eq!(taken, 20);
    }

    #[test]
    fn what_cannot_be_read_is_told_in_its_place() {
        let map = FieldMap::builtin();
        let failed = || Err(io::Error::other("torn"));
        let mut source = pieces(&[5]).into_iter().map(Ok).chain(std::iter::once_with(failed));
        prepared(&mut source, &mut Preparer::new(&map, LOG_ID), true, &mut |given| {
            assert!(given.next().is_some_and(|first| first.is_ok()));
            let error = given.next().and_then(Result::err).expect("it failed");
            assert_eq!(error.to_string(), "torn");
        });
    }
}
