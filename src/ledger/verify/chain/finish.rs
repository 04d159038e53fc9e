//! What is left to say when all lines are read.

use std::path::Path;

use super::Chain;
use crate::clock::rfc3339;
use crate::ledger::seal::Reason;
use crate::ledger::segment;
use crate::ledger::verify::anchors::{Anchored, Check};
use crate::ledger::verify::order::When;
use crate::ledger::verify::position::Position;
use crate::ledger::verify::seals::Known;
use crate::ledger::verify::{Finding, Report, Verdict};

impl Chain<'_> {
    /// There is no segment.
    pub fn nothing_found(&mut self, dir: &Path) -> Finding {
        let sealed = self.open_seals(0, 0).and_then(|()| self.last_known());
        match sealed {
            Ok(Some(last)) => {
                let leaves = last.seal.size + 1;
                let message = format!(
                    "{dir:?} holds no segment, but seals.jsonl says that {leaves} lines were sealed"
                );
                Finding::new(Verdict::Tampered, message)
            }
            Ok(None) => {
                let message = format!("{dir:?} holds no segment of a log");
                Finding::new(Verdict::Unverifiable, message)
            }
            Err(finding) => finding,
        }
    }

    /// The report, with what only the end of the log shows, if it was `read` to its end.
    pub fn finish(mut self, read: Result<(), Finding>) -> Report {
        let figures = &mut self.report.figures;
        figures.next_seq = self.tree.size();
        figures.last_ts_ns = self.last_ts_ns;
        figures.open_lines = self.tree.size().saturating_sub(self.epoch_first);
        if let Err(finding) = read.and_then(|()| self.check_end()) {
            self.found(finding);
        }
        if self.options.genesis.is_none() {
            let message = "no genesis key was given, so a log that was replaced as a whole would go unnoticed; give the key that was noted when the log was created with --key";
            self.found(Finding::new(Verdict::Unverifiable, message));
        }
        if self.report.verdict == Verdict::OkUnanchored && self.report.anchored.covered.is_some() {
            self.report.verdict = Verdict::OkAnchored;
        }
        self.report.position = self.last_position();
        self.report.history = self.history;
        self.report
    }

    fn check_end(&mut self) -> Result<(), Finding> {
        if self.options.auditor_key.is_some() {
            self.confirm_start();
        }
        if let Some(first) = self.unexplained_start {
            let message = format!(
                "the log begins at seq {first}, and no sealed record says that retention deleted what was before{}",
                self.unread()
            );
            return Err(Finding::new(Verdict::Tampered, message));
        }
        if let Some(known) = self.last_known()?.filter(|known| known.seal.epoch >= self.epoch) {
            let message = format!(
                "the log's end was cut: seals.jsonl holds the seal of epoch {} as seq {}, the segments end before seq {}",
                known.seal.epoch,
                known.seal.size,
                self.tree.size()
            );
            return Err(Finding::new(Verdict::Tampered, message));
        }
        if self.epoch == 0 && self.options.auditor_key.is_none() {
            let message = "no seal covers any line yet, so nothing shows that the daemon wrote them; give the auditor key, or verify again after the first seal";
            return Err(Finding::new(Verdict::Unverifiable, message));
        }
        self.check_prunes()?;
        self.check_anchors();
        self.check_silence();
        Ok(())
    }

    /// What looks like a segment and could not be read as one, as the end of a sentence.
    pub(super) fn unread(&self) -> String {
        let broken = segment::broken(&self.options.paths.log_dir).unwrap_or_default();
        match broken.first() {
            Some(path) => format!("; {path:?} looks like a segment, but its header cannot be read"),
            None => String::new(),
        }
    }

    fn check_anchors(&mut self) {
        let anchored = std::mem::take(&mut self.report.anchored);
        let figures = &self.report.figures;
        let read = (figures.first_seq, figures.next_seq);
        let mut check = Check::new(self.log_id(), read, &self.places, self.options, anchored);
        let findings: Vec<_> =
            self.given.iter().filter_map(|given| check.anchor(given).err()).collect();
        self.report.anchored = check.anchored;
        let mut beside =
            Check::new(self.log_id(), read, &self.places, self.options, Anchored::default());
        let findings = findings.into_iter().chain(
            self.own
                .iter()
                .filter_map(|own| beside.anchor(own).err())
                .filter(|finding| finding.verdict == Verdict::Tampered),
        );
        let findings: Vec<_> = findings.collect();
        for finding in findings {
            self.passing.push(self.report.findings.len());
            self.found(finding);
        }
    }

    /// The last of the seals in seals.jsonl that are not yet read.
    fn last_known(&mut self) -> Result<Option<Known>, Finding> {
        let mut last = None;
        while let Some(seals) = &mut self.seals
            && let Some(known) = seals.next()?
        {
            last = Some(known);
        }
        Ok(last)
    }

    /// The daemon of this host should have written something until now.
    fn check_silence(&mut self) {
        let now = When { ts_ns: self.options.now_ns, step_ns: None };
        let silent = |last| now.is_gap(last, self.options.max_gap_ns);
        if self.options.live && self.last_ts_ns.is_some_and(silent) {
            let since = self.last_ts_ns.map(rfc3339).unwrap_or_default();
            let why = match (self.after_seal, self.last_reason) {
                (true, Some(Reason::Stop)) => {
                    "the daemon was stopped, and has not been started again"
                }
                _ => "nothing says why; the daemon does not run, or cannot write",
            };
            let message = format!("nothing has been written since {since}: {why}");
            self.passing.push(self.report.findings.len());
            self.found(Finding::new(Verdict::Incomplete, message));
        }
    }

    /// Where a later run can go on from, with what this one found before there. Only a log that was read to
    /// its end without evidence of change leaves one.
    fn last_position(&mut self) -> Option<Position> {
        let may = !matches!(self.report.verdict, Verdict::Tampered | Verdict::Unverifiable);
        let (mut position, findings) = self.position.take().filter(|_| may)?;
        position.verified_ns = self.options.now_ns;
        let before = self.report.findings.iter().take(findings).enumerate();
        let lasting = before.filter(|(n, _)| !self.passing.contains(n));
        position.covered = self.report.anchored.covered.clone();
        position.findings = lasting.map(|(_, finding)| finding.clone()).collect();
        Some(position)
    }
}
