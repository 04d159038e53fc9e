//! Where the log begins, and where its segments do.

use std::path::Path;

use data_encoding::HEXLOWER;

use super::{Chain, Missing};
use crate::ledger::hex;
use crate::ledger::keys::LogId;
use crate::ledger::segment::{Found, Header};
use crate::ledger::verify::keyring::{Keyring, Keys};
use crate::ledger::verify::pipeline::At;
use crate::ledger::verify::position::Position;
use crate::ledger::verify::report::Since;
use crate::ledger::verify::seals::{self, Seals};
use crate::ledger::verify::{Finding, Place, Verdict};

impl Chain<'_> {
    /// Finds out which log it is, from its first segment's header, and where to begin: with leaf 0, or where an
    /// earlier run ended.
    pub fn start(&mut self, found: &Found, position: Option<&Position>) -> Result<(), Finding> {
        let header = &found.header;
        self.place = Place { file: found.path.clone(), line: 1, offset: 0, seq: header.first_seq };
        let log_id = hex::decode(&header.log_id)
            .ok_or_else(|| self.tampered(format!("{:?} is no log id", header.log_id)))?;
        self.log_id = Some(log_id);
        self.report.figures.log_id = header.log_id.clone();
        self.report.figures.first_seq = position.map_or(header.first_seq, Position::seq);
        match position {
            Some(position) => self.resume(position)?,
            None => self.open_seals(0, 0)?,
        }
        self.places.pass(&self.tree, self.last_ts_ns);
        Ok(())
    }

    fn resume(&mut self, position: &Position) -> Result<(), Finding> {
        self.open_seals(position.seals_epoch, position.seals_offset)?;
        self.tree = position.tree().unwrap_or_default();
        self.segment = Some(position.segment);
        self.epoch = position.epoch;
        self.epoch_first = position.size;
        self.prev = position.prev.0;
        self.next_pub = Some(position.next_pub.0);
        self.last_boot = Some((position.boot_id.clone(), position.boottime_ns));
        self.last_reason = Some(position.reason);
        self.last_ts_ns = Some(position.ts_ns);
        self.holes = position.holes.clone();
        let trees = self.holes.iter().filter_map(Missing::tree);
        self.trees = trees.map(|tree| (tree.size(), tree)).collect();
        self.places.key = position.checkpoint_key.as_ref().and_then(|key| key.parse().ok());
        self.report.anchored.covered = position.covered.clone();
        for finding in &position.findings {
            self.found(finding.clone());
        }
        self.report.since = Some(Since {
            seq: position.size,
            verified_ns: position.verified_ns,
            with_macs: position.with_macs,
        });
        // Unless there is a later seal, a later run goes on from the same one.
        self.position = Some((position.clone(), self.report.findings.len()));
        Ok(())
    }

    /// Looks how far seals.jsonl reaches. A live daemon writes a seal to its segment before it writes it
    /// there, so this has to come before the segments are looked at.
    pub fn measure_seals(&mut self) -> Result<(), Finding> {
        self.seals_len = seals::len(&self.options.paths.seals())?;
        Ok(())
    }

    pub(super) fn open_seals(&mut self, epoch: u64, offset: u64) -> Result<(), Finding> {
        let path = self.options.paths.seals();
        self.seals = Some(Seals::open(&path, self.seals_len, epoch, offset)?);
        Ok(())
    }

    /// The line keys, from where the reading begins on.
    pub fn keys(&self) -> Result<Option<Keys>, Finding> {
        let (Some(key), Some(log_id)) = (&self.options.auditor_key, self.log_id) else {
            return Ok(None);
        };
        let lost = self.last_reason.is_some_and(|reason| reason.key_was_lost());
        let ring = Keyring::new(key, log_id, self.epoch, lost).map_err(|e| {
            let message = format!("no memory could be locked for keys: {e}");
            Finding::new(Verdict::Unverifiable, message)
        })?;
        let seals = match &self.options.since {
            Some(position) if self.report.since.is_some() => position.seals_at(),
            _ => (0, 0),
        };
        let path = self.options.paths.seals();
        let seals = Seals::open(&path, self.seals_len, seals.0, seals.1)?;
        Ok(Some(Keys::new(ring, seals, self.tree.size())))
    }

    /// The log, once it is known.
    pub fn log_id(&self) -> LogId {
        self.log_id.unwrap_or_default()
    }

    /// Goes on with a segment: its header must continue the last one.
    pub fn begin(&mut self, found: &Found, path: &Path, at: Option<At>) -> Result<(), Finding> {
        let header = &found.header;
        self.report.figures.segments += 1;
        self.header = header.hash();
        if let Some(At { line, offset, seq }) = at {
            self.place = Place { file: path.into(), line, offset, seq };
            return Ok(());
        }
        self.place = Place { file: path.into(), line: 1, offset: 0, seq: header.first_seq };
        if hex::decode(&header.log_id) != self.log_id {
            return Err(self.tampered(format!(
                "the segment is of log {}, not of log {}",
                header.log_id,
                HEXLOWER.encode(&self.log_id())
            )));
        }
        self.continue_with(found)?;
        self.segment = Some(header.segment);
        self.keep_tree();
        self.place.line = 2;
        self.place.offset = header.to_line().len() as u64;
        Ok(())
    }

    fn continue_with(&mut self, found: &Found) -> Result<(), Finding> {
        let Header { segment: number, first_seq, .. } = found.header;
        let wanted = self.tree.size();
        if first_seq > wanted {
            self.cross_hole(found)?;
        } else if found.header.tree().as_ref() != Some(&self.tree) {
            return Err(self.tampered(format!(
                "the segment begins at seq {first_seq}, which does not continue the last one's {wanted}"
            )));
        }
        match self.segment {
            None if first_seq == 0 && number != 0 => {
                return Err(self.tampered("the first segment is not numbered 0"));
            }
            Some(last) if number <= last => {
                return Err(self.tampered(format!("segment {number} comes after segment {last}")));
            }
            _ => {}
        }
        if !self.after_seal {
            let message = "the segment before was not closed with a seal: its file was deleted, truncated or damaged while it was written";
            let finding = self.incomplete(message.into());
            self.found(finding);
        }
        Ok(())
    }
}
