//! Who vouches for what: the keys, the anchors, and the parts of the log.

use data_encoding::HEXLOWER;

use super::compose::Evidence;
use super::counts::{moment, number, seqs};
use super::page::{Key, Range};
use crate::cli::text::visible;
use crate::ledger::verify::{Hole, KeyFrom};
use crate::words::count;

impl Evidence<'_> {
    pub(super) fn keys(&self) -> Vec<Key> {
        let options = &self.target.options;
        let genesis = match (&options.genesis, self.target.key_from_here) {
            (None, _) => (
                "none".to_owned(),
                "It was not given, so signatures could not be checked.".to_owned(),
            ),
            (Some(key), true) => (
                HEXLOWER.encode(key),
                format!(
                    "Found on the host, in {}. Compare it with the one that was noted elsewhere.",
                    options.paths.genesis_pub().display()
                ),
            ),
            (Some(key), false) => (HEXLOWER.encode(key), "Given with --key.".to_owned()),
        };
        let given = options.checkpoint_key.as_ref();
        let checkpoint = match self.report.anchored.key_from {
            Some(KeyFrom::Log) => (
                "named in the log’s first line".to_owned(),
                "The first line, for which the genesis key vouches.".to_owned(),
            ),
            Some(KeyFrom::Given) => (
                given.map(ToString::to_string).unwrap_or_default(),
                match self.against.vkey {
                    Some(_) => "Given with --vkey.".to_owned(),
                    None => format!(
                        "Found beside the log, in {}.",
                        options.paths.checkpoint_vkey().display()
                    ),
                },
            ),
            None => ("not used".to_owned(), "There was no checkpoint to check.".to_owned()),
        };
        let auditor = match &self.against.auditor_key {
            Some(path) => (
                "used; it is secret and not shown".to_owned(),
                format!("The file {}.", path.display()),
            ),
            None => ("not used".to_owned(), "It was not given.".to_owned()),
        };
        let named = [
            ("Genesis key (Ed25519, signs the first seal)", genesis),
            ("Checkpoint key", checkpoint),
            ("Auditor key (checks single lines)", auditor),
        ];
        let key = |(name, (value, from)): (_, (String, String))| Key {
            name,
            value: visible(&value).into_owned(),
            from: visible(&from).into_owned(),
        };
        named.into_iter().map(key).collect()
    }

    pub(super) fn ranges(&self) -> Vec<Range> {
        let figures = &self.report.figures;
        let mut list = Vec::new();
        let mut from = figures.first_seq;
        if let Some(covered) = &self.report.anchored.covered {
            let time =
                covered.ts_ns.map(|ns| format!(", up to {}", moment(ns))).unwrap_or_default();
            let why = format!("A signed checkpoint covers them{time}: {}", covered.from);
            list.push((from.min(covered.size)..covered.size, "ok", "Anchored", why));
            from = from.max(covered.size);
        }
        let sealed = figures.next_seq.saturating_sub(figures.open_lines);
        if from < sealed {
            let why = "Sealed on the host; nothing that was kept elsewhere covers them.".to_owned();
            list.push((from..sealed, "warn", "Not anchored", why));
            from = sealed;
        }
        if from < figures.next_seq {
            let why = match figures.macs {
                0 => {
                    "After the last seal: only the auditor key can check them, and it was not used."
                }
                _ => "After the last seal; checked with the auditor key.",
            };
            list.push((from..figures.next_seq, "warn", "Not sealed yet", why.to_owned()));
        }
        if let Some((from, end)) = self.unread() {
            let why = "Verification ended at the first line that does not hold.".to_owned();
            list.push((from..end, "bad", "Not checked", why));
        }
        let mut list = without(list, &self.report.holes);
        list.sort_by_key(|(seqs, ..)| seqs.start);
        let range = |(range, class, state, why): Part| Range {
            seqs: seqs(range.start, range.end),
            class,
            state,
            why: visible(&why).into_owned(),
        };
        list.into_iter().map(range).collect()
    }

    /// Lines that are there and were not verified.
    pub(super) fn unread(&self) -> Option<(u64, u64)> {
        let (from, last) = (self.report.figures.next_seq, self.scan.seqs?.1);
        (!self.report.verdict.is_ok() && last >= from).then_some((from, last + 1))
    }

    pub(super) fn receipts(&self) -> Vec<String> {
        let anchored = &self.report.anchored;
        let checkpoints = (anchored.checkpoints > 0).then(|| {
            format!("The log fits {} kept elsewhere.", count(anchored.checkpoints, "checkpoint"))
        });
        let receipts = anchored.last_receipt.map(|last| {
            format!(
                "{} found in the log, the last for seq {}. A receipt vouches for its own line, and that the log reached it.",
                count(anchored.receipts, "receipt"),
                number(last)
            )
        });
        checkpoints.into_iter().chain(receipts).collect()
    }
}

/// Lines, a class of the page, what is said of them, and why.
type Part = (std::ops::Range<u64>, &'static str, &'static str, String);

/// The parts with each hole cut out of them, and the holes.
fn without(parts: Vec<Part>, holes: &[Hole]) -> Vec<Part> {
    let mut list = Vec::new();
    for (mut seqs, class, state, why) in parts {
        for hole in holes {
            if seqs.contains(&hole.first_seq) {
                list.push((seqs.start..hole.first_seq, class, state, why.clone()));
                seqs.start = hole.through_seq + 1;
            }
        }
        list.push((seqs, class, state, why));
    }
    list.retain(|(seqs, ..)| !seqs.is_empty());
    let gone = |hole: &Hole| {
        let why = "Retention deleted them; see the deletions below.".to_owned();
        (hole.first_seq..hole.through_seq + 1, "", "Not there", why)
    };
    list.extend(holes.iter().map(gone));
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::verify::Prune;

    #[test]
    fn holes_are_cut_out_of_the_parts() {
        let hole = |first_seq, through_seq| {
            let policy = String::new();
            let record =
                Prune { seq: 200, ts_ns: 0, first_seq, through_seq, policy, keep_seconds: 0 };
            Hole { first_seq, through_seq, record }
        };
        let parts = vec![
            (10..50, "ok", "Anchored", String::new()),
            (50..60, "warn", "Not anchored", String::new()),
        ];
        let mut list = without(parts, &[hole(0, 9), hole(20, 29), hole(40, 49)]);
        list.sort_by_key(|(seqs, ..)| seqs.start);
        let said: Vec<_> = list.into_iter().map(|(seqs, _, state, _)| (seqs, state)).collect();
        let (gone, anchored) = ("Not there", "Anchored");
        let wanted = [
            (0..10, gone),
            (10..20, anchored),
            (20..30, gone),
            (30..40, anchored),
            (40..50, gone),
            (50..60, "Not anchored"),
        ];
        assert_eq!(said, wanted);
    }
}
