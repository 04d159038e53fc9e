//! The lines after the last seal, checked by all cores: a crash may have left many of them, and clients wait.

use std::io::{self, Read};
use std::panic::resume_unwind;
use std::thread;

use crate::ledger::line::{self, Body};
use crate::ledger::tree::{CompactRange, leaf_hash};

/// Bytes that a core is given at a time; longer than any line.
const BLOCK: usize = 1 << 20;

/// Event lines in a row.
pub struct Run {
    /// Their subtrees.
    pub range: CompactRange,
    /// Their bytes, LF included.
    pub bytes: u64,
    /// What follows them.
    pub then: Then,
}

/// What comes after event lines.
pub enum Then {
    /// More lines, or the end.
    More,
    /// The line of a seal, without LF.
    Seal(Vec<u8>),
    /// Something that does not belong there.
    Other,
}

/// Reads lines from `reader` on, of which the first has the number `next`, and gives `join` what each block of them
/// holds, in order, until it says that this is enough or there is no whole line any more. Returns the bytes that
/// were read.
pub fn each_run<E>(
    reader: &mut impl Read,
    mut next: u64,
    io: impl Fn(io::Error) -> E,
    mut join: impl FnMut(Run) -> Result<bool, E>,
) -> Result<u64, E> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let (mut read, mut rest) = (0, Vec::new());
    let mut take = || {
        let mut blocks = Vec::with_capacity(cores);
        while blocks.len() < cores {
            let before = rest.len() as u64;
            let block = take_block(reader, &mut rest)?;
            read += (block.len() + rest.len()) as u64 - before;
            if block.is_empty() {
                break;
            }
            let first = next;
            next += memchr::memchr_iter(b'\n', &block).count() as u64;
            blocks.push((block, first));
        }
        Ok(blocks)
    };
    let mut blocks = take().map_err(&io)?;
    'blocks: while !blocks.is_empty() {
        let (runs, further) = check_all(&blocks, &mut take);
        for run in runs {
            if !join(run)? {
                break 'blocks;
            }
        }
        blocks = further.map_err(&io)?;
    }
    Ok(read)
}

/// The next whole lines; `rest` is what was read before them and behind them. Nothing at the end, or where there is
/// no line.
fn take_block(reader: &mut impl Read, rest: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    let mut block = std::mem::take(rest);
    block.reserve_exact(BLOCK);
    reader.take(BLOCK as u64).read_to_end(&mut block)?;
    let end = memchr::memrchr(b'\n', &block).map_or(0, |at| at + 1);
    *rest = block.split_off(end);
    Ok(block)
}

/// What each block holds, and what `meanwhile` gives. A block that no thread can be had for is checked by this one.
fn check_all<T>(blocks: &[(Vec<u8>, u64)], mut meanwhile: impl FnMut() -> T) -> (Vec<Run>, T) {
    thread::scope(|scope| {
        let begun: Vec<_> = blocks
            .iter()
            .map(|(block, first)| {
                let check = move || check(block, *first);
                (check, thread::Builder::new().spawn_scoped(scope, check))
            })
            .collect();
        let meanwhile = meanwhile();
        let runs = begun.into_iter().map(|(check, begun)| match begun {
            Ok(begun) => begun.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Err(_) => check(),
        });
        (runs.collect(), meanwhile)
    })
}

/// Whole lines, each with its LF, of which the first has to be `first`.
fn check(block: &[u8], first: u64) -> Run {
    let mut run = Run { range: CompactRange::new(first), bytes: 0, then: Then::More };
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', block) {
        let text = &block[start..end];
        start = end + 1;
        match line::parse(text) {
            Ok(line) if line.seq == run.range.end() => match line.body {
                Body::Event { .. } => run.range.push(leaf_hash(text)),
                Body::Seal(_) => {
                    run.then = Then::Seal(text.to_vec());
                    break;
                }
            },
            _ => {
                run.then = Then::Other;
                break;
            }
        }
        run.bytes = start as u64;
    }
    run
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::line::{push_event, push_seal, push_tail};
    use crate::ledger::tree::Tree;

    const TS: &str = "2026-11-21T01:23:45.123456789Z";
    const FIRST: u64 = 5;

    /// An event's line, long enough for a hundred of them to take several rounds of all cores.
    fn event(seq: u64) -> Vec<u8> {
        let text = format!("{{\"text\":\"{}\"}}", "x".repeat(60_000 + seq as usize * 7 % 4000));
        let mut line = Vec::new();
        push_event(&mut line, seq, TS, b"\"a\"", "{}", text.as_bytes());
        push_tail(&mut line, &[seq as u8; 32]);
        line.push(b'\n');
        line
    }

    fn seal(seq: u64) -> Vec<u8> {
        let mut line = Vec::new();
        push_seal(&mut line, seq, TS, b"\"a\"", "{}");
        push_tail(&mut line, &[0; 32]);
        line.push(b'\n');
        line
    }

    /// The bytes that were read, those of lines, and the tree; where it stopped, and whether at a seal.
    fn read(bytes: &[u8]) -> (u64, u64, Tree, Option<bool>) {
        let mut tree = Tree::default();
        (0..FIRST).for_each(|n| tree.push([n as u8; 32]));
        let (mut lines, mut stopped) = (0, None);
        let join = |run: Run| {
            assert_eq!(run.range.begin(), tree.size());
            run.range.nodes().iter().for_each(|(height, root)| tree.push_subtree(*height, *root));
            lines += run.bytes;
            stopped = match run.then {
                Then::More => None,
                Then::Seal(text) => Some(text.starts_with(b"{\"seq\"")),
                Then::Other => Some(false),
            };
            Ok(stopped.is_none())
        };
        let mut reader = bytes;
        let read = each_run(&mut reader, FIRST, |e| e, join).expect("reads");
        (read, lines, tree, stopped)
    }

    fn tree_of(lines: &[Vec<u8>]) -> Tree {
        let mut tree = Tree::default();
        (0..FIRST).for_each(|n| tree.push([n as u8; 32]));
        lines.iter().for_each(|line| tree.push(leaf_hash(&line[..line.len() - 1])));
        tree
    }

    #[test]
    fn many_lines_give_the_tree_and_the_place_that_they_give_one_by_one() {
        let lines: Vec<_> = (FIRST..FIRST + 130).map(event).collect();
        for whole in [0, 1, 17, 34, 35, 70, 129, 130] {
            let before = lines[..whole].concat();
            let (len, tree) = (before.len() as u64, tree_of(&lines[..whole]));
            let last = FIRST + whole as u64;
            let unfinished = event(last);
            for (what, stops) in [
                (&unfinished[..unfinished.len() - 1], None),
                (&event(last + 1), Some(false)),
                (b"\n", Some(false)),
                (&seal(last), Some(true)),
            ] {
                // What comes behind it does not matter.
                let behind = if stops.is_some() { lines.concat() } else { Vec::new() };
                let bytes = [&before, what, &behind[..]].concat();
                let found = read(&bytes);
                assert_eq!((found.1, &found.2, found.3), (len, &tree, stops), "{whole} lines");
                assert!(stops.is_some() || found.0 == bytes.len() as u64);
            }
        }
    }

    #[test]
    fn a_line_without_end_is_where_it_stops() {
        let lines: Vec<_> = (FIRST..FIRST + 20).map(event).collect();
        let bytes =
            [&lines.concat()[..], &vec![b'x'; 5 * BLOCK], b"\n", &event(FIRST + 20)].concat();
        let (read, len, tree, _) = read(&bytes);
        assert_eq!((len, tree), (lines.concat().len() as u64, tree_of(&lines)));
        assert!(read > len + line::MAX as u64);
    }
}
