//! Reading a segment once, to know until when it has to be kept.

mod seen;

use std::io::{self, BufRead, Read};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::engine::each_row;
use crate::event::FieldMap;
use crate::ledger::line::{self, Body};
use crate::ledger::seal::{self, Hex, Seal};
use crate::ledger::segment::{self, Found};
use crate::ledger::tree::{CompactRange, Tree, leaf_hash};
use crate::record::Pruned;
use crate::retention::{Hold, Rules};
use seen::Seen;

/// Bytes of lines that are looked at together.
const TOGETHER: usize = 1 << 20;

/// What segments are looked at with.
pub struct Lens {
    /// The rules in force.
    pub rules: Rules,
    /// The rules as they are when space is low, where that makes them others.
    pub early: Option<Rules>,
    /// The field maps that clients' events were read with, now and before, at least one: what any of them keeps
    /// is kept.
    pub fields: Vec<Arc<FieldMap>>,
    /// The holds in force.
    pub holds: Vec<Hold>,
}

/// What a segment holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// The first leaf.
    pub first_seq: u64,
    /// The leaf after the last one.
    pub end: u64,
    /// The tree's root over all leaves before `end`.
    pub root: Hex,
    /// The roots of the maximal perfect subtrees over its leaves, in their order.
    pub subtrees: Vec<Hex>,
    /// When its oldest line was written, nanoseconds since 1970; of an empty one when it was opened.
    pub oldest_ns: i64,
    /// When its newest line was written.
    pub newest_ns: i64,
    /// When the seal was written that it ends with, if it does.
    pub sealed_ns: Option<i64>,
    /// Whether its first line is the seal of an epoch that began in the segment before.
    pub begins_inside: bool,
    /// How long it is kept by the rules.
    pub kept: Kept,
    /// How long it is kept when space is low, where that is shorter.
    pub kept_early: Option<Kept>,
    /// The holds that match something in it.
    pub held_by: Vec<String>,
    /// What its own records say was deleted.
    pub pruned: Vec<Said>,
}

/// For how long a segment is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Until when, nanoseconds since 1970: all of its events have expired then.
    pub until_ns: i64,
    /// The shortest time that one of its events is kept.
    pub shortest_seconds: u64,
    /// The longest.
    pub longest_seconds: u64,
}

/// A `pruned` record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Its own leaf.
    pub seq: u64,
    /// When it was written, nanoseconds since 1970.
    pub ts_ns: i64,
    /// Whether a seal follows it.
    pub sealed: bool,
    /// What it says.
    pub what: Pruned,
}

impl Scan {
    /// Its leaves as a part of the tree; `None` if it is not from a scan.
    pub fn range(&self) -> Option<CompactRange> {
        let roots: Vec<_> = self.subtrees.iter().map(|root| root.0).collect();
        CompactRange::from_roots(self.first_seq..self.end, &roots)
    }

    /// Before this time it is kept, whatever the holds say.
    pub fn not_before_ns(&self) -> i64 {
        self.kept_early.map_or(self.kept.until_ns, |early| early.until_ns.min(self.kept.until_ns))
    }
}

/// Why there is no [`Scan`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// It is being written, and nobody has to know.
    #[error("it is being written")]
    NotNeeded,
    /// It was told to give up.
    #[error("it was not read to its end, since the daemon stops")]
    GaveUp,
    /// The file cannot be read, or what it holds is not what was sealed.
    #[error("{0}")]
    Broken(String),
}

/// Reads a segment; `open`: one that is still written, whose last line may be unfinished. `give_up` is asked
/// again and again.
pub fn scan(
    found: &Found,
    lens: &Lens,
    open: bool,
    give_up: &dyn Fn() -> bool,
) -> Result<Scan, ScanError> {
    let (found, file) = segment::reopen(found).map_err(unreadable)?;
    let mut reader = segment::contents(file).map_err(unreadable)?;
    reader.skip_until(b'\n').map_err(unreadable)?;
    let mut pass = Pass::new(&found, lens)?;
    while !give_up() {
        let at_end = pass.fill(&mut reader, open)?;
        pass.look()?;
        if at_end {
            let ends = reader.into_inner().is_at_end().map_err(unreadable)?;
            return if ends { Ok(pass.finish()) } else { Err(broken("something follows its end")) };
        }
    }
    Err(ScanError::GaveUp)
}

fn unreadable(e: io::Error) -> ScanError {
    ScanError::Broken(format!("it cannot be read: {e}"))
}

fn broken(what: impl std::fmt::Display) -> ScanError {
    ScanError::Broken(format!("{what}; run `auditlog verify`"))
}

/// A segment on its way through.
struct Pass<'l> {
    lens: &'l Lens,
    log_id: String,
    /// Whole lines that were not looked at yet, and how many.
    lines: Vec<u8>,
    count: u64,
    /// The tree after the last line, and what of it are lines of this segment.
    tree: Tree,
    range: CompactRange,
    last_seal: Option<u64>,
    seen: Seen<'l>,
    scan: Scan,
}

impl<'l> Pass<'l> {
    fn new(found: &Found, lens: &'l Lens) -> Result<Self, ScanError> {
        let header = &found.header;
        let opened_ns = crate::clock::parse_rfc3339(&header.opened);
        let (Some(tree), Some(opened_ns)) = (header.tree(), opened_ns) else {
            return Err(broken("its header is none"));
        };
        let scan = Scan {
            first_seq: header.first_seq,
            end: header.first_seq,
            root: Hex(tree.root()),
            subtrees: Vec::new(),
            oldest_ns: opened_ns,
            newest_ns: opened_ns,
            sealed_ns: None,
            begins_inside: false,
            kept: Kept::default(),
            kept_early: None,
            held_by: Vec::new(),
            pruned: Vec::new(),
        };
        Ok(Self {
            lens,
            log_id: header.log_id.clone(),
            lines: Vec::new(),
            count: 0,
            range: CompactRange::new(tree.size()),
            tree,
            last_seal: None,
            seen: Seen::new(lens),
            scan,
        })
    }

    /// Reads lines; whether that was the end.
    fn fill(&mut self, reader: &mut impl BufRead, open: bool) -> Result<bool, ScanError> {
        self.lines.clear();
        self.count = 0;
        while self.lines.len() < TOGETHER {
            let start = self.lines.len();
            let mut limited = reader.take(line::MAX as u64 + 1);
            if limited.read_until(b'\n', &mut self.lines).map_err(unreadable)? == 0 {
                return Ok(true);
            }
            if !self.lines.ends_with(b"\n") {
                self.lines.truncate(start);
                return if open { Ok(true) } else { Err(broken("its last line is not whole")) };
            }
            self.line(start)?;
        }
        Ok(false)
    }

    /// Takes the line that begins at `start`. A seal says what is before it: a segment that was changed is kept
    /// for whoever looks into that.
    fn line(&mut self, start: usize) -> Result<(), ScanError> {
        let text = &self.lines[start..self.lines.len() - 1];
        let seq = self.tree.size();
        if line::peek_seq(text) != Some(seq) {
            return Err(broken(format_args!("line {seq} is not where it belongs")));
        }
        let Ok(line) = line::parse(text) else {
            return Err(broken(format_args!("line {seq} is not well-formed")));
        };
        self.scan.sealed_ns = None;
        if let Body::Seal(json) = line.body {
            let seal = seal::parse(json).ok();
            let right = |seal: &Seal| seal.size == seq && seal.root.0 == self.tree.root();
            let Some(seal) = seal.filter(right) else {
                return Err(broken(format_args!("its lines are not what seal {seq} says")));
            };
            self.scan.begins_inside |= seal.first_seq < self.scan.first_seq;
            self.scan.sealed_ns = Some(line.ts_ns);
            self.last_seal = Some(seq);
        }
        let first = seq == self.scan.first_seq;
        self.scan.oldest_ns = if first { line.ts_ns } else { self.scan.oldest_ns.min(line.ts_ns) };
        self.scan.newest_ns = if first { line.ts_ns } else { self.scan.newest_ns.max(line.ts_ns) };
        let leaf = leaf_hash(text);
        self.tree.push(leaf);
        self.range.push(leaf);
        self.count += 1;
        Ok(())
    }

    /// Looks at the lines that were read, once with each field map.
    fn look(&mut self) -> Result<(), ScanError> {
        for fields in &self.lens.fields {
            self.seen.count = 0;
            let looked = each_row(&self.lines, fields, &self.log_id, &mut self.seen);
            looked.map_err(|e| ScanError::Broken(e.to_string()))?;
            // Nothing is left out of what decides over a deletion.
            if self.seen.count != self.count {
                return Err(broken("a line or a seal of it is not well-formed"));
            }
        }
        Ok(())
    }

    fn finish(self) -> Scan {
        let Self { tree, range, last_seal, seen, mut scan, lens, .. } = self;
        (scan.end, scan.root) = (tree.size(), Hex(tree.root()));
        scan.subtrees = range.roots().map(Hex).collect();
        scan.kept = seen.kept.of(&lens.rules, &scan);
        scan.kept_early = lens.early.as_ref().map(|rules| seen.kept_early.of(rules, &scan));
        let holds = lens.holds.iter().zip(&seen.held);
        scan.held_by = holds.filter(|(_, held)| **held).map(|(hold, _)| hold.id.clone()).collect();
        scan.pruned = seen.pruned;
        for said in &mut scan.pruned {
            said.sealed = last_seal.is_some_and(|seal| seal > said.seq);
        }
        keep_newest(&mut scan.pruned);
        scan
    }
}

/// Of sealed records that begin with the same leaf the newest is all that is needed, if it says as much as the others.
fn keep_newest(records: &mut Vec<Said>) {
    let sealed: Vec<_> = records.iter().filter(|said| said.sealed).cloned().collect();
    let newer = |old: &Said, new: &Said| {
        new.seq > old.seq
            && new.what.first_seq == old.what.first_seq
            && new.what.through_seq >= old.what.through_seq
    };
    records.retain(|old| !sealed.iter().any(|new| newer(old, new)));
}
