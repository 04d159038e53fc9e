//! With which field map each row was made. The index says it; the ledger names, in its own signed records, every
//! map that was in force, and until when: a row can only have been made with one that was in force when its line
//! was written, or later.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;

use crate::event::{DefinitionError, FieldMap};
use crate::index::{IndexError, Snapshot};
use crate::ledger::line::{self, Body, Line};
use crate::ledger::verify::Verdict;
use crate::record;

/// The own records that name the map in force.
const NAMING: [&str; 3] = ["started", "config_changed", "maintained"];

#[derive(Default)]
pub(super) struct Maps {
    /// The one that was asked for last.
    current: Option<Arc<FieldMap>>,
    /// Which rows were made with which map, by its hash.
    used: Vec<(Range<u64>, String)>,
    /// The maps that the ledger names, each with the record that replaced it.
    named: HashMap<String, u64>,
    in_force: Option<String>,
}

/// The map of a row, and the first row behind it that has another; or what is wrong.
type Used = Result<(Arc<FieldMap>, u64), (Verdict, &'static str)>;

impl Maps {
    /// The map with which the row of `seq` was made.
    pub fn at(&mut self, snapshot: &Snapshot<'_>, seq: u64) -> Result<Used, IndexError> {
        let recorded = snapshot.field_maps()?;
        let number = |(first, _): &(i64, String)| u64::try_from(*first).ok();
        let sane = |first: Option<u64>| first.is_some_and(|first| first < snapshot.indexed);
        let at = recorded.partition_point(|row| number(row).is_none_or(|first| first <= seq));
        let (Some((_, definition)), true) = (
            at.checked_sub(1).map(|at| &recorded[at]),
            recorded.iter().all(|row| sane(number(row))),
        ) else {
            let what = "the database does not say with which field map its rows were made";
            return Ok(Err((Verdict::Tampered, what)));
        };
        let map = match self.current.take().filter(|map| map.definition() == definition) {
            Some(map) => map,
            None => match FieldMap::from_definition(definition) {
                Ok(map) => Arc::new(map),
                Err(DefinitionError::Invalid) => {
                    let what = "what the database says was the field map of its rows is none";
                    return Ok(Err((Verdict::Tampered, what)));
                }
                Err(DefinitionError::OtherVersion) => {
                    let what = "the database was made by another version of auditlogd, so that its columns cannot be checked";
                    return Ok(Err((Verdict::Unverifiable, what)));
                }
            },
        };
        self.current = Some(map.clone());
        let to = recorded.get(at).and_then(number).unwrap_or(u64::MAX);
        let hash = map.hash();
        match self.used.last_mut() {
            Some((seqs, last)) if *last == hash => seqs.end = to,
            last => {
                if let Some((seqs, _)) = last {
                    seqs.end = seq;
                }
                self.used.push((seq..to, hash));
            }
        }
        Ok(Ok((map, to)))
    }

    /// Takes a line's event; only own records that name a map matter.
    pub fn note(&mut self, seq: u64, event: &str) {
        #[derive(Deserialize)]
        struct Named {
            data: Data,
        }
        #[derive(Deserialize)]
        struct Data {
            field_map: String,
        }
        let Some(own) = event.strip_prefix(record::PREFIX) else { return };
        if !NAMING.iter().any(|kind| own.strip_prefix(kind).is_some_and(|e| e.starts_with('"'))) {
            return;
        }
        let Ok(Named { data: Data { field_map } }) = serde_json::from_str(event) else { return };
        self.named.insert(field_map.clone(), u64::MAX);
        match self.in_force.replace(field_map.clone()) {
            Some(before) if before != field_map => drop(self.named.insert(before, seq)),
            _ => {}
        }
    }

    /// Starts over with what the ledger names.
    pub fn forget_names(&mut self) {
        self.named.clear();
        self.in_force = None;
    }

    /// The same as [`Maps::note`] for whole lines.
    pub fn records_in(&mut self, lines: &[u8]) {
        own_events(lines).for_each(|(seq, event)| self.note(seq, event));
    }

    /// The rows below `end` that were made with a map which was not in force then or later, and is not the
    /// configured one either.
    pub fn unnamed(&self, end: u64, configured: Option<&FieldMap>) -> Vec<Range<u64>> {
        let configured = configured.map(FieldMap::hash);
        let used = self.used.iter().map(|(seqs, hash)| (seqs.start..seqs.end.min(end), hash));
        let named = |seqs: &Range<u64>, hash: &String| {
            // The record that replaces a map is an own one, so it may still have been read with it.
            self.named.get(hash).is_some_and(|until| seqs.end <= until.saturating_add(1))
        };
        let unnamed =
            used.filter(|(seqs, hash)| !named(seqs, hash) && configured.as_ref() != Some(hash));
        unnamed.map(|(seqs, _)| seqs).collect()
    }
}

/// The daemon's own events in whole lines, each with its `seq`.
pub(super) fn own_events(lines: &[u8]) -> impl Iterator<Item = (u64, &str)> {
    let own = memchr::memmem::Finder::new(record::PREFIX);
    let texts = lines.split(|b| *b == b'\n').filter(move |text| own.find(text).is_some());
    texts.filter_map(|text| match line::parse(text).ok()? {
        Line { seq, body: Body::Event { event, .. }, .. } => Some((seq, event)),
        _ => None,
    })
}
