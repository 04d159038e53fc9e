//! What can be checked of a block of lines without what is before it. The result is a list of steps, in
//! the order of the log, for [`super::chain`] to join.

use super::keyring::LineKeys;
use super::order::When;
use super::own::Own;
use crate::ledger::keys::{LineKey, LogId};
use crate::ledger::line::{self, Body, Line};
use crate::ledger::seal::{self, Seal, SealError};
use crate::ledger::tree::{CompactRange, Hash, leaf_hash};

/// Whole lines, each with its LF.
pub struct Block {
    /// Their bytes.
    pub bytes: Vec<u8>,
    /// The seq that the first one must have.
    pub first_seq: u64,
    /// Their keys, where the auditor key is known.
    pub keys: Option<LineKeys>,
}

/// What a worker needs to know of the log.
pub struct Terms {
    /// The log.
    pub log_id: LogId,
    /// Sizes at which the tree's root is asked for, in order.
    pub sizes: Vec<u64>,
    /// Leaves whose macs are asked for, in order.
    pub receipts: Vec<u64>,
    /// A stretch without lines that is longer is a gap.
    pub max_gap_ns: Option<i64>,
}

/// What comes next in the log.
pub enum Step {
    /// The time of the block's first line, if that is an event.
    Time(When),
    /// Nothing was written for too long before the next line.
    Gap(When),
    /// The next line is a record of the daemon.
    Own { seq: u64, ts_ns: i64, own: Box<Own> },
    /// Leaf 0 has not the mac that its key gives. If seal 0 holds, it is the key that is wrong.
    WrongKey,
    /// The next line's mac, which was asked for.
    Mac { seq: u64, mac: Hash },
    /// Events.
    Lines(Run),
    /// A seal.
    Seal(Box<SealLine>),
    /// The next line is not what it must be; a sentence. Nothing follows.
    Bad(String),
}

/// Event lines in a row.
pub struct Run {
    /// Their subtrees.
    pub range: CompactRange,
    /// Their bytes, LF included.
    pub bytes: u64,
    /// Lines that clients sent and that were refused.
    pub rejected: u64,
    /// When the first and the last were committed.
    pub first_ts_ns: i64,
    pub last_ts_ns: i64,
}

/// A seal's line.
pub struct SealLine {
    /// The whole line, without LF.
    pub bytes: Vec<u8>,
    pub leaf: Hash,
    pub seq: u64,
    pub ts_ns: i64,
    pub seal: Result<Seal, SealError>,
    /// Whether its mac is right, where the auditor key is known.
    pub mac_holds: Option<bool>,
    /// The key that its signature was found to be of, so that nobody needs to check it again.
    pub signed_by: Option<Hash>,
}

/// Checks a block.
pub fn check(block: &Block, terms: &Terms) -> Vec<Step> {
    let text = std::str::from_utf8(&block.bytes).ok();
    let mut worker = Worker::new(block, terms);
    let mut start = 0;
    for (n, end) in memchr::memchr_iter(b'\n', &block.bytes).enumerate() {
        let bytes = &block.bytes[start..end];
        // Text is checked once for the block; only if that fails each line is looked at.
        let line = match text {
            Some(text) => line::parse_text(&text[start..end]),
            None => line::parse(bytes),
        };
        let key = block.keys.as_ref().map(|keys| &keys[n]);
        let result =
            line.map_err(|e| e.to_string()).and_then(|line| worker.line(&line, bytes, key));
        if let Err(message) = result {
            worker.flush();
            worker.steps.push(Step::Bad(message));
            break;
        }
        start = end + 1;
    }
    worker.flush();
    worker.steps
}

struct Worker<'a> {
    terms: &'a Terms,
    steps: Vec<Step>,
    run: Run,
    last_ts_ns: Option<i64>,
    /// What the last seal in this block announced.
    next_pub: Option<Hash>,
}

impl<'a> Worker<'a> {
    fn new(block: &Block, terms: &'a Terms) -> Self {
        let run = Run::new(block.first_seq);
        Self { terms, steps: Vec::new(), run, last_ts_ns: None, next_pub: None }
    }

    fn line(&mut self, line: &Line<'_>, bytes: &[u8], key: Option<&LineKey>) -> Result<(), String> {
        let seq = self.run.range.end();
        if line.seq != seq {
            return Err(format!("the line's seq is {}, but {seq} comes next", line.seq));
        }
        if self.terms.receipts.binary_search(&seq).is_ok() {
            self.step(Step::Mac { seq, mac: line.mac });
        }
        let mac_holds =
            || key.map(|key| key.clone().mac(&bytes[..bytes.len() - line::TAIL]) == line.mac);
        match line.body {
            Body::Event { event, .. } => {
                self.event(line, event)?;
                match mac_holds() {
                    Some(false) if seq == 0 => self.step(Step::WrongKey),
                    Some(false) => {
                        return Err("the line's mac is not the one its key gives".into());
                    }
                    _ => {}
                }
                self.run.push(leaf_hash(bytes), bytes, line.ts_ns);
            }
            Body::Seal(json) => {
                let seal = seal::parse(json);
                let next_pub = seal.as_ref().ok().map(|seal| seal.next_pub.0);
                let signed_by = std::mem::replace(&mut self.next_pub, next_pub)
                    .filter(|key| seal::verify(bytes, &self.terms.log_id, key));
                self.step(Step::Seal(Box::new(SealLine {
                    bytes: bytes.to_vec(),
                    leaf: leaf_hash(bytes),
                    seq,
                    ts_ns: line.ts_ns,
                    seal,
                    mac_holds: mac_holds(),
                    signed_by,
                })));
                self.run = Run::new(seq + 1);
            }
        }
        self.last_ts_ns = Some(line.ts_ns);
        if self.terms.sizes.binary_search(&(seq + 1)).is_ok() {
            self.flush();
        }
        Ok(())
    }

    fn event(&mut self, line: &Line<'_>, event: &str) -> Result<(), String> {
        let ts_ns = line.ts_ns;
        let own = Own::parse(event);
        let stepped = own.as_ref().filter(|own| own.kind() == "clock_step");
        let step_ns = stepped.map(|own| own.data.step_ns.unwrap_or(0));
        let when = When { ts_ns, step_ns };
        match self.last_ts_ns {
            None => self.step(Step::Time(when)),
            Some(last) => {
                when.check(last, false)?;
                if when.is_gap(last, self.terms.max_gap_ns) {
                    self.step(Step::Gap(when));
                }
            }
        }
        match own {
            // There may be any number of them, and nothing depends on one.
            Some(own) if own.kind() == "rejected" => self.run.rejected += 1,
            Some(own) if own.kind() == "rejected_summary" => {
                let lines = own.data.lines.unwrap_or(0);
                self.run.rejected = self.run.rejected.saturating_add(lines);
            }
            Some(own) => self.step(Step::Own { seq: line.seq, ts_ns, own: Box::new(own) }),
            None => {}
        }
        Ok(())
    }

    /// A step after the lines so far.
    fn step(&mut self, step: Step) {
        self.flush();
        self.steps.push(step);
    }

    fn flush(&mut self) {
        let next = self.run.range.end();
        let run = std::mem::replace(&mut self.run, Run::new(next));
        if !run.range.is_empty() {
            self.steps.push(Step::Lines(run));
        }
    }
}

impl Run {
    fn new(begin: u64) -> Self {
        Self {
            range: CompactRange::new(begin),
            bytes: 0,
            rejected: 0,
            first_ts_ns: 0,
            last_ts_ns: 0,
        }
    }

    fn push(&mut self, leaf: Hash, line: &[u8], ts_ns: i64) {
        if self.range.is_empty() {
            self.first_ts_ns = ts_ns;
        }
        self.range.push(leaf);
        self.bytes += line.len() as u64 + 1;
        self.last_ts_ns = ts_ns;
    }
}
