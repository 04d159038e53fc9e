//! What a daemon takes of the host, sampled each second, and whether that levels off.

use std::fmt::{self, Write};
use std::fs;

/// One look at `/proc/PID`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// VmRSS and RssAnon, KiB. The first counts pages of files that are mapped, too.
    pub rss: u64,
    pub anon: u64,
    pub threads: u64,
    pub descriptors: u64,
}

impl Sample {
    pub fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the daemon runs");
        let number = |name: &str| {
            let rest = status.lines().find_map(|line| line.strip_prefix(name)).expect("known");
            rest.split_whitespace().next().and_then(|n| n.parse().ok()).expect("a number")
        };
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("lists").count() as u64;
        Self {
            rss: number("VmRSS:"),
            anon: number("RssAnon:"),
            threads: number("Threads:"),
            descriptors,
        }
    }
}

/// Median of the first, the middle and the last third, after the first tenth, in which buffers come to their size.
#[derive(Debug)]
pub struct Thirds {
    pub rss: [u64; 3],
    pub anon: [u64; 3],
    pub threads: [u64; 3],
    pub descriptors: [u64; 3],
}

impl fmt::Display for Thirds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rss, anon, threads, descriptors } = self;
        write!(f, "medians of the thirds: VmRSS {rss:?} KiB, RssAnon {anon:?} KiB, ")?;
        write!(f, "{threads:?} threads, {descriptors:?} descriptors")
    }
}

impl Thirds {
    pub fn of(samples: &[Sample]) -> Self {
        let warm = &samples[samples.len() / 10..];
        let third = warm.len() / 3;
        let medians = |value: fn(&Sample) -> u64| {
            [0, 1, 2].map(|n| {
                let mut values: Vec<_> = warm[n * third..][..third].iter().map(value).collect();
                values.sort_unstable();
                values[third / 2]
            })
        };
        Self {
            rss: medians(|sample| sample.rss),
            anon: medians(|sample| sample.anon),
            threads: medians(|sample| sample.threads),
            descriptors: medians(|sample| sample.descriptors),
        }
    }

    /// Fails if the last third needs more than the first: a twentieth and `slack` KiB of memory more, two
    /// descriptors, or a thread.
    pub fn assert_flat(&self, slack: u64) {
        let [first, _, last] = self.anon;
        assert!(last <= first + first / 20 + slack, "memory grows: {self:#?}");
        let [first, _, last] = self.descriptors;
        assert!(last <= first + 2, "descriptors grow: {self:#?}");
        let [first, _, last] = self.threads;
        assert!(last <= first + 1, "threads grow: {self:#?}");
    }
}

/// One line a sample, tab-separated.
pub fn table(samples: &[Sample]) -> String {
    let mut text = "second\tVmRSS_KiB\tRssAnon_KiB\tthreads\tdescriptors\n".to_owned();
    for (second, Sample { rss, anon, threads, descriptors }) in samples.iter().enumerate() {
        let _ = writeln!(text, "{second}\t{rss}\t{anon}\t{threads}\t{descriptors}");
    }
    text
}
