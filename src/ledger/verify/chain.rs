//! The state of a verification between two lines: what the next line must continue.

mod sealed;

use std::path::Path;

use data_encoding::HEXLOWER;
use serde::Deserialize;

use super::seals::Known;
use super::{Figures, Finding, Options, Place, Report, Verdict};
use crate::clock::rfc3339;
use crate::ledger::keys::{EpochSecret, LogId, Ratchet};
use crate::ledger::line::{self, Body, Line};
use crate::ledger::segment::Found;
use crate::ledger::tree::{Hash, Tree, leaf_hash};
use crate::record;

/// How far the wall clock may go back without a record that says so: the daemon records larger steps.
const CLOCK_TOLERANCE_NS: i64 = 1_000_000_000;

pub(super) struct Chain {
    pub place: Place,
    pub known_seals: Vec<Known>,
    genesis: Option<Hash>,
    auditor: Option<Macs>,
    auditor_key: Option<Hash>,
    log_id: Option<LogId>,
    tree: Tree,
    segment: Option<u64>,
    epoch: u64,
    epoch_first: u64,
    /// The hash of the last seal's line, the key that signs the next one, and where that one was in time.
    prev: Hash,
    next_pub: Option<Hash>,
    last_boot: Option<(String, u64)>,
    last_ts_ns: Option<i64>,
    after_seal: bool,
    /// The first leaf there is, if older ones were pruned, until a record accounts for it.
    unexplained_start: Option<u64>,
    report: Report,
}

/// The line keys, which follow from the auditor key.
struct Macs {
    secret: EpochSecret,
    ratchet: Ratchet,
}

impl Chain {
    pub fn new(options: &Options) -> Self {
        Self {
            place: Place::default(),
            known_seals: Vec::new(),
            genesis: options.genesis,
            auditor: None,
            auditor_key: options.auditor_key,
            log_id: None,
            tree: Tree::default(),
            segment: None,
            epoch: 0,
            epoch_first: 0,
            prev: [0; 32],
            next_pub: options.genesis,
            last_boot: None,
            last_ts_ns: None,
            after_seal: true,
            unexplained_start: None,
            report: Report {
                verdict: Verdict::OkUnanchored,
                findings: Vec::new(),
                figures: Figures::default(),
            },
        }
    }

    pub fn found(&mut self, finding: Finding) {
        self.report.add(finding);
    }

    pub fn tampered(&self, message: String) -> Finding {
        Finding { verdict: Verdict::Tampered, message, place: Some(self.place.clone()) }
    }

    fn incomplete(&self, message: String) -> Finding {
        Finding { verdict: Verdict::Incomplete, message, place: Some(self.place.clone()) }
    }

    pub fn nothing_found(&self, dir: &Path) -> Finding {
        let (verdict, message) = match self.known_seals.last() {
            Some(last) => (
                Verdict::Tampered,
                format!("{dir:?} holds no segment, but {} leaves were sealed", last.seal.size + 1),
            ),
            None => (Verdict::Unverifiable, format!("{dir:?} holds no segment of a log")),
        };
        Finding { verdict, message, place: None }
    }

    /// Goes on with a segment: its header must continue the last one.
    pub fn begin(&mut self, found: &Found, path: &Path) -> Result<(), Finding> {
        let header = &found.header;
        let bytes = header.to_line().len() as u64;
        self.place = Place { file: path.into(), line: 1, offset: 0, seq: header.first_seq };
        self.report.figures.segments += 1;
        let log_id = decode_id(&header.log_id)
            .ok_or_else(|| self.tampered(format!("{:?} is no log id", header.log_id)))?;
        match self.log_id {
            None => self.begin_first(found, log_id)?,
            Some(known) if known != log_id => {
                return Err(self.tampered(format!(
                    "the segment is of log {}, not of log {}",
                    header.log_id,
                    HEXLOWER.encode(&known)
                )));
            }
            Some(_) => {}
        }
        if let Some(last) = self.segment {
            self.continue_with(header.segment, last, header.tree())?;
        }
        self.segment = Some(header.segment);
        self.place.line = 2;
        self.place.offset = bytes;
        Ok(())
    }

    fn begin_first(&mut self, found: &Found, log_id: LogId) -> Result<(), Finding> {
        let header = &found.header;
        self.log_id = Some(log_id);
        self.report.figures.log_id = header.log_id.clone();
        self.report.figures.first_seq = header.first_seq;
        if header.first_seq > 0 {
            self.tree = header.tree().unwrap_or_default();
            self.unexplained_start = Some(header.first_seq);
            self.walk_pruned_seals(header.first_seq, &log_id)?;
        } else if header.segment != 0 {
            return Err(self.tampered("the first segment is not numbered 0".into()));
        }
        if let Some(key) = self.auditor_key {
            self.auditor = Some(self.macs_of(&key, &log_id).map_err(|e| Finding {
                verdict: Verdict::Unverifiable,
                message: format!("no memory could be locked for keys: {e}"),
                place: None,
            })?);
        }
        Ok(())
    }

    fn continue_with(&mut self, number: u64, last: u64, tree: Option<Tree>) -> Result<(), Finding> {
        if tree.as_ref() != Some(&self.tree) {
            let (wanted, found) = (self.tree.size(), tree.map_or(0, |tree| tree.size()));
            let message = if found > wanted {
                format!("lines {wanted} to {} are missing before this segment", found - 1)
            } else {
                format!(
                    "the segment begins at seq {found}, which does not continue the last one's {wanted}"
                )
            };
            return Err(self.tampered(message));
        }
        if number <= last {
            return Err(self.tampered(format!("segment {number} comes after segment {last}")));
        }
        if !self.after_seal {
            let message = "the segment before was not closed with a seal: its file was deleted, truncated or damaged while it was written";
            let finding = self.incomplete(message.into());
            self.found(finding);
        }
        Ok(())
    }

    fn macs_of(&self, key: &Hash, log_id: &LogId) -> std::io::Result<Macs> {
        let mut secret = EpochSecret::new(key)?;
        for epoch in 0..self.epoch {
            secret = secret.next(log_id, epoch)?;
        }
        let ratchet = secret.ratchet(log_id, self.epoch)?;
        Ok(Macs { secret, ratchet })
    }

    /// Goes on with a line, given without LF.
    pub fn line(&mut self, bytes: &[u8]) -> Result<(), Finding> {
        self.place.seq = self.tree.size();
        let line = line::parse(bytes).map_err(|e| self.tampered(e.to_string()))?;
        if line.seq != self.tree.size() {
            return Err(self.tampered(format!(
                "the line's seq is {}, but {} comes next",
                line.seq,
                self.tree.size()
            )));
        }
        match line.body {
            Body::Event { event, .. } => self.event(&line, bytes, event)?,
            Body::Seal(json) => self.seal(&line, bytes, json)?,
        }
        self.tree.push(leaf_hash(bytes));
        let figures = &mut self.report.figures;
        figures.bytes += bytes.len() as u64 + 1;
        figures.first_ts_ns.get_or_insert(line.ts_ns);
        self.last_ts_ns = Some(line.ts_ns);
        self.place.line += 1;
        self.place.offset += bytes.len() as u64 + 1;
        Ok(())
    }

    fn event(&mut self, line: &Line<'_>, bytes: &[u8], event: &str) -> Result<(), Finding> {
        self.report.figures.events += 1;
        self.after_seal = false;
        let own = event.starts_with(record::PREFIX).then(|| Own::parse(event)).flatten();
        let stepped = own.as_ref().is_some_and(|own| own.event_type == "auditlogd.clock_step");
        self.check_time(line.ts_ns, stepped)?;
        if let Some(own) = own {
            self.own_record(line.seq, own)?;
        }
        if let Some(macs) = &mut self.auditor {
            if macs.ratchet.mac(&bytes[..bytes.len() - line::TAIL]) != line.mac {
                return Err(self.tampered("the line's mac is not the one its key gives".into()));
            }
            self.report.figures.macs += 1;
        }
        Ok(())
    }

    fn check_time(&self, ts_ns: i64, may_step: bool) -> Result<(), Finding> {
        match self.last_ts_ns {
            Some(last) if !may_step && ts_ns < last.saturating_sub(CLOCK_TOLERANCE_NS) => {
                Err(self.tampered(format!(
                    "the line's time {} is before the last one's {}, and no record says that the clock stepped",
                    rfc3339(ts_ns),
                    rfc3339(last)
                )))
            }
            _ => Ok(()),
        }
    }

    fn own_record(&mut self, seq: u64, own: Own) -> Result<(), Finding> {
        match own.event_type.as_str() {
            "auditlogd.log_created" if seq == 0 => {
                let said = own.data.genesis_pub.unwrap_or_default();
                match self.genesis {
                    Some(key) if HEXLOWER.encode(&key) != said => {
                        return Err(self.tampered(
                            "the log was not begun with the pinned genesis key: it is another log, or all of it was replaced".into(),
                        ));
                    }
                    Some(_) => {}
                    // Not pinned: its own word still shows whether the log agrees with itself.
                    None => self.next_pub = decode_hash(&said),
                }
            }
            "auditlogd.pruned" => {
                let through = own.data.through_seq.map(|seq| seq + 1);
                if through.is_some_and(|next| Some(next) >= self.unexplained_start) {
                    self.unexplained_start = None;
                }
            }
            "auditlogd.recovered" | "auditlogd.reopened" => {
                if let Some(damage) = own.data.damage {
                    let finding =
                        self.incomplete(format!("the daemon found and recorded: {damage}"));
                    self.found(finding);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What is left to say when all lines are read.
    pub fn finish(mut self) -> Report {
        let figures = &mut self.report.figures;
        figures.next_seq = self.tree.size();
        figures.last_ts_ns = self.last_ts_ns;
        figures.open_lines = self.tree.size().saturating_sub(self.epoch_first);
        let broken = self.report.verdict == Verdict::Tampered;
        if let (Some(first), false) = (self.unexplained_start, broken) {
            let message = format!(
                "the log begins at seq {first}, and no record says that retention deleted what was before"
            );
            self.report.add(Finding { verdict: Verdict::Tampered, message, place: None });
        }
        if let (Some(known), false) = (self.known_seals.last(), broken || self.log_id.is_none())
            && known.seal.epoch >= self.epoch
        {
            let message = format!(
                "the log's end was cut: seals.jsonl holds the seal of epoch {} (seq {}), the segments end at epoch {} (seq {})",
                known.seal.epoch,
                known.seal.size,
                self.epoch,
                self.tree.size()
            );
            self.report.add(Finding { verdict: Verdict::Tampered, message, place: None });
        }
        if self.genesis.is_none() {
            let message = "no genesis key was given, so a log that was replaced as a whole would go unnoticed; give the pinned key with --key".to_owned();
            self.report.add(Finding { verdict: Verdict::Unverifiable, message, place: None });
        }
        self.report
    }
}

/// The members of the daemon's own records that verification understands.
#[derive(Deserialize)]
struct Own {
    event_type: String,
    data: OwnData,
}

#[derive(Deserialize)]
struct OwnData {
    genesis_pub: Option<String>,
    through_seq: Option<u64>,
    damage: Option<String>,
}

impl Own {
    fn parse(event: &str) -> Option<Self> {
        serde_json::from_str(event).ok()
    }
}

fn decode_id(hex: &str) -> Option<LogId> {
    HEXLOWER.decode(hex.as_bytes()).ok()?.try_into().ok()
}

fn decode_hash(hex: &str) -> Option<Hash> {
    HEXLOWER.decode(hex.as_bytes()).ok()?.try_into().ok()
}
