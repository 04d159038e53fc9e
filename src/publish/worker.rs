//! One anchor's thread: takes the newest checkpoint, delivers it, and tries again later where that fails.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::book::{Book, Entry};
use super::slot::Slot;
use super::{Context, Failure, Target};
use crate::backoff::Backoff;
use crate::clock::{Clock, rfc3339};
use crate::engine::Sealed;
use crate::metrics::{AnchorStatus, Metrics};

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(300);

pub(super) struct Worker {
    pub name: String,
    pub slot: Arc<Slot>,
    pub book: Arc<Book>,
    pub metrics: Arc<Metrics>,
    pub clock: Clock,
    /// Set when a reload leaves it out.
    pub removed: Arc<AtomicBool>,
    pub status: Arc<Mutex<AnchorStatus>>,
}

impl Worker {
    /// Delivers until it is removed or everything is closed.
    pub fn run(&self, target: &mut dyn Target) {
        let mut delivered = self.book.get(&self.name).map(|entry| entry.size);
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let mut not_before = None;
        while let Some(turn) = self.slot.next(delivered, not_before, &self.removed) {
            match self.deliver(target, &turn.sealed) {
                Ok(()) => {
                    self.succeeded();
                    delivered = Some(turn.sealed.size);
                    backoff.succeeded();
                    not_before = None;
                }
                Err(failure) => {
                    self.failed(&failure);
                    not_before = Some(Instant::now() + backoff.failed());
                }
            }
            if turn.last {
                return;
            }
        }
    }

    fn deliver(&self, target: &mut dyn Target, sealed: &Sealed) -> Result<(), Failure> {
        let before = self.book.get(&self.name).map(|entry| entry.size);
        let cosigned = target.deliver(sealed, &Context { slot: &self.slot, before })?.cosigned;
        let entry =
            Entry { size: sealed.size, delivered: rfc3339(self.clock.now().wall_ns), cosigned };
        let (size, delivered) = (Some(entry.size), Some(entry.delivered.clone()));
        self.book.put(&self.name, entry).map_err(Failure::Failed)?;
        self.metrics.anchor_deliveries.add(1);
        let mut status = self.status.lock().unwrap_or_else(|e| e.into_inner());
        (status.size, status.delivered) = (size, delivered);
        Ok(())
    }

    fn succeeded(&self) {
        let mut status = self.status.lock().unwrap_or_else(|e| e.into_inner());
        if status.error.take().is_some() {
            tracing::info!("the anchor {} takes checkpoints again", self.name);
        }
        status.failing_since = None;
    }

    /// Says what is wrong when that is news, and not at each try.
    fn failed(&self, failure: &Failure) {
        self.metrics.anchor_failures.add(1);
        let mut status = self.status.lock().unwrap_or_else(|e| e.into_inner());
        let text = failure.to_string();
        if status.error.as_ref() != Some(&text) {
            match failure {
                Failure::Failed(_) => tracing::warn!(
                    "the anchor {} did not take the checkpoint: {text}; it is tried again",
                    self.name
                ),
                Failure::Contradiction(_) => tracing::error!(
                    "the anchor {} knows another history of this log: {text}; keep the log and \
                     its state directory as they are, and run `auditlog verify`",
                    self.name
                ),
            }
        }
        status.error = Some(text);
        status.failing_since.get_or_insert_with(|| rfc3339(self.clock.now().wall_ns));
    }
}
