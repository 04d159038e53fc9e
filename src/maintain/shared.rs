//! Where the maintenance thread and everybody else meet: who asked for a run, what is being done, how the last
//! run went.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use super::Settings;
use super::state::State;
use super::timer::Alarm;
use crate::record::{Maintained, Trigger};

/// Why a run is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// The timer or somebody.
    pub trigger: Trigger,
    /// Who, if somebody.
    pub uid: Option<u32>,
}

/// How far a run is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It waits for the one before it, or does this.
    Doing(String),
    /// It has ended, or one that began after it.
    Ended(Box<Maintained>),
    /// The daemon stops first.
    Stopping,
}

pub(super) struct Shared {
    inner: Mutex<Inner>,
    alarm: Alarm,
}

pub(super) struct Inner {
    pub settings: Arc<Settings>,
    /// Who asked for a run that has not begun.
    asked: Option<u32>,
    /// Runs that have begun since the start of the daemon.
    begun: u64,
    /// Runs that have ended.
    ended: u64,
    pub stopping: bool,
    /// What is being done.
    pub doing: Option<String>,
    /// CLOCK_BOOTTIME of the next run.
    pub due: Option<u64>,
    /// What was remembered after the last run.
    pub state: State,
}

impl Shared {
    pub fn new(settings: Settings, state: State) -> io::Result<Self> {
        let inner = Inner {
            settings: Arc::new(settings),
            asked: None,
            begun: 0,
            ended: 0,
            stopping: false,
            doing: None,
            due: None,
            state,
        };
        Ok(Self { inner: Mutex::new(inner), alarm: Alarm::new()? })
    }

    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Asks for a run; the number of the one that will have begun after this. Whoever asks while one is under way
    /// gets another after it, since that one may be past what they care about; those who wait share it.
    pub fn ask(&self, uid: u32) -> u64 {
        let mut inner = self.lock();
        inner.asked.get_or_insert(uid);
        let run = inner.begun + 1;
        drop(inner);
        self.alarm.wake();
        run
    }

    /// How far that run is.
    pub fn progress(&self, run: u64) -> Progress {
        let inner = self.lock();
        match &inner.state.history.last {
            Some(last) if inner.ended >= run => Progress::Ended(last.clone()),
            _ if inner.stopping => Progress::Stopping,
            _ => Progress::Doing(inner.doing.clone().unwrap_or_default()),
        }
    }

    /// Uses these settings from the next run on.
    pub fn configure(&self, settings: Settings) {
        self.lock().settings = Arc::new(settings);
        self.alarm.wake();
    }

    /// Ends the run that is under way as soon as it can, and the thread with it.
    pub fn stop(&self) {
        self.lock().stopping = true;
        self.alarm.wake();
    }

    pub fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    pub fn doing(&self, what: String) {
        self.lock().doing = Some(what);
    }

    /// The run that has to begin now, if one has to: somebody asked, or it is due, or the disk calls for it.
    pub fn begin(&self, is_due: bool, is_called: bool) -> Option<(Cause, Arc<Settings>)> {
        let mut inner = self.lock();
        let cause = match inner.asked.take() {
            Some(uid) => Cause { trigger: Trigger::Request, uid: Some(uid) },
            None if is_due => Cause::default(),
            None if is_called => Cause { trigger: Trigger::LowSpace, uid: None },
            None => return None,
        };
        inner.begun += 1;
        Some((cause, inner.settings.clone()))
    }

    /// The run that began last has ended, and this is remembered.
    pub fn end(&self, state: State) {
        let mut inner = self.lock();
        inner.ended = inner.begun;
        inner.doing = None;
        inner.state = state;
    }

    /// Sleeps until that time of CLOCK_BOOTTIME, or until something changes here.
    pub fn sleep_until(&self, boot_ns: u64) -> io::Result<()> {
        self.alarm.sleep_until(boot_ns)
    }
}
