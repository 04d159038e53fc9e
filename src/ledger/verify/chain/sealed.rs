//! What a seal must be, given all that came before it.

use super::Chain;
use crate::ledger::seal::{self, Hex, Reason, Seal};
use crate::ledger::tree::Hash;
use crate::ledger::verify::order::When;
use crate::ledger::verify::position::Position;
use crate::ledger::verify::seals::Seals;
use crate::ledger::verify::worker::SealLine;
use crate::ledger::verify::{Finding, Verdict};

/// A seal whose form is right, with its line.
pub struct Sealed<'a> {
    pub seal: &'a Seal,
    pub ts_ns: i64,
    /// The whole line, without LF.
    pub line: &'a [u8],
    /// The key that its signature is known to be of.
    pub signed_by: Option<Hash>,
}

impl Chain<'_> {
    pub(super) fn seal(&mut self, line: &SealLine) -> Result<(), Finding> {
        let sealed = self.check_seal(line);
        match self.wrong_key.take() {
            None => sealed,
            // It covers leaf 0 with its mac, and the key that signed it was erased at once.
            Some(_) if sealed.is_ok() && line.seq == 1 && self.options.genesis.is_some() => {
                let message = "the auditor key that was given is not the one of this log";
                Err(Finding::new(Verdict::Unverifiable, message))
            }
            Some(finding) => Err(finding),
        }
    }

    fn check_seal(&mut self, line: &SealLine) -> Result<(), Finding> {
        self.check_birth()?;
        let seal = line.seal.as_ref().map_err(|e| self.tampered(e.to_string()))?;
        let sealed =
            Sealed { seal, ts_ns: line.ts_ns, line: &line.bytes, signed_by: line.signed_by };
        if seal.size != line.seq || seal.root.0 != self.tree.root() {
            return Err(self.tampered(format!(
                "the lines before this seal are not the ones it was made for: one of {} to {} was changed, added or removed",
                self.epoch_first, line.seq
            )));
        }
        if seal.header.0 != self.header {
            return Err(
                self.tampered("the header of this seal's segment is not the one it was made for")
            );
        }
        self.check_seal_time(&sealed)?;
        self.check_recovery(seal);
        self.chain_seal(&sealed, self.epoch_first)?;
        self.check_known(&sealed)?;
        if line.mac_holds == Some(false) && self.wrong_key.is_none() {
            return Err(self.tampered("the seal's mac is not the one its key gives"));
        }
        let figures = &mut self.report.figures;
        figures.seals += 1;
        figures.macs += u64::from(line.mac_holds.is_some());
        self.after_seal = true;
        self.confirm_holes(true);
        self.tree.push(line.leaf);
        self.read(1, line.bytes.len() as u64 + 1, line.ts_ns, line.ts_ns);
        if let Some(history) = &mut self.history {
            history.sealed(&sealed);
        }
        self.keep_position(&sealed);
        Ok(())
    }

    fn check_seal_time(&mut self, sealed: &Sealed<'_>) -> Result<(), Finding> {
        let Some(last) = self.last_ts_ns else { return Ok(()) };
        let when = When { ts_ns: sealed.ts_ns, step_ns: None };
        let restarted = sealed.seal.reason.key_was_lost();
        when.check(last, restarted).map_err(|message| self.tampered(message))?;
        if when.is_gap(last, self.options.max_gap_ns) {
            let why = match (sealed.seal.reason, self.last_reason) {
                (Reason::Start, Some(Reason::Stop)) => "the daemon was stopped, and started again",
                (Reason::Start | Reason::Recovered, _) if self.rebooted(sealed.seal) => {
                    "the host was down"
                }
                (Reason::Start | Reason::Recovered, _) => {
                    "the daemon had been killed or had crashed, and was started again"
                }
                _ => "nothing says why",
            };
            self.gap(when, why);
        }
        Ok(())
    }

    /// Epoch, chain and signature of a seal.
    pub(super) fn chain_seal(
        &mut self,
        sealed: &Sealed<'_>,
        first_seq: u64,
    ) -> Result<(), Finding> {
        let Sealed { seal, line, signed_by, .. } = sealed;
        if seal.epoch != self.epoch || seal.first_seq != first_seq || seal.prev.0 != self.prev {
            return Err(self.tampered(format!(
                "the seal of epoch {} does not continue the seal before it",
                seal.epoch
            )));
        }
        // Without a pinned key the first seal of a pruned log is taken at its word; the verdict says so.
        let signed = self
            .next_pub
            .is_none_or(|key| *signed_by == Some(key) || seal::verify(line, &self.log_id(), &key));
        if !signed {
            return Err(self.tampered(format!(
                "the seal of epoch {} is not signed with the key that was announced for it",
                seal.epoch
            )));
        }
        self.check_run(seal)?;
        self.last_boot = Some((seal.boot_id.clone(), seal.boottime_ns));
        self.last_reason = Some(seal.reason);
        self.next_pub = Some(seal.next_pub.0);
        self.prev = seal::hash(line);
        self.epoch += 1;
        self.epoch_first = seal.size.saturating_add(1);
        match self.earlier().and_then(|p| p.contradicted_by(self.epoch, &self.prev)) {
            Some(finding) => Err(finding),
            None => Ok(()),
        }
    }

    /// Within one run of the daemon the boot stays and its clock goes forward; after it, the seal says so.
    fn check_run(&self, seal: &Seal) -> Result<(), Finding> {
        let same_run = !seal.reason.key_was_lost();
        if let Some((boot, ns)) = self.last_boot.as_ref().filter(|_| same_run)
            && (*boot != seal.boot_id || seal.boottime_ns < *ns)
        {
            return Err(self.tampered(format!("the seal of epoch {} is out of time", seal.epoch)));
        }
        let stopped = self.last_reason == Some(Reason::Stop);
        let born = seal.epoch == 0 && seal.size == 1;
        if (stopped && same_run) || (seal.reason == Reason::Created && !born) {
            return Err(self.tampered(format!(
                "the seal of epoch {} gives a reason that cannot come after the one before it",
                seal.epoch
            )));
        }
        let after_stop = stopped && seal.size == seal.first_seq;
        if seal.reason == Reason::Start && !after_stop {
            return Err(self.tampered(format!(
                "the seal of epoch {} says that the daemon had been stopped, and no stop comes right before it: lines were cut",
                seal.epoch
            )));
        }
        Ok(())
    }

    /// What an earlier run left, if this one is to go on from there.
    pub(super) fn earlier(&self) -> Option<&Position> {
        self.options.since.as_ref().filter(|position| position.is_of(self.options.genesis))
    }

    fn rebooted(&self, seal: &Seal) -> bool {
        self.last_boot.as_ref().is_some_and(|(boot, _)| *boot != seal.boot_id)
    }

    /// A seal that says that the daemon died is no sign of tampering, but lines may be missing.
    fn check_recovery(&mut self, seal: &Seal) {
        if seal.reason != Reason::Recovered {
            return;
        }
        let how = match self.rebooted(seal) {
            true => "the host went down",
            false => "the daemon was killed or crashed while the host ran on",
        };
        let lines = seal.size.saturating_sub(seal.first_seq);
        let macs = match self.options.auditor_key {
            Some(_) => "",
            None => ", and whether these were changed before the start only the auditor key",
        };
        let message = format!(
            "{how} in epoch {}: {} there, but whether more had been acknowledged only the receipts of clients can tell{macs}",
            seal.epoch,
            match lines {
                0 => "no line of it is".to_owned(),
                1 => "1 line of it is".to_owned(),
                n => format!("{n} lines of it are"),
            }
        );
        let finding = self.incomplete(message);
        self.found(finding);
    }

    /// The seal must be the one of its epoch in seals.jsonl, as far as that goes.
    fn check_known(&mut self, sealed: &Sealed<'_>) -> Result<(), Finding> {
        let epoch = sealed.seal.epoch;
        while let Some(seals) = &mut self.seals {
            match seals.next() {
                // Where an earlier run ended, the file may have lagged behind the log.
                Ok(Some(known)) if known.seal.epoch < epoch => {}
                Ok(Some(known)) if known.line != sealed.line => {
                    let message = format!("seals.jsonl holds another seal of epoch {epoch}");
                    return Err(self.tampered(message));
                }
                Ok(_) => break,
                Err(finding) => {
                    self.found(finding);
                    break;
                }
            }
        }
        Ok(())
    }

    fn keep_position(&mut self, sealed: &Sealed<'_>) {
        let (seal, place) = (sealed.seal, &self.place);
        let Some(genesis) = self.options.genesis else { return };
        let (seals_epoch, seals_offset) = self.seals.as_ref().map_or((0, 0), Seals::at);
        let position = Position {
            version: Position::version(),
            verified_ns: self.options.now_ns,
            with_macs: self.options.auditor_key.is_some()
                && self.report.since.as_ref().is_none_or(|since| since.with_macs),
            log_id: self.report.figures.log_id.clone(),
            genesis: Hex(genesis),
            segment: self.segment.unwrap_or_default(),
            line: place.line,
            offset: place.offset,
            seal_len: sealed.line.len() as u64 + 1,
            size: self.tree.size(),
            frontier: self.tree.frontier().iter().map(|hash| Hex(*hash)).collect(),
            epoch: self.epoch,
            prev: Hex(self.prev),
            next_pub: seal.next_pub,
            reason: seal.reason,
            boot_id: seal.boot_id.clone(),
            boottime_ns: seal.boottime_ns,
            ts_ns: sealed.ts_ns,
            seals_epoch,
            seals_offset,
            holes: Vec::new(),
            checkpoint_key: self.places.key.as_ref().map(ToString::to_string),
            covered: None,
            findings: Vec::new(),
        };
        self.position = Some((position, self.report.findings.len()));
    }
}
