//! What each user may have: events and bytes by token buckets, and connections. Who has used up its tokens is not
//! read until there are some again, and the kernel's socket buffer makes it wait; nothing is dropped.
//!
//! The connections of a user whose tokens are used up wait in one line: the first has the timer, the others wait
//! for it. What waited is told by `report`.

mod bucket;
mod meter;
mod places;
mod report;
mod seat;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use super::Limits;
use crate::config;
use crate::engine::{Flow, Submitter};
use crate::kept::store::Store;
use crate::metrics::{Account, Metrics, SHARED};
use bucket::Bucket;
use places::Places;
use report::Period;

pub use meter::{Grant, Meter};
pub use seat::Seat;

/// Users that are remembered though they have no connection.
const MAX_IDLE: usize = 1024;

/// The limits of a user, and what becomes of who exceeds them.
pub struct Quotas {
    limits: watch::Receiver<Arc<Limits>>,
    flow: Flow,
    metrics: Arc<Metrics>,
    /// Knows beyond a kill what was turned away and is in no record.
    store: Option<Store>,
    users: Mutex<HashMap<u32, Arc<User>>>,
    /// Somebody was slowed or turned away: there is something to report.
    began: Arc<Notify>,
    places: Arc<Places>,
    stop: Notify,
}

/// One user.
struct User {
    account: Arc<Account>,
    state: Mutex<State>,
    /// The line of connections that wait for tokens.
    line: tokio::sync::Mutex<()>,
    /// A connection has ended, so another one may be served.
    place: Notify,
    places: Arc<Places>,
    began: Arc<Notify>,
}

struct State {
    uid: u32,
    events: Bucket,
    bytes: Bucket,
    filled: Instant,
    /// Connections that are open.
    open: usize,
    /// Those of them that are served; the others wait, unread.
    served: usize,
    /// Connections that wait for tokens or to be served, since `since`.
    waiting: usize,
    since: Instant,
    /// What there is to report.
    period: Option<Period>,
}

/// Which limit somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    Events,
    Bytes,
    Connections,
}

impl Quotas {
    pub fn new(
        limits: watch::Receiver<Arc<Limits>>,
        submitter: &Submitter,
        metrics: Arc<Metrics>,
        store: Option<Store>,
    ) -> Self {
        let (users, began) = (Mutex::default(), Arc::default());
        let flow = submitter.flow(SHARED);
        let places = Arc::default();
        Self { limits, flow, metrics, store, users, began, places, stop: Notify::new() }
    }

    fn user(&self, uid: u32) -> Arc<User> {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if users.len() >= MAX_IDLE && !users.contains_key(&uid) {
            let (now, quota) = (Instant::now(), self.limits.borrow().quota.clone());
            users.retain(|_, user| user.is_remembered(&quota, now));
            if users.len() >= MAX_IDLE {
                users.retain(|_, user| user.lock().is_busy());
            }
        }
        let new = || {
            let (began, places) = (self.began.clone(), self.places.clone());
            Arc::new(User::new(uid, self.metrics.accounts.of(uid), began, places))
        };
        users.entry(uid).or_insert_with(new).clone()
    }

    fn users(&self) -> Vec<Arc<User>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

impl User {
    fn new(uid: u32, account: Arc<Account>, began: Arc<Notify>, places: Arc<Places>) -> Self {
        let now = Instant::now();
        let state = State {
            uid,
            events: Bucket::default(),
            bytes: Bucket::default(),
            filled: now,
            open: 0,
            served: 0,
            waiting: 0,
            since: now,
            period: None,
        };
        let (state, line) = (Mutex::new(state), tokio::sync::Mutex::new(()));
        Self { account, state, line, place: Notify::new(), places, began }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether forgetting this user would give it more than it may have, or lose what is to be reported.
    fn is_remembered(&self, quota: &config::Quota, now: Instant) -> bool {
        let mut state = self.lock();
        state.fill(quota, now);
        state.is_busy() || !state.events.is_full() || !state.bytes.is_full()
    }
}

impl State {
    fn is_busy(&self) -> bool {
        self.open > 0 || self.period.is_some()
    }

    fn fill(&mut self, quota: &config::Quota, now: Instant) {
        let passed = now.saturating_duration_since(self.filled);
        self.filled = now;
        let exempt = quota.exempt_uids.contains(&self.uid);
        let rate = |rate| if exempt { 0 } else { rate };
        self.events.fill(passed, rate(quota.events_per_second), quota.events_burst);
        self.bytes.fill(passed, rate(quota.bytes_per_second), quota.bytes_burst);
    }

    /// Which limit is exceeded, if one is, and for how long.
    fn exceeded(&mut self, quota: &config::Quota, now: Instant) -> Option<(Limit, Duration)> {
        self.fill(quota, now);
        let events = self.events.missing().map(|time| (Limit::Events, time));
        let bytes = self.bytes.missing().map(|time| (Limit::Bytes, time));
        events.into_iter().chain(bytes).max_by_key(|(_, time)| *time)
    }

    /// Brings the time that was waited up to date.
    fn pass(&mut self, now: Instant, account: &Account) {
        let passed = now.saturating_duration_since(self.since);
        self.since = now;
        if self.waiting > 0 {
            let period = self.period.get_or_insert_with(|| Period::new(now));
            let before = period.waited.as_millis();
            period.waited += passed.saturating_mul(self.waiting as u32);
            account.slowed_ms.add((period.waited.as_millis() - before) as u64);
            account.slowed_at.set(report::now_seconds());
        }
    }
}

/// A connection that waits, until this is dropped.
struct Slowed<'u>(&'u User);

impl<'u> Slowed<'u> {
    fn begin(user: &'u User, limit: Limit) -> Self {
        let now = Instant::now();
        let mut state = user.lock();
        state.pass(now, &user.account);
        state.waiting += 1;
        let waiting = state.waiting as u64;
        let period = state.period.get_or_insert_with(|| Period::new(now));
        period.limits.insert(limit.name());
        period.connections = period.connections.max(waiting);
        user.account.slowed.add(1);
        user.account.slowed_at.set(report::now_seconds());
        drop(state);
        user.began.notify_one();
        Self(user)
    }
}

impl Drop for Slowed<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.pass(Instant::now(), &self.0.account);
        state.waiting -= 1;
        self.0.account.slowed.sub(1);
    }
}

impl Limit {
    fn name(self) -> &'static str {
        match self {
            Limit::Events => "events",
            Limit::Bytes => "bytes",
            Limit::Connections => "connections",
        }
    }
}
