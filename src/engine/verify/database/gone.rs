//! What one of the two has and the other has not: rows without lines, and what retention deleted from either.

use std::ops::Range;

use super::{Check, Ended, READ_BYTES, leaf};
use crate::engine::rows;
use crate::engine::verify::maps;
use crate::index::{IndexError, Kind, Snapshot};
use crate::ledger::line::peek_seq;
use crate::ledger::segment;
use crate::ledger::verify::{Hole, Own, Report, Verdict};

impl Check<'_> {
    /// Rows for which there can be no lines, or are none.
    pub(super) fn others(&mut self, snapshot: &Snapshot<'_>) -> Result<(), IndexError> {
        if let Some(extent) = snapshot.leaves(i64::MIN..=-1)? {
            self.found.differ(&format!("the database has {} rows with a seq below 0", extent.rows));
        }
        let indexed = snapshot.indexed;
        if let Some(extent) = snapshot.leaves(leaf(indexed)..=i64::MAX)? {
            let (rows, first) = (extent.rows, extent.first);
            self.found.differ(&format!(
                "the database has {rows} rows from seq {first} on, though it says that it ends before seq {indexed}"
            ));
        }
        let last = indexed.saturating_sub(1);
        // A daemon may have written on since the log was verified.
        if indexed > self.next
            && let Some(lines) = self.read_log(last, indexed, 1)
            && peek_seq(&lines.bytes) != Some(last)
        {
            self.without_lines(snapshot, self.next..indexed)?;
        }
        Ok(())
    }

    /// Rows whose lines are not there, which the verdict on the log may explain.
    fn without_lines(
        &mut self,
        snapshot: &Snapshot<'_>,
        seqs: Range<u64>,
    ) -> Result<(), IndexError> {
        let Some(extent) = snapshot.leaves(leaf(seqs.start)..=leaf(seqs.end) - 1)? else {
            return Ok(());
        };
        let (rows, first, last) = (extent.rows, extent.first, extent.last);
        let what = format!("the database has {rows} rows of seq {first} to {last}");
        match self.report.verdict {
            verdict @ (Verdict::Incomplete | Verdict::Unverifiable) => {
                self.found.tell(verdict, format!("{what}, whose lines are missing from the log"));
            }
            _ if !self.live && seqs.start >= self.report.figures.next_seq => self.found.tell(
                Verdict::Incomplete,
                format!(
                    "{what}, and the segments end before: either the segments were copied first, while the daemon \
                     wrote, or the log's end was cut, or the rows were added; copy the database first and the \
                     segments after it"
                ),
            ),
            _ => self.found.tell(
                Verdict::Tampered,
                format!(
                    "{what}, which the log has not: its end was cut off, or the rows were added; copy the database \
                     before `auditlog reindex` removes them"
                ),
            ),
        }
        Ok(())
    }

    /// Leaves that the log has not, behind others that it has. Retention deletes their rows too, in its own time.
    pub(super) fn hole(&mut self, snapshot: &Snapshot<'_>, seqs: Range<u64>) -> Result<(), Ended> {
        let Report { holes, verdict, .. } = self.report;
        let known = |hole: &Hole| hole.holds(seqs.start) && hole.holds(seqs.end - 1);
        match holes.iter().any(known) {
            false if *verdict == Verdict::Unverifiable => {
                return Ok(self.without_lines(snapshot, seqs)?);
            }
            // They were there when the log was verified.
            false => return Err(Ended::Changed),
            true => {}
        }
        if let Some(extent) = snapshot.leaves(leaf(seqs.start)..=leaf(seqs.end) - 1)? {
            let (rows, first, last) = (extent.rows, extent.first, extent.last);
            let what = format!(
                "the database has {rows} rows of seq {first} to {last}, which retention deleted from the log: nothing vouches for them"
            );
            self.found.may_be_maintenance = true;
            self.found.advise(Verdict::Unverifiable, &what);
        }
        Ok(())
    }

    /// Whether the daemon has deleted events since the log was verified: its records say so.
    pub(super) fn was_maintained(&mut self) -> bool {
        let (mut next, mut found) = (self.report.figures.next_seq, false);
        while !found
            && let Ok(lines) = self.ledger.read(next, u64::MAX, READ_BYTES)
            && lines.next > next
        {
            next = lines.next;
            found = maps::own_events(&lines.bytes).any(|(_, event)| {
                Own::parse(event).is_some_and(|own| matches!(own.kind(), "maintained" | "pruned"))
            });
        }
        found
    }

    /// The segments that are there; rows of those that retention deleted may be left.
    pub(super) fn segments(&mut self, snapshot: &Snapshot<'_>, end: u64) -> Result<(), Ended> {
        let listed = segment::list_of(self.log_dir, &self.report.figures.log_id);
        let Ok(mut listed) = listed else { return Ok(()) };
        // A copy is no other segment.
        listed.dedup_by(|copy, found| copy.header == found.header);
        // A segment is listed before the first row of it; one that came since is not missed.
        listed.retain(|found| found.header.first_seq < end);
        let (Some(first), Some(last)) = (listed.first(), listed.last()) else { return Ok(()) };
        let (first, last) = (leaf(first.header.segment), leaf(last.header.segment));
        let rows: Vec<_> = listed.iter().map(rows::segment).collect();
        let (mut differences, mut left) = (Vec::new(), Vec::new());
        snapshot.segments(first..=last, &rows, &mut |difference| match difference.kind {
            Kind::Extra => left.push(difference),
            _ => differences.push(difference),
        })?;
        for difference in left {
            let after = rows.iter().find(|row| leaf(row.number) > difference.key);
            let Some(before) = after.and_then(|row| row.first_seq.checked_sub(1)) else { continue };
            if self.report.holes.iter().any(|hole| hole.through_seq == before) {
                continue;
            }
            let line = self.ledger.read(before, before + 1, 1).ok();
            match (line.is_some_and(|lines| lines.bytes.is_empty()), self.report.since.is_some()) {
                // What is missing before that was looked at by an earlier run, or will be by a whole one.
                (true, true) => {}
                (true, false) => return Err(Ended::Changed),
                (false, _) => differences.push(difference),
            }
        }
        differences.into_iter().for_each(|difference| self.found.row(difference));
        Ok(())
    }
}
