//! Properties: whatever is changed, removed, added or moved in a closed log is caught, and wherever a log
//! ends when its daemon dies, that is clean.

use std::fs;
use std::path::PathBuf;

use auditlogd::ledger::seal::Reason;
use auditlogd::ledger::verify::Verdict;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::common::auditor::{Auditor, Macs};
use crate::common::lab::Lab;

/// What is done to the bytes of one file.
#[derive(Clone, Debug)]
enum Edit {
    Set(Index, u8),
    Remove(Index, usize),
    Insert(Index, Vec<u8>),
    /// A block is copied over another place.
    Copy(Index, Index, usize),
    /// Two blocks change places.
    Swap(Index, Index, usize),
    /// A line is moved.
    MoveLine(Index, Index),
    /// A line comes from the same file of another log.
    Foreign(Index),
    /// The end is gone.
    Cut(Index),
}

fn edits() -> impl Strategy<Value = Edit> {
    let (at, to, len) = (any::<Index>, any::<Index>, 1..200usize);
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        (at(), len.clone()).prop_map(|(at, len)| Edit::Remove(at, len)),
        (at(), prop::collection::vec(any::<u8>(), 1..40)).prop_map(|(at, b)| Edit::Insert(at, b)),
        (at(), to(), len.clone()).prop_map(|(at, to, len)| Edit::Copy(at, to, len)),
        (at(), to(), len).prop_map(|(at, to, len)| Edit::Swap(at, to, len)),
        (at(), to()).prop_map(|(at, to)| Edit::MoveLine(at, to)),
        at().prop_map(Edit::Foreign),
        at().prop_map(Edit::Cut),
    ]
}

impl Edit {
    /// The bytes after it. Headers are left alone: they have a test of their own.
    fn of(&self, good: &[u8], foreign: &[u8]) -> Vec<u8> {
        let split = |bytes: &[u8]| -> Vec<Vec<u8>> {
            bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
        };
        let mut lines = split(good);
        let header = lines.remove(0);
        let mut body = lines.concat();
        let end = |at: usize, len: usize| (at + len).min(good.len() - header.len());
        match self {
            Edit::Set(at, byte) => {
                let at = at.index(body.len());
                body[at] = *byte;
            }
            Edit::Remove(at, len) => {
                let at = at.index(body.len());
                body.drain(at..end(at, *len));
            }
            Edit::Insert(at, bytes) => {
                // After the last line an unfinished one may stand: the daemon could be writing it.
                let at = at.index(body.len());
                body.splice(at..at, bytes.iter().copied());
            }
            Edit::Copy(from, to, len) => {
                let (from, to) = (from.index(body.len()), to.index(body.len()));
                let block = body[from..end(from, *len)].to_vec();
                let until = end(to, block.len());
                body.splice(to..until, block);
            }
            Edit::Swap(a, b, len) => {
                let (a, b) = (a.index(body.len()), b.index(body.len()));
                let (a, b) = (a.min(b), a.max(b));
                let len = (*len).min(b - a).min(body.len() - b);
                let (left, right) = body.split_at_mut(b);
                left[a..a + len].swap_with_slice(&mut right[..len]);
            }
            Edit::MoveLine(from, to) => {
                let line = lines.remove(from.index(lines.len()));
                lines.insert(to.index(lines.len() + 1), line);
                body = lines.concat();
            }
            Edit::Foreign(at) => {
                let others = split(foreign);
                let at = at.index(lines.len().min(others.len() - 1));
                lines[at] = others[at + 1].clone();
                body = lines.concat();
            }
            Edit::Cut(at) => body.truncate(at.index(body.len())),
        }
        [header, body].concat()
    }
}

fn files(lab: &Lab) -> Vec<(PathBuf, Vec<u8>)> {
    let segments = lab.segments().into_iter();
    segments.map(|path| (path.clone(), fs::read(path).expect("reads"))).collect()
}

#[test]
fn any_changed_removed_added_or_moved_bytes_of_a_closed_log_are_caught() {
    let (lab, other) = (Lab::closed(4, 3), Lab::closed(4, 3));
    let auditor = Auditor::of(lab.root());
    let (ours, theirs) = (files(&lab), files(&other));
    assert_eq!(auditor.check(lab.root(), Macs::Checked).verdict, Verdict::OkUnanchored);
    let config = ProptestConfig { cases: 1_000, failure_persistence: None, ..Default::default() };
    proptest!(config, |(file in any::<Index>(), edits in prop::collection::vec(edits(), 1..4))| {
        let file = file.index(ours.len());
        let (path, good) = &ours[file];
        let mut bad = good.clone();
        for edit in &edits {
            // A cut may have left nothing but the header.
            if bad.iter().filter(|byte| **byte == b'\n').count() < 2 {
                break;
            }
            bad = edit.of(&bad, &theirs[file].1);
        }
        prop_assume!(&bad != good);
        fs::write(path, &bad).expect("writes");
        let verdict = auditor.check(lab.root(), Macs::Unchecked).verdict;
        fs::write(path, good).expect("writes");
        prop_assert_eq!(verdict, Verdict::Tampered);
    });
}

#[test]
fn segments_that_change_places_or_contents_are_caught_and_renamed_ones_are_not() {
    let (lab, other) = (Lab::closed(4, 3), Lab::closed(4, 3));
    let auditor = Auditor::of(lab.root());
    let verdict = || auditor.check(lab.root(), Macs::Unchecked).verdict;
    let (ours, theirs) = (files(&lab), files(&other));
    // Names mean nothing: contents that change names are the same log.
    fs::write(&ours[0].0, &ours[1].1).expect("writes");
    fs::write(&ours[1].0, &ours[0].1).expect("writes");
    assert_eq!(verdict(), Verdict::OkUnanchored);
    for first in [&ours[0].1, &ours[1].1, &theirs[0].1, &theirs[1].1] {
        for second in [&ours[0].1, &ours[1].1, &theirs[0].1, &theirs[1].1] {
            fs::write(&ours[0].0, first).expect("writes");
            fs::write(&ours[1].0, second).expect("writes");
            let whole = (first == &ours[0].1 && second == &ours[1].1)
                || (first == &ours[1].1 && second == &ours[0].1);
            assert_eq!(verdict() == Verdict::OkUnanchored, whole);
        }
    }
}

/// The daemon dies after any byte of what it writes last; the next start finds a log that is clean.
#[test]
fn any_byte_at_which_the_daemon_dies_is_clean() {
    let mut lab = Lab::new();
    lab.store(["a"]);
    lab.seal(Reason::Time);
    let durable = fs::metadata(lab.paths().active()).expect("known").len();
    lab.store(["b", "c"]);
    lab.kill();
    let whole = fs::read(lab.paths().active()).expect("reads");
    let state = fs::read(lab.paths().state()).expect("reads");
    let seals = fs::read(lab.paths().seals()).expect("reads");
    let checkpoint = fs::read(lab.paths().checkpoint()).expect("reads");
    let auditor = Auditor::of(lab.root());
    // Every third byte: a start and a verification take their time.
    for len in (durable..=whole.len() as u64).step_by(3) {
        fs::write(lab.paths().active(), &whole[..len as usize]).expect("writes");
        fs::write(lab.paths().state(), &state).expect("writes");
        fs::write(lab.paths().seals(), &seals).expect("writes");
        fs::write(lab.paths().checkpoint(), &checkpoint).expect("writes");
        let before = auditor.check(lab.root(), Macs::Checked);
        assert_eq!(before.verdict, Verdict::OkUnanchored, "{len}: {:#?}", before.findings);
        assert!(lab.open().is_some(), "{len}: the start says that the daemon died");
        lab.stop();
        let after = auditor.check(lab.root(), Macs::Checked);
        assert_eq!(after.verdict, Verdict::Incomplete, "{len}: {:#?}", after.findings);
    }
}
