//! The packages of this tree, made by `packaging/build`: what is released, and the same as the next revision.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Two revisions of the same version: an upgrade goes from the first to the next.
#[derive(Clone, Copy)]
pub enum Revision {
    First = 1,
    Next = 2,
}

/// Whether `-- prepare` has made them already.
pub fn are_prepared() -> bool {
    std::env::var_os("SYSTEMD_TESTS").is_some_and(|value| value == "prepared")
}

static BUILT: [OnceLock<PathBuf>; 2] = [OnceLock::new(), OnceLock::new()];

pub fn deb(revision: Revision) -> PathBuf {
    file(revision, "deb")
}

pub fn rpm(revision: Revision) -> PathBuf {
    file(revision, "rpm")
}

fn file(revision: Revision, extension: &str) -> PathBuf {
    let directory = BUILT[revision as usize - 1].get_or_init(|| build(revision as usize));
    let mut files =
        std::fs::read_dir(directory).expect("they were made").map(|e| e.expect("reads").path());
    let found = files.find(|path| path.extension().is_some_and(|found| found == extension));
    found.unwrap_or_else(|| panic!("packaging/build made no .{extension}"))
}

fn build(revision: usize) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("packages-{revision}"));
    if are_prepared() {
        return directory;
    }
    let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/build"))
        .args(["--revision", &revision.to_string(), "--directory"])
        .arg(&directory)
        .output()
        .expect("packaging/build runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    directory
}
