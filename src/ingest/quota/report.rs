//! One record a minute of each user who was slowed or turned away.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{Quotas, User};
use crate::clock::{Clock, rfc3339};
use crate::engine::Submission;
use crate::ingest::peer::Peer;
use crate::ingest::rejects::said;
use crate::record::{Record, Throttled};

/// Between two records of a user.
const MINUTE: Duration = Duration::from_secs(60);

/// What there is to report of a user since its last record.
#[derive(Debug)]
pub struct Period {
    began: Instant,
    /// The limits that were exceeded.
    pub limits: BTreeSet<&'static str>,
    /// How long connections waited, added up.
    pub waited: Duration,
    /// How many waited at once.
    pub connections: u64,
    /// Connections that were not let in.
    pub turned_away: u64,
    /// What had been sent on those: lines and bytes.
    pub lost: (u64, u64),
    /// Lines that were taken.
    pub events: u64,
    /// Bytes that were read.
    pub bytes: u64,
}

impl Period {
    pub fn new(now: Instant) -> Self {
        Self {
            began: now,
            limits: BTreeSet::new(),
            waited: Duration::ZERO,
            connections: 0,
            turned_away: 0,
            lost: (0, 0),
            events: 0,
            bytes: 0,
        }
    }

    fn records(self, uid: u32, now: Instant) -> Vec<Record> {
        let over = now.saturating_duration_since(self.began);
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let mut records = Vec::new();
        if millis(self.waited) > 0 || self.turned_away > 0 {
            records.push(Record::Throttled(Throttled {
                uid,
                limits: self.limits.into_iter().collect(),
                waited_ms: millis(self.waited),
                connections: self.connections,
                turned_away: self.turned_away,
                events: self.events,
                bytes: self.bytes,
                over_ms: millis(over),
            }));
        }
        let (events, bytes) = self.lost;
        if events > 0 {
            let until = Clock::System.now().wall_ns;
            let since = until.saturating_sub_unsigned(u64::try_from(over.as_nanos()).unwrap_or(0));
            let (since, until) = (rfc3339(since), rfc3339(until));
            let (reason, uid) = ("too_many_connections", Some(uid));
            records.push(Record::Gap { reason, uid, events, bytes, exact: true, since, until });
        }
        records
    }
}

impl Quotas {
    /// Writes records while there is something to report, until [`Self::close`].
    pub async fn report(&self) {
        loop {
            tokio::select! {
                () = self.began.notified() => {}
                () = self.stop.notified() => return,
            }
            loop {
                tokio::select! {
                    () = tokio::time::sleep(MINUTE) => {}
                    () = self.stop.notified() => return,
                }
                if !self.write().await {
                    break;
                }
            }
        }
    }

    /// Ends [`Self::report`].
    pub fn close(&self) {
        self.stop.notify_one();
    }

    /// Writes what there is to report; whether there was something.
    pub async fn write(&self) -> bool {
        let users = self.users();
        let records: Vec<_> = users.iter().flat_map(|user| user.take(Instant::now())).collect();
        for (uid, record) in &records {
            let submission = Submission::record((Peer::of_uid(*uid).json, *uid), record);
            let on_commit = match (record, self.store.clone()) {
                (Record::Gap { events, bytes, .. }, Some(store)) => {
                    Some(said(store, *events, *bytes))
                }
                _ => None,
            };
            if self.flow.submit(Submission { on_commit, ..submission }).await.is_err() {
                tracing::warn!(uid, "a record of a user who was slowed could not be written");
            }
        }
        !records.is_empty()
    }
}

impl User {
    fn take(&self, now: Instant) -> Vec<(u32, Record)> {
        let mut state = self.lock();
        state.pass(now, &self.account);
        let Some(period) = state.period.take() else { return Vec::new() };
        if state.waiting > 0 {
            let next = Period::new(now);
            let (limits, connections) = (period.limits.clone(), state.waiting as u64);
            state.period = Some(Period { limits, connections, ..next });
        }
        let uid = state.uid;
        period.records(uid, now).into_iter().map(|record| (uid, record)).collect()
    }
}

/// Seconds since 1970.
pub fn now_seconds() -> u64 {
    u64::try_from(Clock::System.now().wall_ns / 1_000_000_000).unwrap_or(0)
}
