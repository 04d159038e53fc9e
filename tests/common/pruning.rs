//! What retention does to a log: a record, and then segments are gone.

use std::ops::Range;
use std::path::{Path, PathBuf};

use auditlogd::ledger::segment;
use auditlogd::record::Record;
use data_encoding::HEXLOWER;

/// The record that says that these segments of the log in `dir` are gone, counted from the oldest that is there, and
/// their files. The newest segment is not among them.
pub fn of(dir: &Path, gone: Range<usize>, keep_seconds: u64) -> (Record, Vec<PathBuf>) {
    let segments = segment::list(dir).expect("lists");
    let (first, after) = (&segments[gone.start].header, &segments[gone.end].header);
    let root = after.tree().expect("a frontier").root();
    let record = Record::Pruned {
        first_seq: first.first_seq,
        through_seq: after.first_seq - 1,
        root: HEXLOWER.encode(&root),
        policy: format!("keep {keep_seconds} s"),
        keep_seconds,
    };
    (record, segments[gone].iter().map(|found| found.path.clone()).collect())
}

/// One record for what two say that follow each other.
pub fn merged(older: &Record, newer: &Record) -> Record {
    let mut merged = newer.clone();
    if let (Record::Pruned { first_seq, .. }, Record::Pruned { first_seq: from, .. }) =
        (&mut merged, older)
    {
        *first_seq = *from;
    }
    merged
}
