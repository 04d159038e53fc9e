//! seals.jsonl: every seal ever written, also those whose segments were pruned. It is read along with the
//! log, as far as it reached when the verification began.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Take};
use std::path::{Path, PathBuf};

use super::{Finding, Verdict};
use crate::fs::open_regular;
use crate::ledger::line::{self, Body};
use crate::ledger::seal::{self, Seal};

/// A seal of seals.jsonl, not yet believed.
pub struct Known {
    /// What it says.
    pub seal: Seal,
    /// When it was committed, nanoseconds since 1970.
    pub ts_ns: i64,
    /// Its whole line, without LF.
    pub line: Vec<u8>,
}

/// The file from some epoch on.
pub struct Seals {
    path: PathBuf,
    /// `None` if a copy of a log came without the file, or once something was wrong with it.
    reader: Option<BufReader<Take<File>>>,
    epoch: u64,
    offset: u64,
    peeked: Option<Known>,
}

/// The file's length at this moment; `None` if there is no such file.
pub fn len(path: &Path) -> Result<Option<u64>, Finding> {
    match std::fs::metadata(path) {
        Ok(meta) => Ok(Some(meta.len())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(super::unreadable(path, &e)),
    }
}

impl Seals {
    /// Opens the first `len` bytes of the file where the seal of `epoch` stands, after `offset` bytes.
    pub fn open(path: &Path, len: Option<u64>, epoch: u64, offset: u64) -> Result<Self, Finding> {
        let mut seals = Self { path: path.into(), reader: None, epoch, offset, peeked: None };
        let Some(len) = len else { return Ok(seals) };
        let rest = len.checked_sub(offset).ok_or_else(|| {
            let message = format!("{path:?} has become shorter since it was verified");
            Finding::new(Verdict::Tampered, message)
        })?;
        let mut open = || {
            let mut file = open_regular(path)?;
            file.seek(SeekFrom::Start(offset))?;
            seals.reader = Some(BufReader::new(file.take(rest)));
            Ok(())
        };
        open().map_err(|e| super::unreadable(path, &e))?;
        Ok(seals)
    }

    /// The epoch of the next seal, and the bytes before it.
    pub fn at(&self) -> (u64, u64) {
        (self.epoch, self.offset)
    }

    /// The next seal, if there is one; it has the next epoch. An unfinished last line is what a crash
    /// leaves. After an error there are no more.
    pub fn next(&mut self) -> Result<Option<Known>, Finding> {
        let known = match self.peeked.take() {
            Some(known) => Some(known),
            None => self.read()?,
        };
        if let Some(known) = &known {
            self.epoch += 1;
            self.offset += known.line.len() as u64 + 1;
        }
        Ok(known)
    }

    /// The last of the seals that stand before leaf `seq`, from where the reading is; the next one after it is next.
    pub fn last_before(&mut self, seq: u64) -> Result<Option<Known>, Finding> {
        let mut last = None;
        while self.peek()?.is_some_and(|known| known.seal.size < seq) {
            last = self.next()?;
        }
        Ok(last)
    }

    /// The next seal, left where it is.
    pub fn peek(&mut self) -> Result<Option<&Known>, Finding> {
        if self.peeked.is_none() {
            self.peeked = self.read()?;
        }
        Ok(self.peeked.as_ref())
    }

    fn read(&mut self) -> Result<Option<Known>, Finding> {
        let Some(reader) = &mut self.reader else { return Ok(None) };
        let mut bytes = Vec::new();
        if let Err(e) = reader.take(line::MAX as u64 + 1).read_until(b'\n', &mut bytes) {
            self.reader = None;
            return Err(super::unreadable(&self.path, &e));
        }
        let text = match bytes.strip_suffix(b"\n") {
            Some(text) => text,
            None if bytes.len() <= line::MAX => return Ok(None),
            None => &bytes,
        };
        let known = line::parse(text).ok().and_then(|line| match line.body {
            Body::Seal(json) => {
                let seal = seal::parse(json).ok()?;
                Some(Known { seal, ts_ns: line.ts_ns, line: text.to_vec() })
            }
            Body::Event { .. } => None,
        });
        match known.filter(|known| known.seal.epoch == self.epoch) {
            Some(known) => Ok(Some(known)),
            None => {
                self.reader = None;
                let (path, epoch) = (&self.path, self.epoch);
                let line = epoch + 1;
                let message =
                    format!("{path:?} does not hold the seal of epoch {epoch} at line {line}");
                Err(Finding::new(Verdict::Tampered, message))
            }
        }
    }
}
