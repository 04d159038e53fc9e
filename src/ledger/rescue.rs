//! The active file was deleted or cut: its lines are put together again from whatever still has them, the
//! open file, copies of it beside it, and [`super::tail`]. The tree says whether they are the same lines.

use std::fmt;
use std::fs;
use std::io::{self, BufRead, Cursor, Read};
use std::path::{Path, PathBuf};

use super::active::{ActiveFile, Segment};
use super::line::{MAX, peek_seq};
use super::segment;
use super::tail::{FEW, KEPT_NS};
use super::tree::{Tree, leaf_hash};
use super::{Ledger, LedgerError};
use crate::clock::Now;
use crate::fs::{Access, File, Fs, replace, replace_from};

/// Bytes that are copied at a time.
const PIECE: usize = 1 << 20;

/// What became of the lines of an active file that was deleted or cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rescued {
    /// All of them are in this file now, and the ledger goes on in it.
    All {
        /// Where.
        path: PathBuf,
        /// The copy that has most of them, if there is one.
        copy: Option<PathBuf>,
        /// The first leaf and how many from it on were taken from memory.
        from_memory: Option<(u64, u64)>,
    },
    /// Some of them are in no file that the daemon knows of.
    Lost {
        /// The first leaf that is gone.
        first: u64,
        /// The last one.
        last: u64,
        /// Where those behind them are, as they came from memory: no segment, but something to look at.
        rest: Option<PathBuf>,
    },
    /// Nothing has to be: the file is longer than it was.
    NotNeeded,
}

impl fmt::Display for Rescued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rescued::All { path, copy, from_memory } => {
                write!(f, "all of its lines are now in {path:?}")?;
                if let Some(copy) = copy {
                    write!(f, ", copied from {copy:?}")?;
                }
                match from_memory {
                    Some((first, count)) => {
                        write!(f, ", the last {count}, from seq {first} on, from memory")
                    }
                    None => Ok(()),
                }
            }
            Rescued::Lost { first, last, rest } => {
                write!(
                    f,
                    "{} of its lines, seq {first} to {last}, are in no file",
                    last - first + 1
                )?;
                match rest {
                    Some(rest) => write!(f, "; those behind them are in {rest:?}"),
                    None => Ok(()),
                }
            }
            Rescued::NotNeeded => f.write_str("all that was in it is still there"),
        }
    }
}

/// Something that may hold the beginning of the active segment.
enum Source {
    /// The bytes themselves.
    Bytes(Vec<u8>),
    /// A file with the same header. It is held open: logrotate may compress and delete it at any moment.
    Copy(PathBuf, fs::File),
}

impl Source {
    fn open(&self) -> io::Result<Box<dyn BufRead + '_>> {
        Ok(match self {
            Source::Bytes(bytes) => Box::new(Cursor::new(bytes)),
            Source::Copy(_, file) => Box::new(segment::contents(file.try_clone()?)?),
        })
    }

    fn into_path(self) -> Option<PathBuf> {
        match self {
            Source::Bytes(_) => None,
            Source::Copy(path, _) => Some(path),
        }
    }
}

impl Ledger {
    /// Saves the lines of an active file that was `found` deleted or cut. If all are saved, the ledger has
    /// the file they are in open, as if it had been renamed to it.
    pub fn rescue(&mut self, found: ActiveFile) -> Result<Rescued, LedgerError> {
        if matches!(found, ActiveFile::Resized { expected, found } if found > expected) {
            return Ok(Rescued::NotNeeded);
        }
        let rescued = self.saving(&self.segment, &self.tree).run(found == ActiveFile::Unlinked)?;
        if let Rescued::All { path, .. } = &rescued {
            let open = || {
                let file = self.fs.open_append(path, Access::Shared)?;
                Segment::new(file, &self.segment.header, self.segment.len)
            };
            self.segment = open().map_err(LedgerError::io("opened for appending", path))?;
        }
        Ok(rescued)
    }

    /// Whether the segment that was closed last has been cut since, as by somebody who had it open when it
    /// was closed; saves its lines. It is looked at for a minute.
    pub fn check_closed(&mut self, now: Now) -> Result<Option<Rescued>, LedgerError> {
        let Some((closed_ns, closed)) = &self.closed else { return Ok(None) };
        let dir = &self.paths.log_dir;
        let stat = closed.file.stat().map_err(LedgerError::io("looked at", dir))?;
        if stat.len < closed.len {
            let whole = self.segment.header.tree().unwrap_or_default();
            let rescued = self.saving(closed, &whole).run(false)?;
            self.closed = None;
            return Ok(Some(rescued));
        }
        if now.boot_ns.saturating_sub(*closed_ns) > KEPT_NS {
            self.closed = None;
        }
        Ok(None)
    }

    /// CLOCK_BOOTTIME, nanoseconds, from which on many lines need not be in memory any more:
    /// [`Ledger::check_closed`] and [`Ledger::forget_lines`] free them.
    pub fn lines_kept_until(&self) -> Option<u64> {
        let closed = self.closed.as_ref().filter(|(_, closed)| closed.tail.len() > FEW);
        let closed = closed.map(|(closed_ns, _)| closed_ns.saturating_add(KEPT_NS + 1));
        closed.into_iter().chain(self.segment.tail.due()).min()
    }

    /// Frees lines of the active segment that were sealed more than a minute ago.
    pub fn forget_lines(&mut self, now: Now) {
        self.segment.tail.age(now.boot_ns);
    }

    fn saving<'a>(&'a self, segment: &'a Segment, whole: &'a Tree) -> Saving<'a> {
        let tail = segment.tail.to_vec();
        let in_memory = peek_seq(&tail).unwrap_or(whole.size());
        Saving { fs: &*self.fs, dir: &self.paths.log_dir, segment, whole, tail, in_memory }
    }
}

/// A segment whose file has lost lines.
struct Saving<'a> {
    fs: &'a dyn Fs,
    dir: &'a Path,
    segment: &'a Segment,
    /// The tree after its last line.
    whole: &'a Tree,
    /// Its newest lines.
    tail: Vec<u8>,
    /// The first leaf of these.
    in_memory: u64,
}

impl Saving<'_> {
    fn run(&self, unlinked: bool) -> Result<Rescued, LedgerError> {
        let mut missing = self.segment.header.first_seq;
        for source in self.sources(unlinked).map_err(LedgerError::io("searched", self.dir))? {
            // One that cannot be read is one that does not help.
            let tree = self.tree_before_tail(&source).unwrap_or_default();
            if tree.size() < self.in_memory {
                missing = missing.max(tree.size());
            } else if self.is_whole(tree) {
                let path = self.dir.join(format!("audit-rescued-{}.jsonl", self.segment.number));
                let written = self.write(&path, &source);
                written.map_err(LedgerError::io("written", &path))?;
                let count = self.whole.size() - self.in_memory;
                let from_memory = (count > 0).then_some((self.in_memory, count));
                return Ok(Rescued::All { path, copy: source.into_path(), from_memory });
            }
        }
        let (last, rest) = (self.in_memory - 1, self.keep_tail()?);
        Ok(Rescued::Lost { first: missing, last, rest })
    }

    fn sources(&self, unlinked: bool) -> io::Result<Vec<Source>> {
        let Segment { file, header, .. } = self.segment;
        let mut sources = Vec::new();
        if unlinked {
            sources.push(Source::Bytes(file.read_all()?));
        }
        let copies = segment::list(self.dir)?.into_iter().filter(|found| found.header == *header);
        let opened = copies.filter_map(|found| segment::reopen(&found).ok());
        sources.extend(opened.map(|(found, file)| Source::Copy(found.path, file)));
        // All lines may be in memory.
        sources.push(Source::Bytes(header.to_line()));
        Ok(sources)
    }

    /// The tree over the lines of a source, up to where the lines in memory begin.
    fn tree_before_tail(&self, source: &Source) -> io::Result<Tree> {
        let mut tree = self.segment.header.tree().unwrap_or_default();
        let mut reader = source.open()?.take(self.segment.tail.start());
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line)?;
        loop {
            line.clear();
            (&mut reader).take(MAX as u64 + 1).read_until(b'\n', &mut line)?;
            match line.strip_suffix(b"\n") {
                Some(text) if peek_seq(text) == Some(tree.size()) => tree.push(leaf_hash(text)),
                _ => return Ok(tree),
            }
        }
    }

    /// Whether the lines in memory follow the leaves of `tree`, and give the tree that was signed.
    fn is_whole(&self, mut tree: Tree) -> bool {
        for line in self.tail.split_inclusive(|byte| *byte == b'\n') {
            tree.push(leaf_hash(line.strip_suffix(b"\n").unwrap_or(line)));
        }
        tree == *self.whole
    }

    /// Writes the segment anew, from the source and from memory. Until it is whole it is where nobody looks for segments:
    /// a power failure may tear it, and a torn one is no copy.
    fn write(&self, path: &Path, source: &Source) -> io::Result<()> {
        let before = self.segment.tail.start();
        let staging = self.dir.join(".rescue");
        self.fs.create_dir(&staging, Access::Private)?;
        replace_from(self.fs, &staging.join("segment"), path, Access::Shared, |file| {
            if copy(&mut source.open()?.take(before), file)? != before {
                return Err(io::Error::other("what it is copied from has changed meanwhile"));
            }
            file.append(&self.tail)
        })
    }

    /// Keeps the lines in memory, where they do not continue anything, in a file of their own.
    fn keep_tail(&self) -> Result<Option<PathBuf>, LedgerError> {
        if self.tail.is_empty() {
            return Ok(None);
        }
        let Segment { number, tail, .. } = self.segment;
        let path = self.dir.join(format!("tail-{number}-at-{}.bytes", tail.start()));
        replace(self.fs, &path, &self.tail, Access::Shared)
            .map_err(LedgerError::io("written", &path))?;
        Ok(Some(path))
    }
}

/// Appends all of `from`; how many bytes that was.
fn copy(from: &mut dyn Read, to: &mut dyn File) -> io::Result<u64> {
    let mut piece = vec![0; PIECE];
    let mut copied = 0;
    loop {
        let read = from.read(&mut piece)?;
        if read == 0 {
            return Ok(copied);
        }
        to.append(&piece[..read])?;
        copied += read as u64;
    }
}
