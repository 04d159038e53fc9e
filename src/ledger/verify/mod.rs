//! Verification: whether a log is what its daemon wrote (docs/ledger-format.md, "Verifying"). It reads
//! only, needs no secret, and works on a copy as well as beside a running daemon. It takes a few MiB of
//! memory, however large the log is.

mod anchors;
mod blocks;
mod chain;
mod history;
mod keyring;
mod order;
mod own;
mod pipeline;
mod position;
mod report;
mod retention;
mod seals;
mod snapshot;
mod worker;

use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

pub use anchors::{Anchored, Covered, Given, KeyFrom, ReadError, read as read_anchors};
pub use chain::{Hole, Prune};
pub use history::{Bounded, Happening, History, Kind, SealEntry};
pub(crate) use own::Own;
pub use position::Position;
pub use report::{Figures, Finding, Place, Report, Since, Verdict};
pub use retention::Retention;

use super::Paths;
use super::note::VerifierKey;
use super::tree::Hash;
use crate::clock::Clock;
use chain::Chain;
use pipeline::Source;
use position::Resume;
use snapshot::Snapshot;
pub(crate) use snapshot::is_copy;
use worker::Terms;

/// How often the reading begins again because segments are deleted meanwhile.
const TRIES: usize = 10;

/// What is verified, and against what.
#[derive(Clone)]
pub struct Options {
    /// Where the segments and seals.jsonl are.
    pub paths: Paths,
    /// The pinned public key of seal 0.
    pub genesis: Option<Hash>,
    /// S_0, which also proves each line's mac.
    pub auditor_key: Option<Zeroizing<Hash>>,
    /// What was kept off the host.
    pub anchors: Vec<Given>,
    /// Witnesses whose cosignatures of the log's own checkpoints count as anchors.
    pub witnesses: Vec<VerifierKey>,
    /// The key of checkpoints for a log whose leaf 0, which names it, was pruned.
    pub checkpoint_key: Option<VerifierKey>,
    /// A stretch without any line that is longer, in nanoseconds, makes the log incomplete.
    pub max_gap_ns: Option<i64>,
    /// Whether a daemon should be writing this log now.
    pub live: bool,
    /// When this is, nanoseconds since 1970.
    pub now_ns: i64,
    /// Whether the report tells the log's history.
    pub history: bool,
    /// Where an earlier verification of this log ended: what is before is not read again.
    pub since: Option<Position>,
}

impl Options {
    /// The log at `paths`, against nothing.
    pub fn new(paths: Paths) -> Self {
        Self {
            paths,
            genesis: None,
            auditor_key: None,
            anchors: Vec::new(),
            witnesses: Vec::new(),
            checkpoint_key: None,
            max_gap_ns: None,
            live: false,
            now_ns: Clock::System.now().wall_ns,
            history: false,
            since: None,
        }
    }
}

/// Verifies a log; `progress` is told the bytes of files done and the bytes of all.
pub fn verify(options: &Options, progress: &mut dyn FnMut(u64, u64)) -> Report {
    let mut gone = PathBuf::new();
    for _ in 0..TRIES {
        let mut chain = Chain::new(options);
        let read = match verify_segments(options, &mut chain, progress) {
            Ok(()) => Ok(()),
            Err(Ended::Found(finding)) => Err(finding),
            Err(Ended::Gone(path)) => {
                gone = path;
                continue;
            }
        };
        return chain.finish(read);
    }
    let message = format!(
        "segments were deleted each of the {TRIES} times that the log was read, {gone:?} the last time: verify again when retention is done"
    );
    Chain::new(options).finish(Err(Finding::new(Verdict::Unverifiable, message)))
}

/// Why the reading of a log ends before its end.
enum Ended {
    /// Something is wrong.
    Found(Finding),
    /// A segment was deleted since the directory was listed, as retention does: begin again.
    Gone(PathBuf),
}

impl Ended {
    /// A segment of the list cannot be opened.
    fn opening(path: &Path, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Ended::Gone(path.into()),
            _ => Ended::Found(unreadable(path, error)),
        }
    }
}

impl From<Finding> for Ended {
    fn from(finding: Finding) -> Self {
        Ended::Found(finding)
    }
}

fn verify_segments(
    options: &Options,
    chain: &mut Chain<'_>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), Ended> {
    chain.measure_seals()?;
    let dir = &options.paths.log_dir;
    let snapshot = Snapshot::take(dir).map_err(|e| unreadable(dir, &e))?;
    let (first, position) = first_to_read(options, &snapshot)?;
    let Some((found, _)) = snapshot.segments.get(first) else {
        return Err(chain.nothing_found(dir).into());
    };
    chain.start(found, position)?;
    let at = position.map(Position::at);
    let source = Source { snapshot: &snapshot, first, at, keys: chain.keys()? };
    let terms = Terms {
        log_id: chain.log_id(),
        sizes: chain.places.sizes.clone(),
        receipts: chain.places.receipts.clone(),
        max_gap_ns: options.max_gap_ns,
    };
    let mut bar = Bar::new(&snapshot, first);
    let no_thread = |e: io::Error| {
        Finding::new(Verdict::Unverifiable, format!("no thread could be started: {e}")).into()
    };
    pipeline::run(source, &terms, no_thread, |item| {
        let ended = matches!(item, pipeline::Item::End);
        chain.join(item)?;
        progress(bar.done(chain.place.offset, ended), bar.total);
        Ok(())
    })
}

/// The segment to begin with, and the position in it, if it was verified before.
fn first_to_read<'o>(
    options: &'o Options,
    snapshot: &Snapshot,
) -> Result<(usize, Option<&'o Position>), Ended> {
    let Some(position) = options.since.as_ref().filter(|p| p.is_of(options.genesis)) else {
        return Ok((0, None));
    };
    Ok(match position.find(snapshot)? {
        Resume::At(n) => (n, Some(position)),
        Resume::Whole => (0, None),
    })
}

/// How much of the files is done.
struct Bar {
    total: u64,
    before: u64,
    segments: std::vec::IntoIter<u64>,
    current: u64,
}

impl Bar {
    fn new(snapshot: &Snapshot, first: usize) -> Self {
        let lens: Vec<u64> = snapshot.segments[first..].iter().map(|(_, len)| *len).collect();
        let total = lens.iter().sum();
        let mut segments = lens.into_iter();
        let current = segments.next().unwrap_or_default();
        Self { total, before: 0, segments, current }
    }

    /// After `offset` bytes of the contents of a segment, or at its end.
    fn done(&mut self, offset: u64, ended: bool) -> u64 {
        if !ended {
            return self.before + offset.min(self.current);
        }
        self.before += self.current;
        self.current = self.segments.next().unwrap_or_default();
        self.before
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Finding {
    let advice = match error.kind() {
        io::ErrorKind::NotFound => "; name the directory that the log is in",
        io::ErrorKind::NotADirectory => "; name the directory that the log is in, not a file of it",
        io::ErrorKind::PermissionDenied => "; root may, and the group that was given the log",
        _ => "",
    };
    Finding::new(Verdict::Unverifiable, format!("{path:?} cannot be read: {error}{advice}"))
}
