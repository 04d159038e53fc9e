//! A log with closed segments, and its directory.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use auditlogd::config::Compression;
use auditlogd::fs::{Fs, Real};
use auditlogd::ledger::segment::{self, Found};
use auditlogd::ledger::verify::Verdict;
use auditlogd::maintain::compress::{CompressError, Compressed, compress};

use super::common::auditor::{Auditor, Macs};
use super::common::lab::{Lab, paths};

pub const FORMS: [Compression; 2] = [Compression::Zstd, Compression::Gzip];

pub fn ending(form: Compression) -> &'static str {
    match form {
        Compression::Zstd => ".zst",
        Compression::Gzip => ".gz",
        Compression::None => "",
    }
}

/// The path with something after it.
pub fn with(path: &Path, more: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(more);
    name.into()
}

pub fn never() -> bool {
    false
}

/// A log of two closed segments and the active one, with its auditor.
pub fn log() -> (Lab, Auditor) {
    let mut lab = Lab::new();
    let auditor = Auditor::of(lab.root());
    for n in 0..2 {
        lab.store((0..20).map(|event| format!("{n}.{event}")));
        lab.rotate();
    }
    lab.store(["last"]);
    lab.stop();
    (lab, auditor)
}

/// The segments of a log that are closed, oldest first.
pub fn closed(root: &Path) -> Vec<Found> {
    let mut found = segment::list(&paths(root).log_dir).expect("lists");
    found.retain(|found| found.path != paths(root).active());
    found
}

/// Compresses one segment of the log below `root`.
pub fn press(
    fs: &dyn Fs,
    root: &Path,
    found: &Found,
    to: Compression,
) -> Result<Option<Compressed>, CompressError> {
    compress(fs, &paths(root).log_dir, found, to, &never)
}

/// Compresses all that is closed.
pub fn press_all(root: &Path, to: Compression) {
    for found in closed(root) {
        press(&Real::default(), root, &found, to).expect("compresses");
    }
}

/// What a segment's file holds, decompressed.
pub fn text(path: &Path) -> Vec<u8> {
    let mut reader = segment::contents(fs::File::open(path).expect("opens")).expect("reads");
    let mut text = Vec::new();
    reader.read_to_end(&mut text).expect("reads");
    assert!(reader.into_inner().is_at_end().expect("reads"), "{path:?} is one frame or member");
    text
}

/// All files of the log directory and below it with their bytes.
pub fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let log_dir = paths(root).log_dir;
    for dir in [log_dir.clone(), log_dir.join(".maintenance")] {
        for entry in fs::read_dir(&dir).into_iter().flatten() {
            let path = entry.expect("reads").path();
            if path.is_file() {
                let name = path.strip_prefix(&log_dir).expect("below it").to_string_lossy();
                files.insert(name.into_owned(), fs::read(&path).expect("reads"));
            }
        }
    }
    files
}

pub fn names(root: &Path) -> Vec<String> {
    files(root).into_keys().collect()
}

pub fn assert_ok(root: &Path, auditor: &Auditor, case: &str) {
    let report = auditor.check(root, Macs::Checked);
    assert_eq!(report.verdict, Verdict::OkUnanchored, "{case}: {:#?}", report.findings);
}

/// Adds random digits to a segment up to so many bytes, and returns all of it. Compressing looks at no line.
pub fn grow(found: &Found, len: usize) -> Vec<u8> {
    let mut text = fs::read(&found.path).expect("reads");
    let mut state = 1_u64;
    while text.len() < len {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        text.extend_from_slice(format!("{state:x}\n").as_bytes());
    }
    fs::write(&found.path, &text).expect("writes");
    text
}

/// Changes the last byte of a file.
pub fn spoil(path: &Path) {
    let mut bytes = fs::read(path).expect("reads");
    *bytes.last_mut().expect("a byte") ^= 1;
    let file = fs::File::options().write(true).open(path).expect("opens");
    std::os::unix::fs::FileExt::write_all_at(&file, &bytes, 0).expect("writes");
}
