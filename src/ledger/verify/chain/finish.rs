//! What is left to say when all lines are read.

use std::path::Path;

use super::hole::Missing;
use super::{Chain, Sealed};
use crate::clock::rfc3339;
use crate::ledger::seal::Reason;
use crate::ledger::segment;
use crate::ledger::verify::anchors::{self, Anchored, Check, Leaves};
use crate::ledger::verify::order::When;
use crate::ledger::verify::position::Position;
use crate::ledger::verify::seals::Known;
use crate::ledger::verify::{Finding, Report, Verdict};

/// The longest time that somebody takes to copy a log, nanoseconds: what was sealed over a longer one and is
/// missing was not written while the copy was made.
const LONGEST_COPY_NS: i64 = 24 * 3600 * 1_000_000_000;

/// Files that are named as not read.
const MOST_UNREAD: usize = 20;

impl Chain<'_> {
    /// There is no segment.
    pub fn nothing_found(&mut self, dir: &Path) -> Finding {
        let sealed = self.open_seals(0, 0).and_then(|()| self.last_known());
        match sealed {
            Ok(Some(last)) => {
                let leaves = last.seal.size.saturating_add(1);
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
        // Without seals that lead to the first line nothing was read.
        figures.first_seq = figures.first_seq.min(figures.next_seq);
        figures.open_lines = self.tree.size().saturating_sub(self.epoch_first);
        if read.is_ok() && self.options.auditor_key.is_some() {
            self.confirm_holes(false);
        }
        self.report.holes = self.holes.iter().filter_map(Missing::explained).collect();
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
        self.report.unread = self.unread_files();
        self.report.position = self.last_position();
        self.report.history = self.history;
        self.report
    }

    fn check_end(&mut self) -> Result<(), Finding> {
        if let Some(finding) = self.wrong_key.take() {
            return Err(finding);
        }
        let unexplained = self.unexplained();
        if !unexplained.is_empty() {
            unexplained.into_iter().for_each(|finding| self.found(finding));
            return Ok(());
        }
        self.check_reaches_position()?;
        self.check_known_end()?;
        if self.epoch == 0 {
            let message = "no seal covers any line, so nothing shows what the log held: a daemon seals its first record at once";
            return Err(Finding::new(Verdict::Unverifiable, message));
        }
        self.check_prunes()?;
        self.check_anchors();
        self.check_silence();
        Ok(())
    }

    /// What looks like a segment and could not be read as one, as the end of a sentence.
    pub(super) fn unread(&self) -> String {
        self.unread_files().first().map(|said| format!("; {said}")).unwrap_or_default()
    }

    fn unread_files(&self) -> Vec<String> {
        let broken = segment::broken(&self.options.paths.log_dir).unwrap_or_default();
        let said = |path| format!("{path:?} looks like a segment, but its header cannot be read");
        broken.iter().take(MOST_UNREAD).map(said).collect()
    }

    fn check_anchors(&mut self) {
        let anchored = std::mem::take(&mut self.report.anchored);
        let figures = &self.report.figures;
        let read =
            Leaves { first: figures.first_seq, end: figures.next_seq, holes: &self.report.holes };
        let (log_id, places, options) = (self.log_id(), &self.places, self.options);
        let new = |anchored| Check::new(log_id, read, places, options, anchored);
        let mut check = new(anchored);
        let mut findings = check.all(&self.options.anchors);
        check.beside_a_copy = !self.options.live;
        findings.extend(check.all(&self.cosigned));
        self.report.anchored = check.anchored;
        let mut beside = new(Anchored::default());
        beside.beside_a_copy = !self.options.live;
        // What cannot be checked of these is no loss.
        let own = beside.all(&self.own).into_iter();
        findings.extend(own.filter(|finding| finding.verdict != Verdict::Unverifiable));
        for finding in findings {
            self.passing.push(self.report.findings.len());
            self.found(finding);
        }
    }

    /// Where the segment is gone that an earlier run ended in, the log must still go beyond it.
    fn check_reaches_position(&self) -> Result<(), Finding> {
        match self.earlier() {
            Some(position) if self.epoch < position.epoch => Err(position.is_beyond()),
            _ => Ok(()),
        }
    }

    /// seals.jsonl must not know of seals that the segments lack. Beside a copy it may have been copied
    /// after them, while the daemon wrote: then what is missing goes on from the last line, in the same segment.
    fn check_known_end(&mut self) -> Result<(), Finding> {
        let (epoch, end, header) = (self.epoch, self.tree.size(), self.header);
        let mut may_be_a_copy = !self.options.live;
        let (mut first, mut last) = (None, None);
        while let Some(seals) = &mut self.seals
            && let Some(known) = seals.next()?
        {
            let (seal, ts_ns) = (&known.seal, known.ts_ns);
            // Where an earlier run ended, the file may have lagged behind the log.
            if seal.epoch < epoch {
                continue;
            }
            let first_ts_ns = *first.get_or_insert(ts_ns);
            if may_be_a_copy {
                let goes_on = seal.size >= end && (last.is_some() || seal.header.0 == header);
                let in_time = ts_ns.saturating_sub(first_ts_ns) <= LONGEST_COPY_NS;
                let sealed = Sealed { seal, ts_ns, line: &known.line, signed_by: None };
                may_be_a_copy =
                    goes_on && in_time && self.chain_seal(&sealed, self.epoch_first).is_ok();
            }
            last = Some(known);
        }
        let Some(Known { seal, .. }) = last else { return Ok(()) };
        // After a stop no daemon wrote.
        if may_be_a_copy && seal.reason != Reason::Stop {
            let message = format!(
                "the segments end before seq {end}, and seals.jsonl holds the seal of epoch {} (seq {}): {}",
                seal.epoch,
                seal.size,
                anchors::LATER_COPY
            );
            self.passing.push(self.report.findings.len());
            self.found(Finding::new(Verdict::Incomplete, message));
            return Ok(());
        }
        let message = format!(
            "the log's end was cut: seals.jsonl holds the seal of epoch {} as seq {}, the segments end before seq {end}",
            seal.epoch, seal.size
        );
        Err(Finding::new(Verdict::Tampered, message))
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
        let open = self.holes.iter().filter(|hole| hole.end <= position.size && !hole.sealed);
        position.holes = open.cloned().collect();
        let before = self.report.findings.iter().take(findings).enumerate();
        let lasting = before.filter(|(n, _)| !self.passing.contains(n));
        let covered = self.report.anchored.covered.clone();
        position.covered = covered.filter(|covered| covered.size <= position.size);
        position.findings = lasting.map(|(_, finding)| finding.clone()).collect();
        Some(position)
    }
}
