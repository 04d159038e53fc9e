//! The look at the disk between two runs: one that is nearly full does not wait until the next run is due.

/// Between two looks, nanoseconds: a minute.
pub(super) const EVERY_NS: u64 = 60_000_000_000;

/// What it remembers: the active segment at the last run.
#[derive(Debug, Default)]
pub(super) struct Watch(Option<u64>);

impl Watch {
    /// Whether a run can make space that has to be made: less than `least` bytes is `free`, and a segment was
    /// closed since the last run. A disk that stays full for other reasons is no reason for run after run.
    pub fn calls(&self, free: u64, least: u64, active: u64) -> bool {
        free < least && self.0 != Some(active)
    }

    /// A run begins, whatever for.
    pub fn runs(&mut self, active: u64) {
        self.0 = Some(active);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_nearly_full_calls_for_a_run_for_each_segment_that_was_closed() {
        let mut watch = Watch::default();
        assert!(!watch.calls(10, 10, 5), "enough is free");
        assert!(!watch.calls(0, 0, 5), "nobody minds");
        assert!(watch.calls(9, 10, 5), "nothing is known of what was before the start");
        watch.runs(5);
        assert!(!watch.calls(9, 10, 5), "a run would find nothing new");
        assert!(!watch.calls(10, 10, 6), "enough is free");
        assert!(watch.calls(9, 10, 6));
    }
}
