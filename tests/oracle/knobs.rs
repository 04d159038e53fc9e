//! What a test can turn on a running daemon from outside (knobs.c): its disk is slow, its syncs fail, its wall clock
//! is off. The host's own disk and clock stay as they are.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The file that the daemon has mapped, and the library that looks at it.
pub struct Knobs {
    file: File,
    path: PathBuf,
    library: PathBuf,
}

/// A knob's place in the file.
#[derive(Clone, Copy, Debug)]
pub enum Knob {
    /// How long each fdatasync waits, in milliseconds.
    SyncMs = 0,
    /// What each fdatasync says instead of syncing.
    SyncErrno = 1,
    /// Seconds that are added to the wall clock.
    WallSeconds = 2,
}

impl Knobs {
    /// Builds the library below `dir`; none if there is no C compiler, and that is said.
    pub fn new(dir: &Path) -> Option<Self> {
        let (source, library) = (dir.join("knobs.c"), dir.join("knobs.so"));
        fs::write(&source, include_str!("knobs.c")).expect("writes");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&library, &source])
            .status()
            .is_ok_and(|status| status.success());
        if !built {
            eprintln!("no slow or failing disk and no steps of the clock: cc does not build");
            return None;
        }
        let path = dir.join("knobs");
        fs::write(&path, [0; 24]).expect("writes");
        let file = File::options().write(true).open(&path).expect("opens");
        Some(Self { file, path, library })
    }

    pub fn set(&self, knob: Knob, value: i64) {
        self.file.write_all_at(&value.to_ne_bytes(), knob as u64 * 8).expect("writes");
    }

    /// Has `command` start with them.
    pub fn apply(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env("ORACLE_KNOBS", &self.path);
    }
}
