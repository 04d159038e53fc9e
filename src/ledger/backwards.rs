//! Reading a log from its end, over all segments, for whoever wants to know what was written last. Lenient, as
//! [`super::reader`]: what is wrong with a log is for [`super::verify`] to say.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use memchr::{memchr, memrchr_iter};

use super::segment::{self, Encoding, NewestFirst};
use crate::fs::open_regular;

/// Bytes of a plain segment that are read at a time; longer than any line.
const BLOCK: u64 = 1 << 20;
/// A compressed segment can only be read from its start: one that is longer is not read.
const MOST_UNPACKED: u64 = 512 << 20;

/// What is given the lines, newest first, each without its LF; false once it wants no more.
type Take<'t> = &'t mut dyn FnMut(&[u8]) -> bool;

/// Gives `take` the lines of the log `log_id` (32 hex digits) in `dir`, from the active segment backwards, until it
/// wants no more or about `most` bytes of lines were read. Headers are among them, and what is no line at all;
/// of a segment and a copy of it both are read.
pub fn read(
    dir: &Path,
    active: &Path,
    log_id: &str,
    mut most: u64,
    take: Take<'_>,
) -> io::Result<()> {
    // Mostly there is no need to know what other segments there are.
    if !plain(&open_regular(active)?, &mut most, take)? {
        return Ok(());
    }
    let mut segments = NewestFirst::new(dir, log_id)?;
    while let Some(found) = segments.older()? {
        if found.path == active {
            continue;
        }
        let (found, file) = match segment::reopen(&found) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            opened => opened?,
        };
        let goes_on = match found.encoding {
            Encoding::Plain => plain(&file, &mut most, take)?,
            _ => compressed(file, &mut most, take)?,
        };
        if !goes_on {
            break;
        }
    }
    Ok(())
}

/// Whether to go on with the segment before; so below.
fn plain(file: &File, most: &mut u64, take: Take<'_>) -> io::Result<bool> {
    let mut end = file.metadata()?.len();
    let mut block = Vec::new();
    while end > 0 {
        if *most == 0 {
            return Ok(false);
        }
        let start = end.saturating_sub(BLOCK);
        block.resize((end - start) as usize, 0);
        file.read_exact_at(&mut block, start)?;
        // The first line begins before the block, unless the file does not.
        let cut =
            if start == 0 { 0 } else { memchr(b'\n', &block).map_or(block.len(), |at| at + 1) };
        if !give(&block[cut..], take) {
            return Ok(false);
        }
        *most = most.saturating_sub((block.len() - cut) as u64);
        // A block without a line is skipped.
        end = if cut == block.len() { start } else { start + cut as u64 };
    }
    Ok(*most > 0)
}

fn compressed(file: File, most: &mut u64, take: Take<'_>) -> io::Result<bool> {
    let mut contents = segment::contents(file)?.take(MOST_UNPACKED + 1);
    let (mut end, mut unpacked) = (Vec::new(), 0);
    loop {
        let read = contents.by_ref().take(BLOCK).read_to_end(&mut end)? as u64;
        unpacked += read;
        if unpacked > MOST_UNPACKED {
            return Ok(false);
        }
        let whole = read < BLOCK;
        // Not for each block: what is kept is moved to the front.
        let room = if whole { *most } else { *most + *most / 2 };
        if end.len() as u64 > room {
            end.drain(..end.len() - *most as usize);
        }
        if whole {
            break;
        }
    }
    let goes_on = give(&end, take);
    *most = most.saturating_sub(end.len() as u64);
    Ok(goes_on && *most > 0)
}

fn give(bytes: &[u8], take: Take<'_>) -> bool {
    let mut end = bytes.len();
    for at in memrchr_iter(b'\n', bytes) {
        if at + 1 < end && !take(&bytes[at + 1..end]) {
            return false;
        }
        end = at;
    }
    end == 0 || take(&bytes[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::line::peek_seq;
    use crate::ledger::reader::tests::segment;
    use std::fs;

    /// The numbers of the lines that are read, until there are `count`.
    fn read_back(dir: &Path, most: u64, count: usize) -> Vec<u64> {
        let mut seqs = Vec::new();
        let mut take = |line: &[u8]| {
            seqs.extend(peek_seq(line));
            seqs.len() < count
        };
        let active = dir.join("audit.jsonl");
        read(dir, &active, &"01".repeat(16), most, &mut take).expect("reads");
        seqs
    }

    #[test]
    fn lines_come_newest_first_over_plain_and_compressed_segments() {
        let dir = tempfile::tempdir().expect("dir");
        let at = |name: &str| dir.path().join(name);
        let zstd = zstd::encode_all(&segment(0, 0, 4000)[..], 1).expect("zstd");
        fs::write(at("old.zst"), zstd).expect("write");
        fs::write(at("audit.jsonl-1"), segment(1, 4000, 9000)).expect("write");
        fs::write(at("audit.jsonl"), segment(2, 9000, 9010)).expect("write");
        let all: Vec<_> = (0..9010).rev().collect();
        for count in [1, 9, 10, 11, 3000, 5010, 5011, 9010, 10_000] {
            assert_eq!(read_back(dir.path(), u64::MAX / 2, count), all[..count.min(9010)]);
        }
        // Some bytes into each of the three, or a block more.
        for most in [1, 5000, 10_000, 1_500_000, 3_000_000] {
            let read = read_back(dir.path(), most, 10_000);
            assert_eq!(read, all[..read.len()]);
            let bytes = read.iter().map(|seq| 20 + seq * 37 % 900).sum::<u64>();
            assert!(bytes < most + 2 * BLOCK && (bytes + 20_000) * 2 > most, "{bytes} of {most}");
        }
    }

    #[test]
    fn what_is_no_line_hides_none_of_the_lines_before_it() {
        let dir = tempfile::tempdir().expect("dir");
        let mut bytes = segment(0, 0, 5);
        bytes.resize(bytes.len() + 3 * BLOCK as usize, b'x');
        bytes.extend_from_slice(b"\n\n{\"seq\":5}\n{\"seq\":6,\"unfinished");
        fs::write(dir.path().join("audit.jsonl"), bytes).expect("write");
        assert_eq!(read_back(dir.path(), u64::MAX / 2, 10), [6, 5, 4, 3, 2, 1, 0]);
    }

    #[test]
    fn an_empty_file_is_the_end_of_nothing() {
        let dir = tempfile::tempdir().expect("dir");
        fs::write(dir.path().join("audit.jsonl"), "").expect("write");
        assert_eq!(read_back(dir.path(), 1000, 10), [0; 0]);
    }
}
