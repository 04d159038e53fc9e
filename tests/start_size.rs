//! A start does not depend on how long the log is: what it opens and reads is the log's end.

mod common;

use std::fs;
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use auditlogd::fs::Real;
use auditlogd::ledger::backwards;
use auditlogd::ledger::line::peek_seq;
use auditlogd::ledger::open::open;
use auditlogd::ledger::reader::Reader;
use auditlogd::ledger::seal::Reason;
use common::lab::{Lab, setup};
use rustix::fs::inotify;

/// Which files below a directory are opened from now on.
struct Opened(rustix::fd::OwnedFd);

impl Opened {
    fn watch(dir: &Path) -> Self {
        let flags = inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC;
        let fd = inotify::init(flags).expect("inotify");
        inotify::add_watch(&fd, dir, inotify::WatchFlags::OPEN).expect("watches");
        Self(fd)
    }

    /// The names of those that were opened, without the directory itself.
    fn names(&self) -> Vec<String> {
        let mut buffer = [MaybeUninit::uninit(); 1 << 16];
        let mut events = inotify::Reader::new(&self.0, &mut buffer);
        let mut names = Vec::new();
        while let Ok(event) = events.next() {
            names.extend(event.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
        names.sort();
        names.dedup();
        names
    }
}

/// A log of so many closed segments with the names that the daemon gives, killed with some lines in the open epoch.
fn log(segments: u64) -> Lab {
    let mut lab = Lab::new();
    for segment in 0..segments {
        lab.store((0..200).map(|n| format!("{segment}.{n}.{}", "x".repeat(400))));
        rotate(&mut lab);
    }
    lab.store((0..50).map(|n| format!("end.{n}")));
    lab.kill();
    lab
}

/// As the daemon does it itself.
fn rotate(lab: &mut Lab) {
    lab.seal(Reason::Rotate);
    let now = lab.clock;
    lab.ledger().move_active(now).expect("moves").expect("has a name");
    lab.ledger().open_segment(now).expect("a new segment");
}

#[test]
fn a_start_opens_the_newest_segment_and_reads_the_open_epoch_however_long_the_log_is() {
    let mut bytes = Vec::new();
    for segments in [1, 40] {
        let lab = log(segments);
        let dir = lab.paths().log_dir;
        let opened = Opened::watch(&dir);
        let read = Arc::new(AtomicU64::new(0));
        let mut setup = setup(lab.root(), Arc::new(Real::default()));
        let counted = read.clone();
        setup.on_read = Arc::new(move |bytes| {
            counted.fetch_add(bytes, Ordering::Relaxed);
        });
        let found = open(setup, lab.clock).expect("the log opens");
        assert!(found.recovered.is_some());
        // The last closed one is looked at, for its number.
        let names = opened.names();
        assert!(names.contains(&"audit.jsonl".to_owned()) && names.len() <= 2, "{names:?}");
        bytes.push(read.load(Ordering::Relaxed));
        let next = found.ledger.next_seq();
        let log_id = found.ledger.log_id();

        // Whoever reads what was stored last does not open the rest either.
        let mut reader = Reader::new(&dir, log_id);
        let mut lines = 0;
        reader.each(next - 150, next, |_| lines += 1).expect("reads");
        assert_eq!(lines, 150);
        let mut seqs = Vec::new();
        let mut take = |line: &[u8]| {
            seqs.extend(peek_seq(line));
            seqs.len() < 150
        };
        backwards::read(&dir, &lab.paths().active(), log_id, u64::MAX, &mut take).expect("reads");
        assert_eq!(seqs, (next - 150..next).rev().collect::<Vec<_>>());
        let names = opened.names();
        assert!(names.len() <= 3, "{names:?}");
    }
    // Numbers of lines have more digits in a longer log.
    assert!(bytes.iter().all(|bytes| (8_000..16_000).contains(bytes)), "{bytes:?}");
}

/// Whatever the files are called, the newest segment is the newest.
#[test]
fn a_segment_under_a_name_that_lies_is_found_once_the_active_file_is_gone() {
    let lab = log(5);
    let active = lab.paths().active();
    fs::rename(&active, active.with_file_name("audit-20200101T000000Z-1.jsonl")).expect("renames");
    let found = open(setup(lab.root(), Arc::new(Real::default())), lab.clock).expect("opens");
    let record = found.recovered.expect("it was killed").to_json();
    assert!(record.contains("\"lines\":50") && !record.contains("damage"), "{record}");
}
