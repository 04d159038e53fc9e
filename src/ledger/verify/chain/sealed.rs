//! What a seal must be, given all that came before it.

use super::{Chain, Macs};
use crate::ledger::keys::LogId;
use crate::ledger::line::{self, Line};
use crate::ledger::seal::{self, Reason, Seal};
use crate::ledger::verify::{Finding, Verdict};

impl Chain {
    pub(super) fn seal(
        &mut self,
        line: &Line<'_>,
        bytes: &[u8],
        json: &str,
    ) -> Result<(), Finding> {
        let seal = seal::parse(json).map_err(|e| self.tampered(e.to_string()))?;
        let log_id = self.log_id.unwrap_or_default();
        if seal.size != line.seq || seal.root.0 != self.tree.root() {
            return Err(self.tampered(format!(
                "the lines before this seal are not the ones it was made for: one of {} to {} was changed, added or removed",
                self.epoch_first, line.seq
            )));
        }
        self.check_time(line.ts_ns, seal.reason.key_was_lost())?;
        self.check_recovery(&seal);
        self.chain_seal(&seal, bytes, &log_id, self.epoch_first)?;
        self.check_known(&seal, bytes)?;
        self.check_seal_mac(&seal, line, bytes, &log_id)?;
        self.report.figures.seals += 1;
        self.after_seal = true;
        Ok(())
    }

    /// Epoch, chain and signature of a seal.
    fn chain_seal(
        &mut self,
        seal: &Seal,
        bytes: &[u8],
        log_id: &LogId,
        first_seq: u64,
    ) -> Result<(), Finding> {
        if seal.epoch != self.epoch || seal.first_seq != first_seq || seal.prev.0 != self.prev {
            return Err(self.tampered(format!(
                "the seal of epoch {} does not continue the seal before it",
                seal.epoch
            )));
        }
        if !self.next_pub.is_some_and(|key| seal::verify(bytes, log_id, &key)) {
            return Err(self.tampered(format!(
                "the seal of epoch {} is not signed with the key that was announced for it",
                seal.epoch
            )));
        }
        if let Some((boot, ns)) = &self.last_boot
            && *boot == seal.boot_id
            && seal.boottime_ns < *ns
        {
            return Err(self.tampered(format!("the seal of epoch {} is out of time", seal.epoch)));
        }
        self.last_boot = Some((seal.boot_id.clone(), seal.boottime_ns));
        self.next_pub = Some(seal.next_pub.0);
        self.prev = seal::hash(bytes);
        self.epoch += 1;
        self.epoch_first = seal.size + 1;
        Ok(())
    }

    /// A seal that says that the daemon died is no sign of tampering, but lines may be missing.
    fn check_recovery(&mut self, seal: &Seal) {
        if seal.reason != Reason::Recovered {
            return;
        }
        let rebooted = self.last_boot.as_ref().is_some_and(|(boot, _)| *boot != seal.boot_id);
        let (how, lines) = match rebooted {
            true => ("the host went down", seal.size - seal.first_seq),
            false => (
                "the daemon was killed or crashed while the host ran on",
                seal.size - seal.first_seq,
            ),
        };
        let message = format!(
            "{how} in epoch {}: its {lines} lines are there, but whether more had been acknowledged only the receipts of clients can tell",
            seal.epoch
        );
        let finding = self.incomplete(message);
        self.found(finding);
    }

    fn check_known(&self, seal: &Seal, bytes: &[u8]) -> Result<(), Finding> {
        match self.known_seals.get(seal.epoch as usize) {
            Some(known) if known.line != bytes => {
                Err(self
                    .tampered(format!("seals.jsonl holds another seal of epoch {}", seal.epoch)))
            }
            _ => Ok(()),
        }
    }

    /// The seal's mac, and the keys of the next epoch.
    fn check_seal_mac(
        &mut self,
        seal: &Seal,
        line: &Line<'_>,
        bytes: &[u8],
        log_id: &LogId,
    ) -> Result<(), Finding> {
        let Some(macs) = &mut self.auditor else { return Ok(()) };
        let next = macs.secret.next(log_id, seal.epoch).and_then(|secret| {
            Ok(Macs { ratchet: secret.ratchet(log_id, seal.epoch + 1)?, secret })
        });
        let mut next = next.map_err(|e| Finding {
            verdict: Verdict::Unverifiable,
            message: format!("no memory could be locked for keys: {e}"),
            place: None,
        })?;
        let lost = seal.reason.key_was_lost();
        let key = if lost { &mut next.ratchet } else { &mut macs.ratchet };
        if key.mac(&bytes[..bytes.len() - line::TAIL]) != line.mac {
            return Err(self.tampered("the seal's mac is not the one its key gives".into()));
        }
        self.auditor = Some(next);
        self.report.figures.macs += 1;
        Ok(())
    }

    /// The chain of the seals whose segments are gone, up to the one before leaf `first_seq`.
    pub(super) fn walk_pruned_seals(
        &mut self,
        first_seq: u64,
        log_id: &LogId,
    ) -> Result<(), Finding> {
        let known = std::mem::take(&mut self.known_seals);
        let mut result = Ok(());
        for entry in known.iter().take_while(|entry| entry.seal.size < first_seq) {
            result = self.chain_seal(&entry.seal, &entry.line, log_id, entry.seal.first_seq);
            if result.is_err() {
                break;
            }
        }
        let reached = self.epoch_first == first_seq;
        self.known_seals = known;
        result?;
        if reached {
            return Ok(());
        }
        Err(Finding {
            verdict: Verdict::Unverifiable,
            message: format!(
                "the log begins at seq {first_seq}, and no seals.jsonl leads from the first seal to there"
            ),
            place: Some(self.place.clone()),
        })
    }
}
