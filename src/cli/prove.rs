//! `auditlog prove`: a file that shows to anybody that one line is in the log.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use data_encoding::HEXLOWER;

use super::context::Context;
use super::error::{Error, Exit};
use super::output::{Out, note};
use super::text::visible;
use crate::index;
use crate::ledger::Paths;
use crate::ledger::anchor::Anchor;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::note::Note;
use crate::ledger::proof::{self, TlogProof};
use crate::ledger::reader::Reader;
use crate::ledger::segment;
use crate::ledger::verify::{ReadError, read_anchors};

/// How often `--wait` looks for a new checkpoint.
const POLL: Duration = Duration::from_millis(200);
/// What a seal may take beyond the time at which it is due.
const GRACE: Duration = Duration::from_secs(30);

const HELP: &str = "\
The file holds the line as it is in the log, its path in the Merkle tree, and a signed checkpoint of
the log. Whoever gets it needs the log's verifier key and nothing else: neither the log nor a
network. Besides `auditlog verify-proof` other tools can check it: its form is c2sp.org/tlog-proof,
the line is in `extra`. It shows the whole line to whoever gets it.

A checkpoint that witnesses have cosigned is taken where there is one that covers the line.

Examples:
  auditlog prove 4711 -o event.tlog-proof
  auditlog prove req-2026-11-20-0042 --wait > event.tlog-proof

Exit codes:
  0  the proof was written
  1  there is no such event, or no checkpoint covers it yet
  2  the command line or the configuration is wrong
  3  something cannot be read or written
  4  the log's lines do not lead to its checkpoint: run auditlog verify";

/// Write a proof that an event is in the log
///
/// It can be checked anywhere with `auditlog verify-proof`.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(super) struct Prove {
    /// The event's sequence number or its id; of several events with one id, the newest
    #[arg(value_name = "SEQ|ID")]
    event: String,
    /// Where to write the proof [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// If no checkpoint covers the event yet, wait for the next seal
    #[arg(long)]
    wait: bool,
}

impl Prove {
    pub(super) fn run(&self, context: &Context, out: &mut Out) -> Result<Exit, Error> {
        let config = context.config()?;
        let paths = Paths { log_dir: config.log_dir.clone(), state_dir: config.state_dir.clone() };
        let Some(seq) = self.seq(&config.database())? else {
            note(format!("there is no event with the seq or id '{}'", visible(&self.event)));
            return Ok(Exit::Nothing);
        };
        let epoch = Duration::from_secs(config.ledger.epoch_seconds);
        if best(checkpoints(&paths)?, seq).is_none() && !is_written(&paths, seq)? {
            note(format!("there is no event with the seq {seq}: the log ends before it"));
            return Ok(Exit::Nothing);
        }
        let Some((signed, checkpoint)) = self.checkpoint(&paths, seq, epoch)? else {
            note(format!(
                "no checkpoint covers seq {seq} yet: the next seal will, {} after the epoch's first line at the latest, while the daemon runs; --wait waits for it",
                seconds(epoch)
            ));
            return Ok(Exit::Nothing);
        };
        let log_id = checkpoint.log_id().map(|id| HEXLOWER.encode(&id)).unwrap_or_default();
        let built = proof::inclusion(&paths.log_dir, &log_id, seq, checkpoint.size)
            .map_err(|e| Error::Proof(e.to_string()))?;
        if built.root != checkpoint.root {
            note(format!(
                "the log's first {} lines do not lead to the root in its checkpoint of that size; run auditlog verify",
                checkpoint.size
            ));
            return Ok(Exit::Tampered);
        }
        let size = checkpoint.size;
        let extra = Some(built.line);
        let proof = TlogProof { extra, index: seq, path: built.path, note: signed, checkpoint };
        self.write(&proof, out)?;
        let file = self.output.as_deref().unwrap_or(Path::new("FILE")).display().to_string();
        note(format!(
            "seq {seq} is proven to be in the log's first {size} lines; check it anywhere with\n  auditlog verify-proof {} --vkey {}",
            visible(&file),
            visible(std::fs::read_to_string(paths.checkpoint_vkey()).unwrap_or_default().trim())
        ));
        Ok(Exit::Done)
    }

    /// The leaf that is meant: by its number, else by the id that the database has for it. What is proven
    /// is read from the ledger in any case.
    fn seq(&self, database: &Path) -> Result<Option<u64>, Error> {
        if let Ok(seq) = self.event.parse() {
            return Ok(Some(seq));
        }
        let row = index::Reader::open(database)?.get_by_id(&self.event)?;
        Ok(row.map(|row| row.seq))
    }

    /// The best checkpoint that covers `seq`; with `--wait` as soon as there is one.
    fn checkpoint(
        &self,
        paths: &Paths,
        seq: u64,
        epoch: Duration,
    ) -> Result<Option<(Note, Checkpoint)>, Error> {
        let found = best(checkpoints(paths)?, seq);
        if found.is_some() || !self.wait {
            return Ok(found);
        }
        note(format!("waiting for the next seal, for {} at most", seconds(epoch + GRACE)));
        let until = Instant::now() + epoch + GRACE;
        loop {
            std::thread::sleep(POLL);
            let found = best(checkpoints(paths)?, seq);
            if found.is_some() || Instant::now() > until {
                return Ok(found);
            }
        }
    }

    fn write(&self, proof: &TlogProof, out: &mut Out) -> Result<(), Error> {
        match &self.output {
            Some(path) => std::fs::write(path, proof.to_string()).map_err(|source| Error::File {
                action: "write",
                path: path.clone(),
                source,
            }),
            None => {
                out.with(|writer, _| write!(writer, "{proof}"))?;
                out.flush()
            }
        }
    }
}

/// Whether the log has come to this leaf.
fn is_written(paths: &Paths, seq: u64) -> Result<bool, Error> {
    let unreadable = |source| Error::Directory { path: paths.log_dir.clone(), source };
    let segments = segment::list(&paths.log_dir).map_err(unreadable)?;
    let Some(newest) = segments.last() else { return Ok(false) };
    let mut reader = Reader::new(&paths.log_dir, &newest.header.log_id);
    let lines = reader.read(seq, seq.saturating_add(1), 1).map_err(unreadable)?;
    Ok(!lines.bytes.is_empty())
}

/// All checkpoints in the state directory.
fn checkpoints(paths: &Paths) -> Result<Vec<(Note, Checkpoint)>, Error> {
    let mut found = Vec::new();
    for path in [paths.checkpoint(), paths.cosigned()] {
        let anchors = match read_anchors(&path) {
            Ok((anchors, _)) => anchors,
            Err(ReadError::Io(e)) if e.kind() == ErrorKind::NotFound => continue,
            Err(ReadError::Io(source)) => return Err(Error::File { action: "read", path, source }),
            Err(ReadError::Anchor(e)) => {
                return Err(Error::Proof(format!("'{}' cannot be used: {e}", path.display())));
            }
        };
        found.extend(anchors.list.into_iter().filter_map(|anchor| match anchor {
            Anchor::Checkpoint { note, checkpoint } => Some((note, checkpoint)),
            Anchor::Receipt(_) => None,
        }));
    }
    Ok(found)
}

/// Of those that cover `seq` the one with the most signatures, then the newest. Signatures of the same
/// text are put under one.
fn best(all: Vec<(Note, Checkpoint)>, seq: u64) -> Option<(Note, Checkpoint)> {
    let mut merged: BTreeMap<String, (Note, Checkpoint)> = BTreeMap::new();
    for (note, checkpoint) in all.into_iter().filter(|(_, checkpoint)| checkpoint.size > seq) {
        match merged.get_mut(note.text()) {
            Some((known, _)) => note.signatures().iter().for_each(|s| known.add(s.clone())),
            None => {
                merged.insert(note.text().to_owned(), (note, checkpoint));
            }
        }
    }
    merged.into_values().max_by_key(|(note, checkpoint)| (note.signatures().len(), checkpoint.size))
}

fn seconds(duration: Duration) -> String {
    crate::words::count(duration.as_secs(), "second")
}
