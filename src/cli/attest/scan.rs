//! The lines of the period, read once more: how many events of which kind, and which seals.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Range;
use std::path::Path;

use crate::event::{self, FieldMap};
use crate::ledger::line::{self, Body, Line};
use crate::ledger::reader::Reader;
use crate::ledger::seal::{self, Seal};
use crate::record;

/// Bytes of lines read at a time.
const READ_BYTES: usize = 4 << 20;
/// Different names that are counted one by one; a log can hold any number.
const MOST_NAMES: usize = 10_000;
/// Seals that are kept one by one from each end.
pub(super) const MOST_SEALS: usize = 30;
/// Days that are told one by one.
const MOST_DAYS: usize = 5_000;

const DAY_NS: i64 = 86_400_000_000_000;

/// What the period holds.
#[derive(Default)]
pub(super) struct Scan {
    /// Lines of clients.
    pub events: u64,
    /// The daemon's own.
    pub own: u64,
    /// Refused lines of clients, of which there is a record.
    pub rejected: u64,
    pub types: Tally,
    pub sources: Tally,
    /// Events of priority 0 to 7, and those without one.
    pub priorities: [u64; 9],
    pub seals: u64,
    pub days: BTreeMap<i64, SealDay>,
    pub first_seals: Vec<Sealed>,
    pub last_seals: Vec<Sealed>,
    /// The leaves of the period that are there.
    pub seqs: Option<(u64, u64)>,
    /// The longest time without a line within the period, nanoseconds, and the leaf that ended it.
    pub silence: Option<(i64, u64)>,
    last_ts_ns: Option<i64>,
}

/// Events counted by name.
#[derive(Default)]
pub(super) struct Tally {
    names: HashMap<String, u64>,
    /// Events without the name.
    pub without: u64,
    /// Events with a name that was one too many.
    pub beyond: u64,
}

/// Seals of a day.
#[derive(Default)]
pub(super) struct SealDay {
    pub seals: u64,
    pub epochs: (u64, u64),
    pub seqs: (u64, u64),
    pub reasons: BTreeMap<&'static str, u64>,
}

/// A seal.
#[derive(Clone, Debug)]
pub(super) struct Sealed {
    pub epoch: u64,
    pub first_seq: u64,
    pub size: u64,
    pub ts_ns: i64,
    pub reason: &'static str,
}

impl Scan {
    /// Reads leaves `seqs` of the log in `dir`, and counts those that were committed within `period`.
    pub fn read(
        dir: &Path,
        log_id: &str,
        seqs: Range<u64>,
        period: Range<i64>,
        fields: &FieldMap,
    ) -> io::Result<Self> {
        let (mut scan, own) = (Self::default(), FieldMap::builtin());
        let mut reader = Reader::new(dir, log_id);
        let mut next = seqs.start;
        while next < seqs.end {
            let lines = reader.read(next, seqs.end, READ_BYTES)?;
            if lines.next == next {
                break;
            }
            next = lines.next;
            for text in lines.bytes.split(|b| *b == b'\n') {
                let Ok(line) = line::parse(text) else { continue };
                if period.contains(&line.ts_ns) {
                    scan.line(&line, fields, &own);
                }
            }
        }
        Ok(scan)
    }

    fn line(&mut self, line: &Line<'_>, fields: &FieldMap, own: &FieldMap) {
        let (first, last) = self.seqs.unwrap_or((line.seq, line.seq));
        self.seqs = Some((first, line.seq));
        // What was deleted in between was no silence.
        if let Some(before) = self.last_ts_ns.replace(line.ts_ns)
            && line.seq <= last.saturating_add(1)
        {
            let silence = line.ts_ns.saturating_sub(before);
            if self.silence.is_none_or(|(longest, _)| silence > longest) {
                self.silence = Some((silence, line.seq));
            }
        }
        match line.body {
            Body::Seal(json) => {
                if let Ok(seal) = seal::parse(json) {
                    self.seal(line.ts_ns, &seal);
                }
            }
            Body::Event { event, .. } if event.starts_with(record::PREFIX) => {
                self.own += 1;
                self.rejected += u64::from(event[record::PREFIX.len()..].starts_with("rejected\""));
                self.event(event, own);
            }
            Body::Event { event, .. } => {
                self.events += 1;
                self.event(event, fields);
            }
        }
    }

    fn event(&mut self, text: &str, fields: &FieldMap) {
        let event = event::parse(text, fields).unwrap_or_default();
        self.types.count(event.event_type.as_deref());
        self.sources.count(event.source.as_deref());
        self.priorities[usize::from(event.priority.unwrap_or(8).min(8))] += 1;
    }

    fn seal(&mut self, ts_ns: i64, seal: &Seal) {
        let reason = seal.reason.as_str();
        let (epoch, first_seq, size) = (seal.epoch, seal.first_seq, seal.size);
        self.seals += 1;
        let day = ts_ns.div_euclid(DAY_NS) * DAY_NS;
        if self.days.len() < MOST_DAYS || self.days.contains_key(&day) {
            let day = self.days.entry(day).or_default();
            if day.seals == 0 {
                (day.epochs.0, day.seqs.0) = (epoch, first_seq);
            }
            day.seals += 1;
            (day.epochs.1, day.seqs.1) = (epoch, size);
            *day.reasons.entry(reason).or_default() += 1;
        }
        let sealed = Sealed { epoch, first_seq, size, ts_ns, reason };
        if self.first_seals.len() < MOST_SEALS {
            return self.first_seals.push(sealed);
        }
        if self.last_seals.len() == MOST_SEALS {
            self.last_seals.remove(0);
        }
        self.last_seals.push(sealed);
    }
}

impl Tally {
    fn count(&mut self, name: Option<&str>) {
        let Some(name) = name else {
            self.without += 1;
            return;
        };
        if let Some(events) = self.names.get_mut(name) {
            *events += 1;
        } else if self.names.len() < MOST_NAMES {
            self.names.insert(name.to_owned(), 1);
        } else {
            self.beyond += 1;
        }
    }

    /// The most frequent ones, and how many events have other names.
    pub fn most(&self, limit: usize) -> (Vec<(&str, u64)>, u64) {
        let mut names: Vec<_> = self.names.iter().map(|(name, n)| (name.as_str(), *n)).collect();
        names.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let others = names.iter().skip(limit).map(|(_, n)| n).sum::<u64>() + self.beyond;
        names.truncate(limit);
        (names, others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_names_come_first_and_the_rest_is_counted() {
        let mut tally = Tally::default();
        for name in ["b", "a", "c", "b", "a", "d"] {
            tally.count(Some(name));
        }
        tally.count(None);
        assert_eq!(tally.most(2), (vec![("a", 2), ("b", 2)], 2));
        assert_eq!(tally.without, 1);
    }

    #[test]
    fn more_names_than_are_kept_are_counted_together() {
        let mut tally = Tally::default();
        (0..MOST_NAMES + 5).for_each(|n| tally.count(Some(&n.to_string())));
        assert_eq!((tally.names.len(), tally.most(0).1), (MOST_NAMES, MOST_NAMES as u64 + 5));
    }
}
