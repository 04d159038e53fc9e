//! Whether there is room for events: what the writer has found, told to whoever takes events in, and to people.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use indicatif::BinaryBytes;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::metrics::{Metrics, Severity};
use crate::record::Level;

/// What there is to tell of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomState {
    /// How far it is.
    pub level: Level,
    /// The directory on whose file system the least is free. None before the first look.
    pub dir: Option<PathBuf>,
    /// Bytes that are free for events there; the reserve is not among them. None before the first look.
    pub free_bytes: Option<u64>,
    /// What becomes of the events that are not stored, in words; none if all are.
    pub instead: Option<String>,
    /// Whether the reserve had to be given back to the disk.
    pub reserve_used: bool,
    /// Why the disk takes nothing, while the writer waits for it.
    pub error: Option<String>,
    /// Since when, RFC 3339.
    pub since: Option<String>,
}

impl RoomState {
    /// What is wrong, in a sentence; none if all events are stored.
    pub fn problem(&self) -> Option<String> {
        let not_stored = (self.level > Level::Warning).then(|| self.level.to_string());
        let free = BinaryBytes(self.free_bytes.unwrap_or(0));
        let disk = match &self.dir {
            Some(dir) => format!("the disk of {dir:?}"),
            None => "the disk".into(),
        };
        match (&self.error, not_stored) {
            (Some(error), _) => Some(format!("no event is stored: {error}; mend the disk")),
            (None, Some(what)) => {
                let instead = self.instead.as_ref().map(|words| format!(", {words}"));
                let instead = instead.unwrap_or_default();
                Some(format!(
                    "{disk} is full, {free} are free for events: {what}{instead}; make room on it"
                ))
            }
            (None, None) => None,
        }
    }
}

/// What the writer and everybody else share.
pub struct Room {
    /// Where it is said what is wrong.
    metrics: Arc<Metrics>,
    state: watch::Sender<RoomState>,
    given_up: Mutex<bool>,
    wake: Condvar,
    /// Events of connections that outlive the daemon come again in the next run.
    handing_over: AtomicBool,
}

impl Default for Room {
    fn default() -> Self {
        Self::new(Arc::default())
    }
}

impl Room {
    /// One that lists what is wrong among the daemon's problems.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        let state = watch::Sender::new(RoomState::default());
        let (given_up, wake, handing_over) = Default::default();
        Self { metrics, state, given_up, wake, handing_over }
    }

    /// One whose writer ends at the first error of the disk.
    pub fn without_patience() -> Self {
        Self { given_up: Mutex::new(true), ..Self::default() }
    }

    /// How it is.
    pub fn state(&self) -> RoomState {
        self.state.borrow().clone()
    }

    /// How far the disk is on its way to being full.
    pub fn level(&self) -> Level {
        self.state.borrow().level
    }

    /// A way to wait for changes.
    pub fn subscribe(&self) -> watch::Receiver<RoomState> {
        self.state.subscribe()
    }

    /// What is not stored of connections that outlive the daemon is not missing: the next run takes it in.
    pub fn hand_over(&self) {
        self.handing_over.store(true, Release);
    }

    /// Whether that was said.
    pub(super) fn is_handing_over(&self) -> bool {
        self.handing_over.load(Acquire)
    }

    /// No waiting for the disk any more: what it does not take is an error from now on.
    pub fn give_up(&self) {
        *self.given_up.lock().unwrap_or_else(|e| e.into_inner()) = true;
        self.wake.notify_all();
    }

    /// Changes what is told; whoever waits is woken if that made a difference.
    pub(super) fn tell(&self, change: impl FnOnce(&mut RoomState)) {
        self.state.send_if_modified(|state| {
            let before = state.clone();
            change(state);
            *state != before
        });
        let problem = self.state.borrow().problem();
        self.metrics.problems.set("disk", Severity::Critical, problem);
    }

    /// Waits so long, or until [`Room::give_up`]: then false.
    pub(super) fn wait(&self, time: Duration) -> bool {
        let given_up = self.given_up.lock().unwrap_or_else(|e| e.into_inner());
        let waited = self.wake.wait_timeout_while(given_up, time, |given_up| !*given_up);
        !*waited.unwrap_or_else(|e| e.into_inner()).0
    }
}
