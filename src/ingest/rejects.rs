//! Records of refused lines: each its own while a user's allowance lasts, then one summary.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::Limits;
use super::framing::{HEAD, Line};
use super::peer::Peer;
use crate::engine::{Flow, OnCommit, Submission, Submitter};
use crate::event::Reject;
use crate::kept::store::Store;
use crate::metrics::SHARED;
use crate::record::Record;

/// How often summaries are written while there is something to summarise.
const INTERVAL: Duration = Duration::from_secs(5);
/// Users that are told apart; more share one allowance.
const MAX_USERS: usize = 1024;

/// The record of a refused line, JSON text.
pub fn record(line: &Line<'_>, number: u64, reject: &Reject) -> String {
    let head = line.head();
    let raw = BASE64.encode(&head[..head.len().min(HEAD)]);
    let message = reject.message.clone();
    let code = reject.code.as_str();
    Record::Rejected { code, message, line: number, bytes: line.len(), raw }.to_json()
}

/// Every user's allowance of `auditlogd.rejected` records, and what went beyond it.
pub struct Rejects {
    flow: Flow,
    /// Knows beyond a kill that something is left to summarise.
    store: Option<Store>,
    users: Mutex<Users>,
    stop: Notify,
}

/// Whose line was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whose {
    /// Whose allowance it takes.
    pub uid: u32,
    /// In whose account it is counted ([`crate::metrics::Accounts::name_of`]).
    pub account: u32,
}

#[derive(Default)]
struct Users {
    buckets: HashMap<u32, Bucket>,
    /// By account: there is a bounded number.
    swallowed: BTreeMap<u32, Swallowed>,
    /// The task that writes summaries, while there is something to write.
    timer: Option<JoinHandle<()>>,
}

struct Bucket {
    tokens: f64,
    filled: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Swallowed {
    lines: u64,
    bytes: u64,
    since: Instant,
}

impl Rejects {
    pub fn new(submitter: &Submitter, store: Option<Store>) -> Arc<Self> {
        let flow = submitter.flow(SHARED);
        Arc::new(Self { flow, store, users: Mutex::default(), stop: Notify::new() })
    }

    /// Whether a refused line of this user gets a record of its own. If not it is counted, and a
    /// summary follows within seconds.
    pub fn allow(self: &Arc<Self>, whose: Whose, bytes: u64, limits: &Limits) -> bool {
        let mut users = self.lock();
        let allowed = users.allow(whose, bytes, limits, Instant::now());
        if !allowed && let Some(store) = &self.store {
            store.unsaid(1, bytes);
        }
        if !allowed && users.timer.is_none() {
            users.timer = Some(tokio::spawn(self.clone().write_summaries()));
        }
        allowed
    }

    /// Writes what is left to summarise. Nothing is refused any more.
    pub async fn close(&self) {
        let timer = self.lock().timer.take();
        if let Some(timer) = timer {
            self.stop.notify_one();
            // It only fails if it panicked; the summaries it left behind are written here.
            let _ = timer.await;
        }
        let left = self.lock().take(Instant::now());
        self.submit(left).await;
    }

    async fn write_summaries(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(INTERVAL) => {}
                () = self.stop.notified() => return,
            }
            let summaries = {
                let mut users = self.lock();
                let summaries = users.take(Instant::now());
                if summaries.is_empty() {
                    users.timer = None;
                    return;
                }
                summaries
            };
            self.submit(summaries).await;
        }
    }

    async fn submit(&self, summaries: Vec<Record>) {
        for summary in summaries {
            let Record::RejectedSummary { uid, lines, bytes, .. } = summary else { continue };
            let submission = Submission::record((Peer::of_uid(uid).json, uid), &summary);
            let on_commit = self.store.clone().map(|store| said(store, lines, bytes));
            if self.flow.submit(Submission { on_commit, ..submission }).await.is_err() {
                tracing::warn!(uid, "a summary of refused lines could not be written");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Users> {
        self.users.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Once the log has it, a kill does not leave it over.
pub fn said(store: Store, lines: u64, bytes: u64) -> OnCommit {
    Box::new(move |result| {
        if result.is_ok() {
            store.said(lines, bytes);
        }
    })
}

impl Users {
    fn allow(&mut self, whose: Whose, bytes: u64, limits: &Limits, now: Instant) -> bool {
        let Whose { uid, account } = whose;
        let burst = f64::from(limits.reject_burst);
        let rate = f64::from(limits.reject_rate);
        if self.buckets.len() >= MAX_USERS && !self.buckets.contains_key(&uid) {
            self.buckets.retain(|_, bucket| {
                bucket.fill(rate, burst, now);
                bucket.tokens < burst
            });
        }
        let known = self.buckets.len() < MAX_USERS || self.buckets.contains_key(&uid);
        let bucket = self
            .buckets
            .entry(if known { uid } else { SHARED })
            .or_insert(Bucket { tokens: burst, filled: now });
        bucket.fill(rate, burst, now);
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return true;
        }
        let nothing = Swallowed { lines: 0, bytes: 0, since: now };
        let swallowed = self.swallowed.entry(account).or_insert(nothing);
        swallowed.lines += 1;
        swallowed.bytes += bytes;
        false
    }

    /// One summary for each user who has something to summarise.
    fn take(&mut self, now: Instant) -> Vec<Record> {
        let summary = |(uid, swallowed): (u32, Swallowed)| {
            let Swallowed { lines, bytes, since } = swallowed;
            let over_ms = u64::try_from(now.duration_since(since).as_millis()).unwrap_or(u64::MAX);
            Record::RejectedSummary { lines, bytes, uid, over_ms }
        };
        std::mem::take(&mut self.swallowed).into_iter().map(summary).collect()
    }
}

impl Bucket {
    fn fill(&mut self, rate: f64, burst: f64, now: Instant) {
        let gained = now.saturating_duration_since(self.filled).as_secs_f64() * rate;
        self.tokens = (self.tokens + gained).min(burst);
        self.filled = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::event::{FieldMap, RejectCode};

    fn limits(rate: u32, burst: u32) -> Limits {
        Limits {
            max_event_bytes: 1000,
            fields: FieldMap::builtin().into(),
            reject_rate: rate,
            reject_burst: burst,
            max_connections: 10,
            quota: config::Quota::NONE,
            space: Default::default(),
        }
    }

    fn allowed(users: &mut Users, uid: u32, limits: &Limits, now: Instant, tries: usize) -> usize {
        let whose = Whose { uid, account: uid.min(1024) };
        (0..tries).filter(|_| users.allow(whose, 10, limits, now)).count()
    }

    #[test]
    fn a_user_gets_the_burst_and_then_the_rate() {
        let (mut users, limits, start) = (Users::default(), limits(2, 5), Instant::now());
        assert_eq!(allowed(&mut users, 1, &limits, start, 20), 5);
        assert_eq!(allowed(&mut users, 2, &limits, start, 20), 5);
        let later = start + Duration::from_millis(1500);
        assert_eq!(allowed(&mut users, 1, &limits, later, 20), 3);
        assert_eq!(allowed(&mut users, 1, &limits, later + Duration::from_secs(3600), 20), 5);
    }

    #[test]
    fn what_was_swallowed_is_summarised_once() {
        let (mut users, limits, start) = (Users::default(), limits(0, 1), Instant::now());
        allowed(&mut users, 7, &limits, start, 4);
        let expected = Record::RejectedSummary { lines: 3, bytes: 30, uid: 7, over_ms: 250 };
        assert_eq!(users.take(start + Duration::from_millis(250)), [expected]);
        assert_eq!(users.take(start + Duration::from_millis(500)), []);
    }

    #[test]
    fn any_number_of_users_takes_bounded_memory_and_every_line_is_counted() {
        let (mut users, limits, start) = (Users::default(), limits(1, 1), Instant::now());
        let mut recorded = 0;
        for uid in 0..5000 {
            recorded += allowed(&mut users, uid, &limits, start, 2) as u64;
        }
        assert!(users.buckets.len() <= MAX_USERS + 1);
        let summed: u64 = users
            .take(start)
            .iter()
            .map(|summary| match summary {
                Record::RejectedSummary { lines, .. } => *lines,
                _ => 0,
            })
            .sum();
        assert_eq!(recorded + summed, 10_000);
        let later = start + Duration::from_secs(10);
        assert_eq!(allowed(&mut users, 77_777, &limits, later, 1), 1, "full allowances make room");
        assert_eq!(users.buckets.len(), 1);
    }

    #[test]
    fn a_record_holds_the_reason_the_length_and_the_first_bytes() {
        let reject = Reject { code: RejectCode::TooLong, message: "no".into() };
        let line = Line::TooLong { head: &[0xff; HEAD], len: 70_000 };
        let value: serde_json::Value =
            serde_json::from_str(&record(&line, 3, &reject)).expect("json");
        assert_eq!(value["data"]["code"], "too_long");
        assert_eq!(value["data"]["line"], 3);
        assert_eq!(value["data"]["bytes"], 70_000);
        let raw = value["data"]["raw"].as_str().expect("text");
        assert_eq!(BASE64.decode(raw.as_bytes()).expect("base64"), [0xff; HEAD]);
    }
}
