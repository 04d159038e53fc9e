//! After a stop or a crash: what the state file says is held against what the segments hold.

use std::io::{self, Read};
use std::path::Path;

use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use super::active::Segment;
use super::checkpoint::Signer;
use super::epoch::{Epoch, EpochKeys};
use super::files::{create_segment, open_seals, set_aside};
use super::keys::{LogId, SignKey, text};
use super::line::{self, Body};
use super::log::{boot, hex, signer};
use super::open::{Opened, Setup};
use super::seal::{self, Reason};
use super::seals_file;
use super::segment::{self, Encoding, Found, Header};
use super::state::{LastSeal, State, StateFile};
use super::tree::{Tree, leaf_hash};
use super::{Ledger, LedgerError, Paths};
use crate::clock::{Now, rfc3339};
use crate::fs::{self, Access};
use crate::record::Record;

/// Bytes that are kept of what is cut: somebody may have made the file as long as a disk.
const MOST_KEPT: u64 = 16 << 20;

/// What the newest segment holds after the last seal.
#[derive(Default)]
struct Tail {
    /// Whole, well-formed lines in order.
    lines: u64,
    /// Bytes up to the end of the last of them.
    end: u64,
    /// Bytes of an unterminated last line.
    unterminated: u64,
    /// Bytes from the first line on that is none, its end included.
    garbage: u64,
}

/// The comparison of state file and segments.
pub(super) struct Recovery {
    setup: Setup,
    state_file: StateFile,
    state: State,
    /// Of this log, oldest first.
    segments: Vec<Found>,
    newest: Option<Found>,
    tree: Tree,
    tail: Tail,
    /// Sentences about what is not as the daemon left it.
    damage: Vec<String>,
}

impl Recovery {
    pub fn new(setup: Setup, state_file: StateFile, state: State, segments: &[Found]) -> Self {
        let log_id = hex(&state.log_id);
        let of_log = segments.iter().filter(|found| found.header.log_id == log_id);
        let segments: Vec<_> = of_log.cloned().collect();
        // Of two files of one segment, one of them a copy, the one with more lines; else the active one.
        let active = setup.paths.active();
        let len = |found: &Found| std::fs::metadata(&found.path).map_or(0, |meta| meta.len());
        let order = |found: &&Found| {
            let Header { first_seq, segment, .. } = found.header;
            (first_seq, segment, len(found), found.path == active)
        };
        let newest = segments.iter().max_by_key(order).cloned();
        let tree = state.seal.as_ref().map(|seal| seal.tree.clone()).unwrap_or_default();
        let tail = Tail::default();
        Self { setup, state_file, state, segments, newest, tree, tail, damage: Vec::new() }
    }

    pub fn run(mut self, now: Now) -> Result<Opened, LedgerError> {
        let usable = self.locate_tail()?;
        let seals_damage = self.complete_seals()?;
        let epoch_lines = self.tail.lines;
        // An epoch without lines says nothing by itself: whoever killed the daemon may have cut them.
        let reason = if epoch_lines == 0 && self.damage.is_empty() && self.was_stopped() {
            Reason::Start
        } else {
            Reason::Recovered
        };
        let at_active = self.is_at_active();
        let segment = match (usable, at_active) {
            // Sealed where its lines are, wherever the file was moved while nobody ran.
            (Some(segment), true) => segment,
            (Some(segment), false) if epoch_lines > 0 => segment,
            _ => self.new_segment(now)?,
        };
        let closed_elsewhere = usable_elsewhere(&segment, &self.setup.paths);
        let rebooted = self.state.boot != boot(&self.setup.host.boot_id);
        let is_found =
            reason == Reason::Recovered || self.tail.unterminated > 0 || seals_damage.is_some();
        // That seals.jsonl was damaged says nothing about the epoch, and so nothing to its seal.
        self.damage.extend(seals_damage);
        let record = is_found.then(|| {
            let damage = (!self.damage.is_empty()).then(|| self.damage.join("; "));
            Record::Recovered {
                epoch: self.state.epoch,
                lines: epoch_lines,
                cut_bytes: self.tail.unterminated + self.tail.garbage,
                rebooted,
                damage,
            }
        });
        let mut ledger = self.into_ledger(segment)?;
        ledger.close_epoch(reason, now)?;
        if closed_elsewhere {
            ledger.open_segment(now)?;
        }
        Ok(Opened { ledger, created: false, recovered: record })
    }

    /// Whether the last run ended with a stop: nothing but its seal can have been the last line.
    fn was_stopped(&self) -> bool {
        let last = self.state.seal.as_ref().and_then(|last| line::parse(&last.line).ok());
        last.is_some_and(|line| match line.body {
            Body::Seal(json) => seal::parse(json).is_ok_and(|seal| seal.reason == Reason::Stop),
            Body::Event { .. } => false,
        })
    }

    fn is_at_active(&self) -> bool {
        self.newest.as_ref().is_some_and(|found| found.path == self.setup.paths.active())
    }

    /// Finds the last seal, replays what the file lacks of it, and reads the lines after it. Returns the
    /// segment to go on in, if it can be appended to.
    fn locate_tail(&mut self) -> Result<Option<Segment>, LedgerError> {
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
            _ => return Err(self.state_older(&found)),
        };
        self.read_tail(&found, start)?;
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
        if !wanted.starts_with(&there) || found.encoding != Encoding::Plain {
            self.damage.push(format!(
                "{:?} does not hold the seal that was written to it at byte {}",
                found.path, last.offset
            ));
            return Ok(None);
        }
        let replayed =
            self.setup.fs.open_append(&found.path, Access::Shared).and_then(|mut file| {
                file.append(&wanted[there.len()..])?;
                file.sync()
            });
        replayed.map_err(LedgerError::io("completed", &found.path))?;
        Ok(Some(end))
    }

    /// Reads the lines of the open epoch into the tree.
    fn read_tail(&mut self, found: &Found, start: u64) -> Result<(), LedgerError> {
        let io = || LedgerError::io("read", &found.path);
        let (_, mut reader) = std::fs::File::open(&found.path)
            .and_then(|file| segment::contents_at(file, start))
            .map_err(io())?;
        self.tail.end = start;
        let mut buf = Vec::new();
        loop {
            buf.clear();
            let limit = line::MAX as u64 + 1;
            io::BufRead::read_until(&mut (&mut reader).take(limit), b'\n', &mut buf)
                .map_err(io())?;
            let Some(text) = buf.strip_suffix(b"\n") else { break };
            match line::parse(text) {
                Ok(line) if line.seq == self.tree.size() => match line.body {
                    Body::Event { .. } => self.tree.push(leaf_hash(text)),
                    Body::Seal(_) if self.is_signed(text) => return Err(self.state_older(found)),
                    // Anybody can write what looks like one.
                    Body::Seal(_) => break,
                },
                _ => break,
            }
            self.tail.lines += 1;
            self.tail.end += buf.len() as u64;
        }
        if memchr::memchr(b'\n', &buf).is_none() && buf.len() <= line::MAX {
            self.tail.unterminated = buf.len() as u64;
        } else {
            let rest = io::copy(&mut reader, &mut io::sink()).map_err(io())?;
            self.tail.garbage = buf.len() as u64 + rest;
            self.damage.push(format!(
                "{:?} holds {} bytes from byte {} on that are not the lines that follow seq {}",
                found.path,
                self.tail.garbage,
                self.tail.end,
                self.tree.size() as i64 - 1
            ));
        }
        Ok(())
    }

    /// Cuts what follows the last whole line, keeping a copy of anything but an unfinished line, and opens
    /// the segment.
    fn cut(&mut self, found: &Found) -> Result<Segment, LedgerError> {
        let path = &found.path;
        if self.tail.garbage > 0 {
            let kept = self.tail.garbage.min(MOST_KEPT);
            let (_, bytes) =
                read_at(path, self.tail.end, kept).map_err(LedgerError::io("read", path))?;
            let copy = self
                .setup
                .paths
                .log_dir
                .join(format!("cut-{}-at-{}.bytes", found.header.segment, self.tail.end));
            fs::replace(&*self.setup.fs, &copy, &bytes, Access::Shared)
                .map_err(LedgerError::io("written", &copy))?;
            self.damage
                .push(format!("they were cut; the first {kept} of them are kept in {copy:?}"));
        }
        let cut = self.tail.unterminated + self.tail.garbage;
        let len = self.tail.end;
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

    /// Opens a new segment at the active path; what stands there is moved aside.
    fn new_segment(&mut self, now: Now) -> Result<Segment, LedgerError> {
        let (fs, paths) = (&*self.setup.fs, &self.setup.paths);
        if let Some(aside) = set_aside(fs, paths, "damaged")? {
            self.damage.push(format!("what was at the active path is now {aside:?}"));
        }
        let known = self.state.seal.as_ref().map_or(0, |last| last.segment);
        let found = self.newest.as_ref().map_or(0, |found| found.header.segment);
        let number = known.max(found) + 1;
        let opened = rfc3339(now.wall_ns);
        let host = &self.setup.host.name;
        let header = Header::new(&self.state.log_id, host, number, &self.tree, opened);
        create_segment(fs, paths, &header)
    }

    fn complete_seals(&self) -> Result<Option<String>, LedgerError> {
        let Some(last) = &self.state.seal else { return Ok(None) };
        let Setup { fs, paths, .. } = &self.setup;
        seals_file::complete(&**fs, paths, &self.segments, &last.line)
    }

    fn into_ledger(self, segment: Segment) -> Result<Ledger, LedgerError> {
        let Self { setup, state_file, state, tree, .. } = self;
        let seals = open_seals(&*setup.fs, &setup.paths)?;
        let signer = open_signer(&setup, &state.log_id)?;
        let (first_seq, prev) = match &state.seal {
            Some(last) => (last.tree.size(), seal::hash(&last.line)),
            None => (0, [0; 32]),
        };
        Ok(Ledger {
            signer,
            fs: setup.fs,
            paths: setup.paths,
            host: setup.host,
            entropy: setup.entropy,
            log_id: state.log_id,
            log_id_hex: hex(&state.log_id),
            state: state_file,
            counter: state.counter,
            keys: EpochKeys::from(&state)?,
            epoch: Epoch { number: state.epoch, first_seq, prev },
            tree,
            segment,
            closed: None,
            seals,
            batch: Vec::new(),
        })
    }

    /// Whether the open epoch's own key signed this seal: then it was closed, and the state is a copy of before.
    fn is_signed(&self, seal: &[u8]) -> bool {
        seal::verify(seal, &self.state.log_id, &self.state.sign_key.public())
    }

    fn state_older(&self, found: &Found) -> LedgerError {
        LedgerError::StateOlder { state: self.setup.paths.state(), segment: found.path.clone() }
    }
}

/// The signer of checkpoints; its verifier key is put back where that was lost.
fn open_signer(setup: &Setup, log_id: &LogId) -> Result<Signer, LedgerError> {
    let Setup { paths, host, .. } = setup;
    let key = read_key(&paths.checkpoint_key())?;
    let path = paths.checkpoint_vkey();
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    let signer = signer(paths, key, &host.name, log_id, &known)?;
    let text = format!("{}\n", signer.verifier_key());
    if known != text {
        fs::replace(&*setup.fs, &path, text.as_bytes(), Access::Shared)
            .map_err(LedgerError::io("written", &path))?;
    }
    Ok(signer)
}

/// Whether `segment` is not the file at the active path.
fn usable_elsewhere(segment: &Segment, paths: &Paths) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(paths.active()).map_or(true, |meta| (meta.dev(), meta.ino()) != segment.id)
}

/// Up to `len` bytes from `offset` on of a segment's contents, and whether it reaches that far at all.
fn read_at(path: &Path, offset: u64, len: u64) -> io::Result<(bool, Vec<u8>)> {
    let (reached, reader) = segment::contents_at(std::fs::File::open(path)?, offset)?;
    let mut bytes = Vec::new();
    reader.take(len).read_to_end(&mut bytes)?;
    Ok((reached, bytes))
}

fn read_key(path: &Path) -> Result<SignKey, LedgerError> {
    let read = || {
        let text = text::read(std::fs::File::open(path)?)?;
        let mut seed = Zeroizing::new([0; 32]);
        let digits = text.trim_end().as_bytes();
        let decoded = (digits.len() == 64).then(|| HEXLOWER.decode_mut(digits, &mut *seed));
        match decoded {
            Some(Ok(_)) => SignKey::from_seed(&seed),
            _ => Err(io::Error::other("not 64 hex digits")),
        }
    };
    read().map_err(LedgerError::io("read", path))
}
