//! Many cases that do not touch each other, a few at a time.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// Cases that are played at a time: most of each is waiting for the disk.
const AT_A_TIME: usize = 4;

/// Plays each case; panics if one does.
pub fn each(cases: Range<u64>, play: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(cases.start);
    let worker = || {
        loop {
            let case = next.fetch_add(1, Ordering::Relaxed);
            if case >= cases.end {
                return;
            }
            play(case);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(worker);
        }
    });
}
