//! What a run needs, and what is made of some.

use std::fs;

use tempfile::TempDir;

/// A directory on the disk that the bench measures; what is in it goes with it.
pub fn directory() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory below target/")
}

/// Memory that files of an event take in the page cache: ledger, database and what is on its way there.
const FILE_BYTES: u64 = 2_500;

/// Touches as much memory as the files of so many events will take, and gives it back. The host of a virtual machine
/// may have taken away what was free: then the first use of each page takes it 10 µs and more, which is no part of what
/// is measured, and the tenth run would be much faster than the first.
pub fn warm(events: u64) {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    let bytes = (events * FILE_BYTES).min(kib.unwrap_or(0) * 1024 / 2);
    drop(std::hint::black_box(vec![1_u8; bytes as usize]));
}

/// The middle one.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
