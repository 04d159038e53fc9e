//! Where anchors come from: files that were kept off the host, and those that the daemon left beside the log.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::Given;
use crate::clock::rfc3339;
use crate::fs::open_regular;
use crate::ledger::Paths;
use crate::ledger::anchor::{self, Anchor, AnchorError, Anchors};
use crate::ledger::note::{Signed, VerifierKey};
use crate::ledger::verify::Options;

/// Bytes of a file of the daemon's with a checkpoint for each witness.
const MOST_BESIDE: usize = 1 << 20;

/// What the witnesses of `options` have cosigned of the log's own checkpoints. The strings say which
/// witnesses have cosigned nothing.
pub fn cosigned_by_witnesses(options: &Options, own: &[Given]) -> (Vec<Given>, Vec<String>) {
    let (mut given, mut silent) = (Vec::new(), Vec::new());
    for witness in &options.witnesses {
        let before = given.len();
        given.extend(own.iter().filter_map(|own| cosigned(&own.anchor, witness)));
        if given.len() == before {
            let name = witness.name();
            silent.push(format!("no checkpoint beside the log is cosigned by {name}"));
        }
    }
    (given, silent)
}

/// The checkpoints that the daemon left beside the log. A missing or damaged file is one without.
pub fn beside_the_log(paths: &Paths) -> Vec<Given> {
    let files = [paths.cosigned(), paths.checkpoint()];
    let read = files.iter().filter_map(|path| {
        let file = open_regular(path).ok()?;
        Some((path, read_from(file, MOST_BESIDE).ok()?))
    });
    let all = read.flat_map(|(path, anchors)| {
        let from = path.display().to_string();
        anchors.list.into_iter().map(move |anchor| Given { from: from.clone(), anchor })
    });
    all.filter(|given| matches!(given.anchor, Anchor::Checkpoint { .. })).collect()
}

/// The anchors in a file, or in what comes out of a pipe; and whether it was only the end of a file that is
/// longer than [`anchor::MAX_TEXT`]. There the newest checkpoints are, which cover what older ones do.
pub fn read(path: &Path) -> Result<(Anchors, bool), ReadError> {
    let mut file = File::open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() || meta.len() <= anchor::MAX_TEXT as u64 {
        return Ok((read_from(file, anchor::MAX_TEXT)?, false));
    }
    file.seek(SeekFrom::Start(meta.len() - anchor::MAX_TEXT as u64))?;
    let mut end = Vec::new();
    file.take(anchor::MAX_TEXT as u64).read_to_end(&mut end)?;
    // It may begin inside of a line.
    let line = memchr::memchr(b'\n', &end).map_or(end.len(), |at| at + 1);
    Ok((anchor::read(&String::from_utf8_lossy(&end[line..]))?, true))
}

fn read_from(file: File, most: usize) -> Result<Anchors, ReadError> {
    let mut text = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut text)?;
    if text.len() > most {
        return Err(AnchorError::TooLong.into());
    }
    Ok(anchor::read(&String::from_utf8_lossy(&text))?)
}

/// Why a file is of no use as an anchor.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It holds no anchor, or a damaged one.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
}

fn cosigned(anchor: &Anchor, witness: &VerifierKey) -> Option<Given> {
    let Anchor::Checkpoint { note, .. } = anchor else { return None };
    let Ok(Signed::At(seconds)) = note.verify(witness) else { return None };
    let ns = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000_000);
    let from = format!("the witness {} at {}", witness.name(), rfc3339(ns));
    Some(Given { from, anchor: anchor.clone() })
}
