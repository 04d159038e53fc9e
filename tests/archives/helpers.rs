//! A log, its archives, and a run that hands over.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use auditlogd::clock::Clock;
use auditlogd::config::{Archive, ArchiveTo};
use auditlogd::fs::{Fs, Real};
use auditlogd::ledger::segment::{self, Found};
use auditlogd::maintain::archive::{Archives, HandedOver};

use super::common::auditor::{Auditor, Macs, Said};
use super::common::lab::{Lab, paths};

/// A log of two closed segments and an active one.
pub fn log() -> (Lab, Auditor) {
    let mut lab = Lab::new();
    let auditor = Auditor::of(lab.root());
    grow(&mut lab, 2);
    (lab, auditor)
}

/// So many closed segments more, of two epochs each.
pub fn grow(lab: &mut Lab, segments: usize) {
    for _ in 0..segments {
        lab.store(["a", "b"]);
        lab.seal(auditlogd::ledger::seal::Reason::Time);
        lab.store(["c"]);
        lab.rotate();
    }
    lab.store(["d"]);
    lab.seal(auditlogd::ledger::seal::Reason::Time);
}

pub fn segments(root: &Path) -> Vec<Found> {
    segment::list(&paths(root).log_dir).expect("lists")
}

pub fn closed(root: &Path) -> Vec<Found> {
    let mut closed = segments(root);
    closed.pop().expect("the active one");
    closed
}

pub fn open(root: &Path) -> Archives {
    open_with(Arc::new(Real::default()), root)
}

pub fn open_with(fs: Arc<dyn Fs>, root: &Path) -> Archives {
    Archives::open(fs, paths(root), Clock::System)
}

/// One run of an archive that knows only what is on disk.
pub fn run(root: &Path, to: &Archive) -> HandedOver {
    run_of(&open(root), root, to)
}

/// One run.
pub fn run_of(archives: &Archives, root: &Path, to: &Archive) -> HandedOver {
    let segments = segments(root);
    let active = segments.last().expect("a segment").header.segment;
    archives.hand_over(std::slice::from_ref(to), &segments, active, &|| false)
}

/// Expects a run to hand so many segments over, without any error.
pub fn hands_over(root: &Path, to: &Archive, segments: u64) {
    let done = run(root, to);
    assert_eq!((done.segments, &done.errors[..]), (segments, &[][..]));
}

pub fn directory(path: &Path) -> Archive {
    Archive { required: true, to: ArchiveTo::Directory(path.into()) }
}

/// A directory for an archive, beside the log.
pub fn place(root: &Path) -> PathBuf {
    let path = root.join("archive");
    fs::create_dir_all(&path).expect("creates");
    path
}

/// The files of a directory and below it, with what they hold.
pub fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for dir in [dir.to_owned(), dir.join(".maintenance")] {
        for entry in fs::read_dir(&dir).into_iter().flatten() {
            let path = entry.expect("reads").path();
            if path.is_file() {
                let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                files.insert(name, fs::read(&path).expect("reads"));
            }
        }
    }
    files
}

/// What an auditor says who has nothing but the archive and the keys.
pub fn verify(auditor: &Auditor, archive: &Path) -> Said {
    let kept = tempfile::tempdir().expect("temporary directory");
    auditor.verify(kept.path(), Macs::Checked, &[archive.to_str().expect("utf-8")])
}
