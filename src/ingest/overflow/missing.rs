//! Events that are refused because the disk is full: counted, and written as gap records.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::clock::{Clock, rfc3339};
use crate::engine::Submitter;
use crate::kept::store::Store;
use crate::record::Record;

/// How soon the first are recorded.
const FIRST: Duration = Duration::from_secs(1);
/// Between two records of a user.
const INTERVAL: Duration = Duration::from_secs(60);

/// Every user's refused events since the last records.
pub struct Missing {
    submitter: Submitter,
    /// Knows beyond a kill that something is left to record.
    store: Option<Store>,
    users: Mutex<Users>,
    stop: Notify,
}

#[derive(Default)]
struct Users {
    /// By account: there is a bounded number.
    tallies: BTreeMap<u32, Tally>,
    /// The task that writes records, while there is something to write.
    timer: Option<JoinHandle<()>>,
}

struct Tally {
    events: u64,
    bytes: u64,
    since_ns: i64,
    until_ns: i64,
}

impl Missing {
    pub fn new(submitter: Submitter, store: Option<Store>) -> Arc<Self> {
        Arc::new(Self { submitter, store, users: Mutex::default(), stop: Notify::new() })
    }

    /// An event that is counted in this account, of so many bytes, is not stored. It is counted as missing once the
    /// record is durable.
    pub fn note(self: &Arc<Self>, account: u32, bytes: u64) {
        let now = Clock::System.now().wall_ns;
        if let Some(store) = &self.store {
            store.unsaid(1, bytes);
        }
        let mut users = self.lock();
        let new = || Tally { events: 0, bytes: 0, since_ns: now, until_ns: now };
        let tally = users.tallies.entry(account).or_insert_with(new);
        (tally.events, tally.bytes) = (tally.events + 1, tally.bytes + bytes);
        tally.until_ns = now;
        if users.timer.is_none() {
            users.timer = Some(tokio::spawn(self.clone().write_records()));
        }
    }

    /// Writes what is left. Nothing is refused any more.
    pub async fn close(&self) {
        let timer = self.lock().timer.take();
        if let Some(timer) = timer {
            self.stop.notify_one();
            // It only fails if it panicked; what it left behind is written here.
            let _ = timer.await;
        }
        let left = std::mem::take(&mut self.lock().tallies);
        self.write(left);
    }

    async fn write_records(self: Arc<Self>) {
        let mut wait = FIRST;
        loop {
            tokio::select! {
                () = tokio::time::sleep(wait) => wait = INTERVAL,
                () = self.stop.notified() => return,
            }
            let tallies = {
                let mut users = self.lock();
                if users.tallies.is_empty() {
                    users.timer = None;
                    return;
                }
                std::mem::take(&mut users.tallies)
            };
            self.write(tallies);
        }
    }

    fn write(&self, tallies: BTreeMap<u32, Tally>) {
        for (uid, Tally { events, bytes, since_ns, until_ns }) in tallies {
            let (since, until) = (rfc3339(since_ns), rfc3339(until_ns));
            let reason = "disk_full";
            let uid = Some(uid);
            let record = Record::Gap { reason, uid, events, bytes, exact: true, since, until };
            let store = self.store.clone();
            self.submitter.record_then(record, move || {
                if let Some(store) = store {
                    store.said(events, bytes);
                }
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Users> {
        self.users.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
