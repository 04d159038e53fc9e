//! Verification: whether a log is what its daemon wrote (docs/ledger-format.md, "Verification"). It reads
//! only, needs no secret, and works on a copy as well as beside a running daemon.

mod chain;
mod seals;

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::segment::{self, Contents, Found};
use super::tree::Hash;
use super::{Paths, line};
use chain::Chain;

/// What is verified, and against what.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the segments and seals.jsonl are.
    pub paths: Paths,
    /// The pinned public key of seal 0.
    pub genesis: Option<Hash>,
    /// S_0, which also proves each line's mac.
    pub auditor_key: Option<Hash>,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything holds; nothing off the host vouches for it.
    OkUnanchored,
    /// It could not be checked.
    Unverifiable,
    /// A crash, or a missing part that is explained: no sign of tampering, but not the whole log.
    Incomplete,
    /// There is evidence of change.
    Tampered,
}

impl Verdict {
    /// The exit code of `auditlog verify`.
    pub fn exit_code(self) -> u8 {
        match self {
            Verdict::OkUnanchored => 0,
            Verdict::Tampered => 4,
            Verdict::Incomplete => 5,
            Verdict::Unverifiable => 6,
        }
    }

    /// The words in capitals that the sentence starts with.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::OkUnanchored => "OK, UNANCHORED",
            Verdict::Tampered => "TAMPERED",
            Verdict::Incomplete => "INCOMPLETE",
            Verdict::Unverifiable => "UNVERIFIABLE",
        }
    }
}

/// Where something was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Its line, from 1.
    pub line: u64,
    /// Bytes of its contents before that line.
    pub offset: u64,
    /// The leaf that the line is or should be.
    pub seq: u64,
}

/// Something that matters for the verdict.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// What it makes of the verdict.
    pub verdict: Verdict,
    /// A sentence.
    pub message: String,
    /// Where.
    pub place: Option<Place>,
}

/// What was read and checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Figures {
    /// The log, 32 hex digits.
    pub log_id: String,
    /// Files.
    pub segments: u64,
    /// Bytes of their contents.
    pub bytes: u64,
    /// Event lines.
    pub events: u64,
    /// Seals whose root, chain and signature were checked.
    pub seals: u64,
    /// Macs checked, which needs the auditor key.
    pub macs: u64,
    /// The first leaf that is there.
    pub first_seq: u64,
    /// The leaf after the last one.
    pub next_seq: u64,
    /// Lines after the last seal, which only the auditor key can check.
    pub open_lines: u64,
    /// When the first line that is there was committed, nanoseconds since 1970.
    pub first_ts_ns: Option<i64>,
    /// When the last line was.
    pub last_ts_ns: Option<i64>,
}

/// The result of a verification.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Report {
    /// The worst of the findings.
    pub verdict: Verdict,
    /// Everything that matters, in the order of the log.
    pub findings: Vec<Finding>,
    /// What was read.
    pub figures: Figures,
}

impl Report {
    /// Adds a finding, which can only make the verdict worse.
    pub fn add(&mut self, finding: Finding) {
        self.verdict = self.verdict.max(finding.verdict);
        self.findings.push(finding);
    }
}

/// Verifies a log; `progress` is told the bytes of files done and the bytes of all.
pub fn verify(options: &Options, progress: &mut dyn FnMut(u64, u64)) -> Report {
    let mut chain = Chain::new(options);
    // Seals first: while a daemon writes, a seal reaches its segment before it reaches seals.jsonl.
    chain.known_seals = match seals::load(&options.paths.seals()) {
        Ok(seals) => seals,
        Err(finding) => {
            chain.found(finding);
            Vec::new()
        }
    };
    if let Err(finding) = verify_segments(options, &mut chain, progress) {
        chain.found(finding);
    }
    chain.finish()
}

fn verify_segments(
    options: &Options,
    chain: &mut Chain,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), Finding> {
    let dir = &options.paths.log_dir;
    let snapshot = Snapshot::take(dir).map_err(|e| unreadable(dir, &e))?;
    let (total, mut done) = (snapshot.total, 0);
    if snapshot.segments.is_empty() {
        return Err(chain.nothing_found(dir));
    }
    let last = snapshot.segments.len() - 1;
    for (n, (found, len)) in snapshot.segments.into_iter().enumerate() {
        let (path, mut reader) =
            open_again(dir, &found).map_err(|e| unreadable(&found.path, &e))?;
        chain.begin(&found, &path)?;
        let mut header = (&mut reader).take(chain.place.offset);
        io::copy(&mut header, &mut io::sink()).map_err(|e| unreadable(&path, &e))?;
        let mut tick = |bytes: u64| progress(done + bytes.min(len), total);
        verify_segment(chain, reader, (n == last).then_some(len), &mut tick)?;
        done += len;
        progress(done, total);
    }
    Ok(())
}

/// The segments and their sizes at one moment.
struct Snapshot {
    segments: Vec<(Found, u64)>,
    total: u64,
}

impl Snapshot {
    fn take(dir: &Path) -> io::Result<Self> {
        let mut segments = Vec::new();
        for found in segment::list(dir)? {
            let len = std::fs::metadata(&found.path).map_or(0, |meta| meta.len());
            segments.push((found, len));
        }
        let total = segments.iter().map(|(_, len)| len).sum();
        Ok(Self { segments, total })
    }
}

/// Opens a segment of the snapshot, which may have been renamed or compressed since.
fn open_again(dir: &Path, wanted: &Found) -> io::Result<(PathBuf, BufReader<Contents>)> {
    if segment::read_header(&wanted.path)
        .is_ok_and(|f| f.is_some_and(|f| f.header == wanted.header))
    {
        return Ok((wanted.path.clone(), segment::open(&wanted.path)?));
    }
    let found = segment::list(dir)?.into_iter().find(|found| found.header == wanted.header);
    let found = found.ok_or(io::ErrorKind::NotFound)?;
    Ok((found.path.clone(), segment::open(&found.path)?))
}

/// Reads a segment's lines into the chain. The newest one is read up to `limit` bytes only, and its last
/// line may be unfinished.
fn verify_segment(
    chain: &mut Chain,
    mut reader: BufReader<Contents>,
    limit: Option<u64>,
    tick: &mut dyn FnMut(u64),
) -> Result<(), Finding> {
    let plain = reader.get_ref().encoding() == segment::Encoding::Plain;
    let limit = limit.filter(|_| plain).unwrap_or(u64::MAX);
    let mut line = Vec::with_capacity(1 << 16);
    let mut next_tick = 0;
    loop {
        line.clear();
        let room = (line::MAX as u64 + 1).min(limit - chain.place.offset);
        let read = (&mut reader).take(room).read_until(b'\n', &mut line);
        if let Err(e) = read {
            let path = chain.place.file.clone();
            return Err(chain.tampered(format!("{path:?} cannot be decompressed: {e}")));
        }
        let Some(text) = line.strip_suffix(b"\n") else { break };
        chain.line(text)?;
        if chain.place.offset >= next_tick {
            tick(chain.place.offset);
            next_tick = chain.place.offset + (1 << 20);
        }
    }
    let is_newest = limit != u64::MAX;
    let may_be_unfinished = is_newest && line.len() <= line::MAX;
    if !line.is_empty() && !may_be_unfinished {
        return Err(chain.tampered("the segment ends in the middle of a line".into()));
    }
    match reader.into_inner().is_at_end() {
        Ok(true) => Ok(()),
        _ => Err(chain.tampered("something was appended to the compressed segment".into())),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Finding {
    let message = format!("{path:?} cannot be read: {error}");
    Finding { verdict: Verdict::Unverifiable, message, place: None }
}
