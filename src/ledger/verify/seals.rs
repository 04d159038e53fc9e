//! seals.jsonl: every seal ever written, also those whose segments were pruned.

use std::io::{self, BufRead};
use std::path::Path;

use super::{Finding, Verdict};
use crate::ledger::line::{self, Body};
use crate::ledger::seal::{self, Seal};

/// A seal of seals.jsonl, not yet believed.
pub struct Known {
    /// What it says.
    pub seal: Seal,
    /// Its whole line, without LF.
    pub line: Vec<u8>,
}

/// Reads all seals; a copy of a log may come without the file, which is not an error. An unfinished last
/// line is what a crash leaves.
pub fn load(path: &Path) -> Result<Vec<Known>, Finding> {
    let mut seals = Vec::new();
    let file = match std::fs::File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(seals),
        opened => opened.map_err(|e| super::unreadable(path, &e))?,
    };
    let mut reader = io::BufReader::new(file);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        reader.read_until(b'\n', &mut bytes).map_err(|e| super::unreadable(path, &e))?;
        let Some(text) = bytes.strip_suffix(b"\n") else { return Ok(seals) };
        let seal = line::parse(text).ok().and_then(|line| match line.body {
            Body::Seal(json) => seal::parse(json).ok(),
            Body::Event { .. } => None,
        });
        match seal {
            Some(seal) if seal.epoch == seals.len() as u64 => {
                seals.push(Known { seal, line: text.to_vec() });
            }
            _ => {
                let epoch = seals.len();
                return Err(Finding {
                    verdict: Verdict::Tampered,
                    message: format!(
                        "{path:?} does not hold the seal of epoch {epoch} at line {}",
                        epoch + 1
                    ),
                    place: None,
                });
            }
        }
    }
}
