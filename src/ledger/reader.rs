//! Reading lines by sequence number, over all segments of a log, for whoever follows it. Lenient: what
//! is wrong with a log is for [`super::verify`] to say.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::line::{MAX, peek_seq};
use super::segment::{self, Contents, Encoding, Found, Header, NewestFirst};

/// How often to choose a segment again because the one chosen was deleted meanwhile.
const TRIES: usize = 10;

/// Whole lines, each with its LF, in the order of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// Their bytes.
    pub bytes: Vec<u8>,
    /// The leaf to go on with.
    pub next: u64,
}

/// Reads a log from any leaf on; remembers where it stopped.
pub struct Reader {
    dir: PathBuf,
    log_id: String,
    open: Option<Open>,
    /// Segments as they were when one was looked for, oldest first.
    listed: Vec<Found>,
}

/// The segment being read, positioned before leaf `next`. Leaves from `after` to there are not in the log.
struct Open {
    found: Found,
    reader: BufReader<Contents>,
    after: u64,
    next: u64,
}

impl Open {
    /// Reads lines below `to`; `false` if the segment ends before.
    fn read(&mut self, lines: &mut Lines, to: u64, max_bytes: usize) -> io::Result<bool> {
        while lines.next < to && lines.bytes.len() < max_bytes {
            let start = lines.bytes.len();
            read_line(&mut self.reader, &mut lines.bytes)?;
            if !lines.bytes[start..].ends_with(b"\n") {
                lines.bytes.truncate(start);
                return Ok(false);
            }
            match peek_seq(&lines.bytes[start..]) {
                Some(seq) if seq >= lines.next => lines.next = seq + 1,
                // The header, or a line before the one wanted in a compressed segment.
                _ => lines.bytes.truncate(start),
            }
            (self.after, self.next) = (lines.next, lines.next);
        }
        Ok(true)
    }
}

impl Reader {
    /// A reader of the log `log_id` (32 hex digits) in `dir`.
    pub fn new(dir: &Path, log_id: &str) -> Self {
        Self { dir: dir.into(), log_id: log_id.into(), open: None, listed: Vec::new() }
    }

    /// Reads lines of leaves [from, to), stopping after about `max_bytes` or at the end of a segment.
    /// `next` is `from` only if there is nothing to read: leaves that retention deleted are skipped.
    pub fn read(&mut self, from: u64, to: u64, max_bytes: usize) -> io::Result<Lines> {
        let mut lines = Lines { bytes: Vec::new(), next: from };
        if from >= to {
            return Ok(lines);
        }
        let goes_on = |open: &Open| (open.after..=open.next).contains(&from);
        if !self.open.as_ref().is_some_and(goes_on) {
            self.open = self.locate(from)?;
        }
        while let Some(open) = &mut self.open {
            lines.next = lines.next.max(open.next);
            if open.read(&mut lines, to, max_bytes)? {
                break;
            }
            // The segment ends here: its lines first, the next segment when we are asked again.
            let ended = self.open.take();
            self.open = ended.map(|ended| self.open_after(&ended)).transpose()?.flatten();
            if !lines.bytes.is_empty() {
                break;
            }
        }
        Ok(lines)
    }

    /// Hands on the lines of leaves [from, to), each without its LF.
    pub fn each(&mut self, from: u64, to: u64, mut then: impl FnMut(&[u8])) -> io::Result<()> {
        const CHUNK: usize = 1 << 20;
        let mut next = from;
        loop {
            let lines = self.read(next, to, CHUNK)?;
            let mut rest = &lines.bytes[..];
            while let Some(end) = memchr::memchr(b'\n', rest) {
                if end > 0 {
                    then(&rest[..end]);
                }
                rest = &rest[end + 1..];
            }
            if lines.next == next {
                return Ok(());
            }
            next = lines.next;
        }
    }

    /// The segment that holds leaf `seq`, positioned at it; or the first one after it.
    fn locate(&mut self, seq: u64) -> io::Result<Option<Open>> {
        self.open_one(seq, |segments| {
            let at = segments.partition_point(|found| found.header.first_seq <= seq);
            let found = at.checked_sub(1).map(|at| &segments[at]).or(segments.first());
            found.map(|found| open_at(found, seq)).transpose()
        })
    }

    /// Opens what `choose` takes of the segments from the one on that holds leaf `seq`; again, if that was deleted
    /// meanwhile, as retention does.
    fn open_one(
        &mut self,
        seq: u64,
        choose: impl Fn(&[Found]) -> io::Result<Option<Open>>,
    ) -> io::Result<Option<Open>> {
        for _ in 1..TRIES {
            match choose(self.list_from(seq)?) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                chosen => return chosen,
            }
        }
        choose(self.list_from(seq)?)
    }

    /// What follows a file that was read to its end: a longer file of the same segment, where somebody has
    /// copied it while it was written; else the first segment that begins after it.
    fn open_after(&mut self, ended: &Open) -> io::Result<Option<Open>> {
        let header = &ended.found.header;
        // If nothing is missing between the two there is no need to look what other files there are by now.
        let place = |header: &Header| (header.first_seq, header.segment);
        let at = self.listed.partition_point(|found| place(&found.header) <= place(header));
        if let Some(found) = self.listed.get(at).filter(|f| f.header.first_seq == ended.next) {
            match open_at(found, ended.next) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                opened => return opened.map(Some),
            }
        }
        let same = |found: &&Found| found.header == *header && found.path != ended.found.path;
        self.open_one(header.first_seq, |segments| {
            for copy in segments.iter().filter(same) {
                let mut lines = Lines { bytes: Vec::new(), next: ended.next };
                open_at(copy, ended.next)?.read(&mut lines, ended.next + 1, MAX)?;
                if !lines.bytes.is_empty() {
                    return open_at(copy, ended.next).map(Some);
                }
            }
            let next = segments.iter().find(|found| found.header.first_seq > header.first_seq);
            next.map(|found| open_at(found, ended.next)).transpose()
        })
    }

    /// The segments as they are now, oldest first, from the one on that holds leaf `seq`; those before it are not
    /// opened.
    fn list_from(&mut self, seq: u64) -> io::Result<&[Found]> {
        let mut newest = NewestFirst::new(&self.dir, &self.log_id)?;
        let mut first = None;
        self.listed.clear();
        while let Some(found) = newest.older()? {
            let begins = found.header.first_seq;
            if first.is_some_and(|first| begins < first) {
                break;
            }
            first = first.or((begins <= seq).then_some(begins));
            self.listed.push(found);
        }
        self.listed.reverse();
        Ok(&self.listed)
    }
}

/// A segment, positioned at the first leaf in it from `after` on; those before that one are not in the log.
fn open_at(found: &Found, after: u64) -> io::Result<Open> {
    let (found, mut file) = segment::reopen(found)?;
    let next = after.max(found.header.first_seq);
    // In a compressed one, lines before that leaf are skipped as they come.
    let offset = match found.encoding {
        Encoding::Plain => find_line(&mut file, next)?,
        _ => 0,
    };
    let (_, reader) = segment::contents_at(file, offset)?;
    Ok(Open { found, reader, after, next })
}

/// Reads one line with its LF; without one at the end of the file. A line over the limit is cut into
/// pieces, none of which is a ledger line.
fn read_line(reader: &mut (impl BufRead + ?Sized), out: &mut Vec<u8>) -> io::Result<usize> {
    reader.take(MAX as u64 + 1).read_until(b'\n', out)
}

/// The offset of leaf `seq`'s line in a plain segment, found by halving: lines are in order and say
/// their number at their start. The end of the file if there is none.
fn find_line(file: &mut File, seq: u64) -> io::Result<u64> {
    let (mut low, mut high) = (0, file.metadata()?.len());
    // Invariant: the line wanted starts in [low, high]; `low` is a line's start.
    while high - low > 4 * MAX as u64 {
        let middle = low + (high - low) / 2;
        match first_line_from(file, middle, high)? {
            Some((start, found)) if found < seq => low = start,
            Some((_, _)) => high = middle,
            None => break,
        }
    }
    file.seek(SeekFrom::Start(low))?;
    let mut reader = BufReader::new(&mut *file);
    let mut line = Vec::new();
    loop {
        line.clear();
        let bytes = read_line(&mut reader, &mut line)? as u64;
        if bytes == 0 || peek_seq(&line).is_some_and(|found| found >= seq) {
            return Ok(low);
        }
        low += bytes;
    }
}

/// The start and number of the first ledger line that starts in (from, to).
fn first_line_from(file: &mut File, from: u64, to: u64) -> io::Result<Option<(u64, u64)>> {
    file.seek(SeekFrom::Start(from))?;
    let mut reader = BufReader::new(&mut *file).take(to - from);
    let mut line = Vec::new();
    let mut start = from + read_line(&mut reader, &mut line)? as u64;
    while start < to {
        line.clear();
        let bytes = read_line(&mut reader, &mut line)? as u64;
        if bytes == 0 {
            break;
        }
        if let Some(seq) = peek_seq(&line) {
            return Ok(Some((start, seq)));
        }
        start += bytes;
    }
    Ok(None)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::ledger::tree::Tree;
    use std::fs;

    /// A segment of leaves [first, end) that are not signed: the reader does not look at macs.
    pub fn segment(number: u64, first: u64, end: u64) -> Vec<u8> {
        let mut tree = Tree::default();
        (0..first).for_each(|_| tree.push([0; 32]));
        let opened = "2026-11-21T01:23:45.123456789Z".to_owned();
        let mut bytes = Header::new(&[1; 16], "h", number, &tree, opened).to_line();
        for seq in first..end {
            let pad = "x".repeat((seq as usize * 37) % 900);
            bytes.extend_from_slice(format!("{{\"seq\":{seq},\"pad\":\"{pad}\"}}\n").as_bytes());
        }
        bytes
    }

    fn read_all(reader: &mut Reader, mut from: u64, to: u64) -> Vec<u64> {
        let mut seqs = Vec::new();
        for _ in 0..100_000 {
            let lines = reader.read(from, to, 5000).expect("read");
            seqs.extend(lines.bytes.split(|b| *b == b'\n').filter_map(peek_seq));
            if lines.next == from {
                break;
            }
            from = lines.next;
        }
        seqs
    }

    #[test]
    fn lines_are_found_from_any_leaf_on_over_plain_and_compressed_segments() {
        let dir = tempfile::tempdir().expect("dir");
        let gz = zstd::encode_all(&segment(0, 0, 100)[..], 3).expect("zstd");
        fs::write(dir.path().join("old.zst"), gz).expect("write");
        fs::write(dir.path().join("audit.jsonl-1"), segment(1, 100, 3000)).expect("write");
        fs::write(dir.path().join("audit.jsonl"), segment(2, 3000, 3010)).expect("write");
        let id = "01".repeat(16);
        for from in [0, 1, 57, 99, 100, 101, 1500, 2998, 2999, 3000, 3005, 3009] {
            let got = read_all(&mut Reader::new(dir.path(), &id), from, 3010);
            assert_eq!(got, (from..3010).collect::<Vec<_>>(), "from {from}");
        }
        assert_eq!(read_all(&mut Reader::new(dir.path(), &id), 90, 120).len(), 30);
        assert_eq!(read_all(&mut Reader::new(dir.path(), "00"), 0, 3010), Vec::<u64>::new());
    }

    #[test]
    fn a_copy_that_ends_early_hides_none_of_the_lines_behind_it() {
        let dir = tempfile::tempdir().expect("dir");
        let whole = segment(0, 0, 500);
        for (copy, original) in [("a", "b"), ("b", "a")] {
            fs::write(dir.path().join(copy), &whole[..whole.len() / 2]).expect("write");
            fs::write(dir.path().join(original), &whole).expect("write");
            fs::write(dir.path().join("c"), segment(1, 500, 600)).expect("write");
            for from in [0, 3, 300, 499, 500] {
                let got = read_all(&mut Reader::new(dir.path(), &"01".repeat(16)), from, 600);
                assert_eq!(got, (from..600).collect::<Vec<_>>(), "from {from}");
            }
        }
    }

    #[test]
    fn leaves_that_were_pruned_between_two_segments_are_skipped() {
        let dir = tempfile::tempdir().expect("dir");
        for (number, first, end) in [(0, 0, 100), (2, 300, 310), (5, 1000, 1010)] {
            let path = dir.path().join(number.to_string());
            fs::write(path, segment(number, first, end)).expect("write");
        }
        let there: Vec<u64> = (0..100).chain(300..310).chain(1000..1010).collect();
        for from in [0, 50, 100, 200, 299, 300, 309, 310, 999, 1000, 1009, 1010] {
            let mut reader = Reader::new(dir.path(), &"01".repeat(16));
            let wanted: Vec<_> = there.iter().copied().filter(|seq| *seq >= from).collect();
            assert_eq!(read_all(&mut reader, from, u64::MAX), wanted, "from {from}");
        }
        // One that goes on from where it stopped takes no leaf for another.
        let mut reader = Reader::new(dir.path(), &"01".repeat(16));
        assert_eq!(read_all(&mut reader, 90, 305).len(), 15);
        assert_eq!(read_all(&mut reader, 250, 302), [300, 301]);
        assert_eq!(reader.read(200, 250, 5000).expect("read").bytes, b"");
    }

    #[test]
    fn leaves_that_were_pruned_are_skipped_and_an_unfinished_line_is_left_alone() {
        let dir = tempfile::tempdir().expect("dir");
        let mut bytes = segment(1, 100, 103);
        bytes.extend_from_slice(b"{\"seq\":103,\"pa");
        fs::write(dir.path().join("audit.jsonl"), bytes).expect("write");
        let mut reader = Reader::new(dir.path(), &"01".repeat(16));
        assert_eq!(read_all(&mut reader, 0, 200), [100, 101, 102]);
    }
}
