//! What retention does to a log: a record, and then segments are gone.

use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use auditlogd::clock::Clock;
use auditlogd::fs::Real;
use auditlogd::ledger::open::open;
use auditlogd::ledger::seal::Reason;
use auditlogd::ledger::segment::{self, Found};
use auditlogd::ledger::tree::{CompactRange, leaf_hash};
use auditlogd::record::{Pruned, Record};

use super::lab::{commit, setup};

/// The record that says that these segments of the log in `dir` are gone, counted from the oldest that is there, and
/// their files. The newest segment is not among them.
pub fn of(dir: &Path, gone: Range<usize>, keep_seconds: u64) -> (Record, Vec<PathBuf>) {
    let segments = segment::list(dir).expect("lists");
    let (first, after) = (&segments[gone.start].header, &segments[gone.end].header);
    let mut leaves = CompactRange::new(first.first_seq);
    segments[gone.clone()].iter().for_each(|found| add(&mut leaves, found));
    assert_eq!(leaves.end(), after.first_seq, "the segments follow each other");
    let root = after.tree().expect("a frontier").root();
    let policy = format!("keep {keep_seconds} s");
    let record = Record::Pruned(Box::new(Pruned::new(&leaves, &root, policy, keep_seconds)));
    (record, segments[gone].iter().map(|found| found.path.clone()).collect())
}

/// Goes on with a stopped log as its daemon would: these records, and a stop.
pub fn record(root: &Path, records: &[Record]) {
    let now = Clock::System.now();
    let mut ledger = open(setup(root, Arc::new(Real::default())), now).expect("opens").ledger;
    let records: Vec<_> = records.iter().map(Record::to_json).collect();
    commit(&mut ledger, now, &records).expect("stored");
    ledger.close_epoch(Reason::Stop, now).expect("sealed");
}

fn add(leaves: &mut CompactRange, found: &Found) {
    let file = segment::open_listed(found).expect("opens");
    let lines = BufReader::new(segment::contents(file).expect("reads")).split(b'\n');
    lines.skip(1).for_each(|line| leaves.push(leaf_hash(&line.expect("reads"))));
}

/// The same record with something else in it.
pub fn forged(record: &Record, forge: impl FnOnce(&mut Pruned)) -> Record {
    let mut what = of_record(record).clone();
    forge(&mut what);
    Record::Pruned(Box::new(what))
}

/// What a record says.
pub fn of_record(record: &Record) -> &Pruned {
    let Record::Pruned(what) = record else { panic!("{record:?}") };
    what
}

/// One record for what two say that follow each other.
pub fn merged(older: &Record, newer: &Record) -> Record {
    let mut leaves = of_record(older).range().expect("its subtrees");
    leaves.join(&of_record(newer).range().expect("its subtrees"));
    let subtrees = leaves.roots().map(|hash| data_encoding::HEXLOWER.encode(&hash)).collect();
    forged(newer, |what| {
        what.first_seq = leaves.begin();
        what.subtrees = subtrees;
    })
}
