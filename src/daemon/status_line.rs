//! The sentence that `systemctl status` shows: what the daemon does now, what is wrong, and how much it has done.
//! Whoever changes one of these says so here, from whichever thread; nobody ever waits.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use indicatif::BinaryBytes;
use sd_notify::NotifyState;

use super::notify::Manager;
use crate::clock::rfc3339;
use crate::metrics::{Metrics, Severity};
use crate::words::count;

/// The longest sentence, in characters. An error may say anything.
const LONGEST: usize = 400;
/// How often a start says that it goes on.
const RECOVERY_EVERY: Duration = Duration::from_secs(1);
/// How long a start that goes on may take until it says so again. A disk that hangs ends it.
const RECOVERY_PATIENCE_USEC: u32 = 60_000_000;

/// What the daemon does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting,
    /// Reads what the last run left; so many bytes of it so far.
    Recovering(u64),
    /// The disk does not let the log be opened.
    Waiting,
    Serving,
    Reloading,
    Stopping(&'static str),
}

/// The sentence, and the way to the service manager.
pub struct StatusLine {
    manager: Manager,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    /// Events stored when that was last looked at.
    stored: u64,
    /// When the last of them was, nanoseconds since 1970.
    stored_at: Option<i64>,
    /// When the start last said that it goes on.
    said: Option<Instant>,
}

impl StatusLine {
    /// A daemon that starts. What is wrong is shown as soon as somebody says it.
    pub fn new(manager: Manager, metrics: Arc<Metrics>) -> Arc<Self> {
        let state = State { phase: Phase::Starting, stored: 0, stored_at: None, said: None };
        let line = Arc::new(Self { manager, metrics, state: Mutex::new(state) });
        let weak = Arc::downgrade(&line);
        let refresh = move || {
            if let Some(line) = weak.upgrade() {
                line.refresh(&[]);
            }
        };
        line.metrics.problems.on_change(Box::new(refresh));
        line
    }

    /// The counters that it shows.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Whether anybody reads it.
    pub fn is_read(&self) -> bool {
        self.manager.is_there()
    }

    /// The start has read so many more bytes of the log: it goes on, and may take longer.
    pub fn recovered(&self, bytes: u64) {
        let mut state = self.lock();
        let before = match state.phase {
            Phase::Recovering(before) => before,
            _ => 0,
        };
        state.phase = Phase::Recovering(before + bytes);
        if state.said.is_some_and(|said| said.elapsed() < RECOVERY_EVERY) {
            return;
        }
        state.said = Some(Instant::now());
        let text = self.text(&state);
        self.manager.mention(&[
            NotifyState::ExtendTimeoutUsec(RECOVERY_PATIENCE_USEC),
            NotifyState::Status(&text),
        ]);
    }

    /// The disk does not let the log be opened, for this reason; that is tried again, and the start may take longer.
    pub fn waiting(&self, why: &str) {
        let mut state = self.lock();
        state.phase = Phase::Waiting;
        let text = one_line(&format!("not ready: {why}"));
        self.manager.mention(&[
            NotifyState::ExtendTimeoutUsec(RECOVERY_PATIENCE_USEC),
            NotifyState::Status(&text),
        ]);
    }

    /// READY=1: events are taken, or the configuration has been read again.
    pub fn ready(&self) {
        self.enter(Phase::Serving, &[NotifyState::Ready]);
    }

    /// RELOADING=1, and in the same message the time that belongs to it; [`StatusLine::ready`] ends it.
    pub fn reloading(&self) {
        let reloading = NotifyState::Reloading;
        match NotifyState::monotonic_usec_now() {
            Ok(time) => self.enter(Phase::Reloading, &[reloading, time]),
            Err(_) => self.enter(Phase::Reloading, &[reloading]),
        }
    }

    /// STOPPING=1; the stop takes at most so long, and begins with this.
    pub fn stopping(&self, limit: Duration, what: &'static str) {
        let limit = u32::try_from(limit.as_micros()).unwrap_or(u32::MAX);
        let message = [NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(limit)];
        self.enter(Phase::Stopping(what), &message);
    }

    /// What the stop does now.
    pub fn ending(&self, what: &'static str) {
        self.enter(Phase::Stopping(what), &[]);
    }

    /// So few bytes are free on the log's file system, or enough.
    pub fn space(&self, too_few: Option<u64>) {
        let sentence = too_few.map(|free| {
            let free = BinaryBytes(free);
            format!("the disk is nearly full, {free} are free; free some space on it")
        });
        self.metrics.problems.set("space", Severity::Warning, sentence);
    }

    /// Notes what was stored by now; whoever calls it has just seen a commit, or none.
    pub fn look(&self, wall_ns: i64) {
        let stored = self.metrics.events_stored.get();
        let mut state = self.lock();
        if state.stored != stored {
            (state.stored, state.stored_at) = (stored, Some(wall_ns));
        }
    }

    /// Says how it is now, and this before it; whether that was done.
    pub fn refresh(&self, first: &[NotifyState<'_>]) -> bool {
        self.mention(&self.lock(), first)
    }

    fn enter(&self, phase: Phase, first: &[NotifyState<'_>]) {
        let text = {
            let mut state = self.lock();
            state.phase = phase;
            self.text(&state)
        };
        let status = NotifyState::Status(&text);
        self.manager.tell(&[first, &[status]].concat());
    }

    /// Under the lock, so that an older sentence never comes after a newer one.
    fn mention(&self, state: &State, first: &[NotifyState<'_>]) -> bool {
        let text = self.text(state);
        self.manager.mention(&[first, &[NotifyState::Status(&text)]].concat())
    }

    fn text(&self, state: &State) -> String {
        let doing = match state.phase {
            Phase::Starting | Phase::Waiting => "starting".into(),
            Phase::Recovering(bytes) => {
                format!("reading what the last run left: {} so far", BinaryBytes(bytes))
            }
            Phase::Stopping(what) => what.into(),
            Phase::Reloading => format!("reloading; {}", self.figures(state)),
            Phase::Serving => self.figures(state),
        };
        let problems = self.metrics.problems.list();
        let wrong = problems.iter().map(ToString::to_string);
        one_line(&wrong.chain([doing]).collect::<Vec<_>>().join("; "))
    }

    fn figures(&self, state: &State) -> String {
        let now = self.metrics.snapshot();
        let stored = count(now.events_stored, "event");
        let last = match state.stored_at {
            Some(wall_ns) => {
                let time = rfc3339(wall_ns);
                format!(", the last at {} {} UTC", &time[..10], &time[11..19])
            }
            None => String::new(),
        };
        let connections = count(now.connections, "connection");
        let index = match now.ledger_head.saturating_sub(now.index_head) {
            0 => "the index is up to date".into(),
            behind => format!("the index is {} behind", count(behind, "line")),
        };
        format!("{stored} stored since the start{last}; {connections}; {index}")
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// A start that failed, in the same place.
pub fn failed(why: &str) {
    Manager::from_env().tell(&[NotifyState::Status(&one_line(why))]);
}

/// Short enough, and nothing in it can be taken for another line of the message.
fn one_line(text: &str) -> String {
    let safe = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    safe.take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::notify::tests::{messages, pair};

    #[test]
    fn it_says_how_much_was_done_and_what_is_wrong_first() {
        let (manager, heard, _dir) = pair();
        let line = StatusLine::new(manager, Arc::default());
        line.ready();
        line.metrics.events_stored.add(12_345);
        line.metrics.connections.add(20);
        line.metrics.ledger_head.set(12_360);
        line.metrics.index_head.set(12_357);
        line.look(1_795_224_225_123_456_789);
        line.look(1_795_224_999_123_456_789);
        assert!(line.refresh(&[NotifyState::Watchdog]));
        line.space(Some(300 << 20));
        line.space(Some(299 << 20));
        line.metrics.problems.say("index", Severity::Warning, "the index stands still: a\nREADY=1");
        line.space(None);
        line.metrics.problems.clear("index");
        let figures = "12,345 events stored since the start, the last at 2026-11-21 01:23:45 UTC; \
                       20 connections; the index is 3 lines behind\n";
        let full = |free| {
            format!("the disk is nearly full, {free}.00 MiB are free; free some space on it")
        };
        let index = "the index stands still: a READY=1";
        let want = [
            "READY=1\nSTATUS=0 events stored since the start; 0 connections; the index is up to date\n",
            &format!("WATCHDOG=1\nSTATUS={figures}"),
            &format!("STATUS={}; {figures}", full(300)),
            &format!("STATUS={}; {figures}", full(299)),
            &format!("STATUS={}; {index}; {figures}", full(299)),
            &format!("STATUS={index}; {figures}"),
            &format!("STATUS={figures}"),
        ];
        assert_eq!(messages(&heard), want);
    }

    #[test]
    fn a_reload_and_a_stop_come_with_what_the_service_manager_needs() {
        let (manager, heard, _dir) = pair();
        let line = StatusLine::new(manager, Arc::default());
        line.reloading();
        line.stopping(Duration::from_secs(30), "draining");
        line.ending("sealing the log");
        let [reloading, stopping, sealing] = &messages(&heard)[..] else {
            panic!("three messages")
        };
        assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
        let want = "STOPPING=1\nEXTEND_TIMEOUT_USEC=30000000\nSTATUS=draining\n";
        assert_eq!(stopping, want);
        assert_eq!(sealing, "STATUS=sealing the log\n");
    }

    #[test]
    fn a_start_that_reads_much_says_so_and_asks_for_time_but_not_at_each_step() {
        let (manager, heard, _dir) = pair();
        let line = StatusLine::new(manager, Arc::default());
        (0..1000).for_each(|_| line.recovered(1 << 16));
        let said = messages(&heard);
        assert!((1..60).contains(&said.len()), "{said:?}");
        let want = "EXTEND_TIMEOUT_USEC=60000000\nSTATUS=reading what the last run left: 64.00 KiB so far\n";
        assert_eq!(said[0], want);
    }

    #[test]
    fn an_error_of_any_length_leaves_it_short() {
        let (manager, heard, _dir) = pair();
        let line = StatusLine::new(manager, Arc::default());
        line.metrics.problems.say("index", Severity::Warning, "ü".repeat(100_000));
        assert_eq!(messages(&heard)[0].chars().count(), "STATUS=\n".len() + LONGEST);
    }
}
