//! The end of the newest segment: the last seal, completed from the state file, and the lines after it.

use std::io::{self, Read};
use std::path::Path;

use super::lines::{self, Run, Then};
use super::{Recovery, is_signed, state_older};
use crate::fs::{self, Access};
use crate::ledger::LedgerError;
use crate::ledger::active::Segment;
use crate::ledger::line;
use crate::ledger::segment::{self, Encoding, Found};
use crate::ledger::state::LastSeal;
use crate::ledger::torn::is_torn;
use crate::ledger::watched::Watched;

/// Bytes that are kept of what is cut: somebody may have made the file as long as a disk.
const MOST_KEPT: u64 = 16 << 20;

/// What the newest segment holds after the last seal.
#[derive(Default)]
pub(super) struct Unsealed {
    /// Whole, well-formed lines in order.
    pub lines: u64,
    /// Bytes up to the end of the last of them.
    pub end: u64,
    /// Bytes of an unterminated last line.
    pub unterminated: u64,
    /// Bytes from the first line on that is none, its end included.
    pub garbage: u64,
}

impl Recovery {
    /// Finds the last seal, replays what the file lacks of it, and reads the lines after it. Returns the
    /// segment to go on in, if it can be appended to.
    pub(super) fn locate_end(&mut self) -> Result<Option<Segment>, LedgerError> {
        let Some(found) = self.newest.clone() else {
            self.damage.push("no segment of this log was found".into());
            return Ok(None);
        };
        let header_len = found.header.to_line().len() as u64;
        let start = match &self.state.seal {
            Some(last) if found.header.segment == last.segment => {
                let last = last.clone();
                match self.replay(&found, &last)? {
                    Some(after_seal) => after_seal,
                    None => return Ok(None),
                }
            }
            // Rotated right after the seal.
            Some(last)
                if found.header.segment == last.segment + 1
                    && found.header.tree().as_ref() == Some(&last.tree) =>
            {
                header_len
            }
            None if found.header.segment == 0 => header_len,
            Some(last) if found.header.segment < last.segment => {
                let name = last.segment;
                self.damage.push(format!("segment {name}, which was being written, is missing"));
                return Ok(None);
            }
            _ => return Err(state_older(&self.setup, &found)),
        };
        self.read_unsealed(&found, start)?;
        if found.encoding != Encoding::Plain {
            return Ok(None);
        }
        self.cut(&found).map(Some)
    }

    /// Makes sure that the last seal stands in the file, writing what is missing of it. Returns the offset
    /// after it, or `None` if the file is not one to go on in.
    fn replay(&mut self, found: &Found, last: &LastSeal) -> Result<Option<u64>, LedgerError> {
        let mut wanted = last.line.clone();
        wanted.push(b'\n');
        let end = last.offset + wanted.len() as u64;
        let read = read_at(&found.path, last.offset, wanted.len() as u64);
        let (reached, there) = read.map_err(LedgerError::io("read", &found.path))?;
        if !reached {
            self.damage.push(format!(
                "{:?} is shorter than when its last seal was written (seq {}, byte {})",
                found.path,
                last.tree.size() - 1,
                last.offset
            ));
            return Ok(None);
        }
        if there == wanted {
            return Ok(Some(end));
        }
        let len = std::fs::metadata(&found.path).map(|meta| meta.len());
        let is_last = len.map_err(LedgerError::io("read", &found.path))? <= end;
        if !(is_last && is_torn(&there, &wanted) && found.encoding == Encoding::Plain) {
            self.damage.push(format!(
                "{:?} does not hold the seal that was written to it at byte {}",
                found.path, last.offset
            ));
            return Ok(None);
        }
        let replayed =
            self.setup.fs.open_append(&found.path, Access::Shared).and_then(|mut file| {
                if wanted.starts_with(&there) {
                    file.append(&wanted[there.len()..])?;
                } else {
                    file.truncate(last.offset)?;
                    file.append(&wanted)?;
                }
                file.sync()
            });
        replayed.map_err(LedgerError::io("completed", &found.path))?;
        Ok(Some(end))
    }

    /// Reads the lines of the open epoch into the tree.
    fn read_unsealed(&mut self, found: &Found, start: u64) -> Result<(), LedgerError> {
        let io = || LedgerError::io("read", &found.path);
        let (_, reader) = std::fs::File::open(&found.path)
            .and_then(|file| segment::contents_at(file, start))
            .map_err(io())?;
        let mut reader = Watched::new(reader, &self.setup.on_read);
        let (state, tree, unsealed) = (&self.state, &mut self.tree, &mut self.unsealed);
        unsealed.end = start;
        let mut whole = true;
        let (next, join) = (tree.size(), |Run { range, bytes, then }| {
            unsealed.lines += range.len();
            unsealed.end += bytes;
            range.nodes().iter().for_each(|(height, root)| tree.push_subtree(*height, *root));
            whole = matches!(then, Then::More);
            match then {
                Then::Seal(text) if is_signed(state, &text) => Err(state_older(&self.setup, found)),
                // Anybody can write what looks like one.
                _ => Ok(whole),
            }
        });
        let read = lines::each_run(&mut reader, next, |e| io()(e), join)?;
        let behind = read - (self.unsealed.end - start);
        if whole && behind <= line::MAX as u64 {
            self.unsealed.unterminated = behind;
        } else {
            let rest = io::copy(&mut reader, &mut io::sink()).map_err(io())?;
            self.unsealed.garbage = behind + rest;
            self.damage.push(format!(
                "{:?} holds {} bytes from byte {} on that are not the lines that follow seq {}",
                found.path,
                self.unsealed.garbage,
                self.unsealed.end,
                self.tree.size() as i64 - 1
            ));
        }
        Ok(())
    }

    /// Cuts what follows the last whole line, keeping a copy of anything but an unfinished line, and opens
    /// the segment.
    fn cut(&mut self, found: &Found) -> Result<Segment, LedgerError> {
        let path = &found.path;
        if self.unsealed.garbage > 0 {
            let kept = self.unsealed.garbage.min(MOST_KEPT);
            let (_, bytes) =
                read_at(path, self.unsealed.end, kept).map_err(LedgerError::io("read", path))?;
            let copy = self
                .setup
                .paths
                .log_dir
                .join(format!("cut-{}-at-{}.bytes", found.header.segment, self.unsealed.end));
            fs::replace(&*self.setup.fs, &copy, &bytes, Access::Shared)
                .map_err(LedgerError::io("written", &copy))?;
            self.damage
                .push(format!("they were cut; the first {kept} of them are kept in {copy:?}"));
        }
        let cut = self.unsealed.unterminated + self.unsealed.garbage;
        let len = self.unsealed.end;
        let open = || {
            let mut file = self.setup.fs.open_append(path, Access::Shared)?;
            if cut > 0 {
                file.truncate(len)?;
            }
            // Lines that a dead process appended but never synced become durable with the seal's sync.
            Segment::new(file, &found.header, len)
        };
        open().map_err(LedgerError::io("opened for appending", path))
    }
}

/// Up to `len` bytes from `offset` on of a segment's contents, and whether it reaches that far at all.
fn read_at(path: &Path, offset: u64, len: u64) -> io::Result<(bool, Vec<u8>)> {
    let (reached, reader) = segment::contents_at(std::fs::File::open(path)?, offset)?;
    let mut bytes = Vec::new();
    reader.take(len).read_to_end(&mut bytes)?;
    Ok((reached, bytes))
}
