//! Events that had been taken in when the disk became full. They wait here, in their order, and what has been read of
//! the clients stays bounded as it always is: by the queue.

use std::collections::BTreeMap;

use super::{Writer, refuse};
use crate::clock::{Now, rfc3339};
use crate::engine::submit::{Item, Queued};
use crate::record::Record;

impl Writer {
    /// As many of them as one sync covers.
    pub(super) fn gather_held(&mut self) -> Vec<Queued> {
        let (mut bytes, mut batch) = (0, Vec::new());
        while bytes < self.limits.batch_bytes
            && let Some(queued) = self.held.pop_front()
        {
            bytes += queued.submission.text.len();
            batch.push(queued);
        }
        batch
    }

    /// The daemon stops, and the disk is still full: they are not stored. Their clients are told, if they listen; those
    /// whose connections outlive the daemon are heard again. The records say how many it is at most.
    pub(super) fn refuse_held(&mut self, now: Now) -> Vec<Record> {
        let mut gaps: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
        for queued in self.held.drain(..) {
            let submission = &queued.submission;
            let comes_again = submission.origin.is_some() && self.ladder.room().is_handing_over();
            let accepted = |item: &&Item| item.accepted && !comes_again;
            let (events, bytes) = gaps.entry(submission.uid).or_default();
            for item in submission.items.iter().filter(accepted) {
                (*events, *bytes) = (*events + 1, *bytes + u64::from(item.event_len));
            }
            refuse(queued);
        }
        let until = rfc3339(now.wall_ns);
        let since =
            self.ladder.full_since().map_or_else(|| until.clone(), |at| rfc3339(at.wall_ns));
        let record = |(uid, (events, bytes))| Record::Gap {
            reason: "disk_full",
            uid: Some(uid),
            events,
            bytes,
            exact: false,
            since: since.clone(),
            until: until.clone(),
        };
        gaps.into_iter().filter(|(_, (events, _))| *events > 0).map(record).collect()
    }
}
