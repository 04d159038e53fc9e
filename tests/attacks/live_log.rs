//! Row 23: the log is verified while it is written, rotated and compressed.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use auditlogd::config::Compression;
use auditlogd::fs::Real;
use auditlogd::ledger::segment::read_header;
use auditlogd::maintain::compress::compress;

use crate::common::Daemon;
use crate::common::auditor::{Auditor, Macs};
use crate::common::lab::Lab;
use crate::common::traffic::{Traffic, assert_stored};

/// How often the log is verified at least while it is written.
const VERIFICATIONS: u32 = 8;

/// Compresses a closed segment as maintenance does.
fn press(segment: &Path) {
    let dir = segment.parent().expect("a directory");
    let found = read_header(segment).expect("reads").expect("a segment");
    let done = compress(&Real::default(), dir, &found, Compression::Zstd, &|| false);
    assert!(done.expect("compresses").is_some());
}

#[test]
fn row_23_verify_while_events_are_written_rotated_and_compressed() {
    let daemon = Daemon::start();
    let auditor = Auditor::of(daemon.root());
    let traffic = Traffic::start(&daemon, "busy", 4);
    // Six seconds, and longer on a busy machine, until there were as many verifications as are wanted.
    let begun = Instant::now();
    let verified = AtomicU32::new(0);
    let go_on = || {
        let enough = verified.load(Ordering::Relaxed) >= VERIFICATIONS;
        let limit = if enough { 6 } else { 60 };
        begun.elapsed() < Duration::from_secs(limit)
    };
    let rounds = std::thread::scope(|scope| {
        let rotations = scope.spawn(|| {
            let mut rotated = Vec::new();
            while go_on() {
                traffic.more(300);
                // So many for each verification and no more, that the files stay few enough to read in time.
                if rotated.len() as u32 > 8 * (verified.load(Ordering::Relaxed) + 1) {
                    continue;
                }
                let to = daemon.segment().with_file_name(format!("audit.jsonl-{}", rotated.len()));
                fs::rename(daemon.segment(), &to).expect("renames");
                daemon.reload();
                rotated.push(to);
                if let Some(before) = rotated.len().checked_sub(2) {
                    press(&rotated[before]);
                }
            }
            rotated.len()
        });
        while !rotations.is_finished() {
            let round = verified.load(Ordering::Relaxed);
            let macs = if round.is_multiple_of(2) { Macs::Checked } else { Macs::Unchecked };
            // The binary compares the database too; within this process it is only the ledger.
            if round % 4 < 2 {
                auditor.verify(daemon.root(), macs, &[]).clean();
            } else {
                let report = auditor.check(daemon.root(), macs);
                assert!(report.findings.is_empty(), "round {round}: {:#?}", report.findings);
            }
            verified.fetch_add(1, Ordering::Relaxed);
        }
        (rotations.join().expect("rotates"), verified.load(Ordering::Relaxed))
    });
    assert!(rounds.0 >= 3 && rounds.1 >= VERIFICATIONS, "rotations and verifications: {rounds:?}");
    let acknowledged = traffic.finish();
    daemon.settle();
    for entry in fs::read_dir(daemon.segment().parent().expect("a directory")).expect("reads") {
        let path = entry.expect("reads").path();
        if path.is_dir() {
            continue;
        }
        let bytes = fs::read(&path).expect("reads");
        if let Ok(plain) = zstd::decode_all(&bytes[..]) {
            fs::write(path, plain).expect("writes");
        }
    }
    assert_stored(daemon.root(), &acknowledged);
    auditor.verify(daemon.root(), Macs::Checked, &[]).clean();
}

/// What a compressor on the command line does: the new file grows beside the old one, which is deleted last.
#[test]
fn row_23_verify_while_a_segment_is_compressed_in_place() {
    let mut lab = Lab::new();
    let auditor = Auditor::of(lab.root());
    for segment in 0..2 {
        lab.store((0..500).map(|n| format!("{segment}.{n}")));
        lab.rotate();
    }
    lab.stop();
    let first = lab.segments().remove(0);
    let packed = zstd::encode_all(&fs::read(&first).expect("reads")[..], 3).expect("zstd");
    let mut beside = File::create(first.with_extension("jsonl-0.zst")).expect("creates");
    for part in packed.chunks(packed.len().div_ceil(4)) {
        beside.write_all(part).expect("writes");
        let said = auditor.verify(lab.root(), Macs::Unchecked, &[]);
        assert_eq!(said.code, Some(0), "both files are there: {}", said.text);
    }
    fs::remove_file(first).expect("deletes");
    auditor.verify(lab.root(), Macs::Checked, &[]).clean();
}
