//! The standard error as the last place for an event: one line for each, and the spool from which they come into the
//! log when there is room again.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::AcqRel};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::spool::{Spool, Waiting};
use crate::clock::{Clock, rfc3339};
use crate::engine::{Flow, Item, RoomState, Submission, Submitter};
use crate::ingest::Peer;
use crate::ingest::check::Checked;
use crate::metrics::{Metrics, SHARED};
use crate::record::{Level, Record};

/// Lines that wait for whoever reads the standard error; with more, clients wait.
const MAX_PRINTING: usize = 1024;
/// Bytes that are taken into the log at a time.
const BATCH: usize = 1 << 20;
/// How soon a log that did not take them is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// The way out of a daemon that cannot store.
pub struct Emergency {
    path: PathBuf,
    submitter: Submitter,
    /// Where what comes into the log is counted.
    metrics: Arc<Metrics>,
    /// What waited goes its own way to the writer, beside the clients'.
    flow: Flow,
    spool: Mutex<Option<Spool>>,
    /// To the thread that writes to the standard error, once there is one.
    printer: Mutex<Option<Sender<Vec<u8>>>>,
    printing: Arc<AtomicUsize>,
    spooled: tokio::sync::Notify,
}

impl Emergency {
    pub fn new(path: &Path, submitter: Submitter, metrics: Arc<Metrics>) -> Arc<Self> {
        let spool = path.exists().then(|| Spool::open(path)).transpose();
        let spool = spool.unwrap_or_else(|error| {
            tracing::error!("the events that wait in {path:?} cannot be read: {error}");
            None
        });
        let spooled = tokio::sync::Notify::new();
        if spool.is_some() {
            spooled.notify_one();
        }
        Arc::new(Self {
            path: path.into(),
            flow: submitter.flow(SHARED),
            submitter,
            metrics,
            spool: Mutex::new(spool),
            printer: Mutex::default(),
            printing: Arc::default(),
            spooled,
        })
    }

    /// Lets an event go to the standard error and keeps it for the log; false if it cannot: then its client waits.
    pub fn take(&self, peer: &Peer, event: &Checked<'_>, most: u64) -> bool {
        if self.printing.load(std::sync::atomic::Ordering::Acquire) >= MAX_PRINTING {
            return false;
        }
        let line = line(peer, event);
        let kept = self.with_spool(|spool| {
            if spool.bytes() + line.len() as u64 > most {
                return Ok(false);
            }
            spool.push(&line)?;
            Ok(true)
        });
        match kept {
            Ok(true) => {
                self.say(line);
                self.spooled.notify_one();
                true
            }
            Ok(false) => false,
            Err(error) => {
                tracing::debug!("no event can wait in {:?}: {error}", self.path);
                false
            }
        }
    }

    /// Lets an event go to the standard error, if that takes it; its client waits anyway.
    pub fn print(&self, peer: &Peer, event: &Checked<'_>) {
        if self.printing.load(std::sync::atomic::Ordering::Acquire) < MAX_PRINTING {
            self.say(line(peer, event));
        }
    }

    /// Takes what waits into the log whenever there is room for all events. Never returns.
    pub async fn take_in(&self, mut room: watch::Receiver<RoomState>) {
        loop {
            self.spooled.notified().await;
            let mut tally = Tally::default();
            while let Some(lines) = self.next() {
                // The room is never gone: the daemon holds it.
                let _ = room
                    .wait_for(|state| state.level < Level::LowStops && state.error.is_none())
                    .await;
                if self.store(&lines, &mut tally).await {
                    self.took(lines.len() as u64);
                } else {
                    tokio::time::sleep(AGAIN).await;
                }
            }
            if let Some(record) = tally.into_record() {
                tracing::info!("{}", record.sentence());
                self.submitter.record(record);
            }
        }
    }

    /// The next lines that wait.
    fn next(&self) -> Option<Vec<u8>> {
        let next = self.with_spool(|spool| {
            let lines = if spool.is_empty() { Vec::new() } else { spool.next(BATCH)? };
            if lines.is_empty() && !spool.is_empty() {
                spool.clear()?;
            }
            Ok(lines)
        });
        let next = next.inspect_err(|error| {
            tracing::error!("the events that wait in {:?} cannot be read: {error}", self.path);
        });
        next.ok().filter(|lines| !lines.is_empty())
    }

    fn took(&self, bytes: u64) {
        if let Err(error) = self.with_spool(|spool| spool.took(bytes)) {
            tracing::error!(
                "{:?} cannot be written, and its events may be stored twice: {error}",
                self.path
            );
        }
    }

    /// Stores these lines; whether they are in the log.
    async fn store(&self, lines: &[u8], tally: &mut Tally) -> bool {
        let mut last = None;
        for run in runs(lines, tally) {
            let (tell, told) = oneshot::channel();
            let (account, events) = (self.metrics.accounts.of(run.uid), run.items.len() as u64);
            // Before they can be stored: an account is never more than its lines.
            account.lines.add(events);
            let on_commit = Box::new(move |result: Result<_, _>| {
                if result.is_err() {
                    account.lines.sub(events);
                }
                let _nobody_waits_any_more = tell.send(result.is_ok());
            });
            let submission = Submission { on_commit: Some(on_commit), ..run };
            if self.flow.submit(submission).await.is_err() {
                return false;
            }
            last = Some(told);
        }
        match last {
            // In one order: the last one is stored after all others.
            Some(told) => told.await.unwrap_or(false),
            None => true,
        }
    }

    fn say(&self, mut line: Vec<u8>) {
        let mut printer = self.printer.lock().unwrap_or_else(|e| e.into_inner());
        let printing = self.printing.clone();
        let printer = printer.get_or_insert_with(|| {
            let (sender, lines) = channel::<Vec<u8>>();
            let print = move || {
                for line in lines {
                    // Who has closed it wants nothing; the event is in the spool.
                    let _nobody_reads = std::io::stderr().write_all(&line);
                    printing.fetch_sub(1, AcqRel);
                }
            };
            if let Err(error) = std::thread::Builder::new().name("emergency".into()).spawn(print) {
                tracing::error!("events cannot go to the standard error: {error}");
            }
            sender
        });
        self.printing.fetch_add(1, AcqRel);
        let mark = if std::env::var_os("JOURNAL_STREAM").is_some() { "<2>" } else { "" };
        line.splice(0..0, format!("{mark}AUDIT_EMERGENCY ").into_bytes());
        let _no_thread = printer.send(line);
    }

    fn with_spool<T>(
        &self,
        act: impl FnOnce(&mut Spool) -> std::io::Result<T>,
    ) -> std::io::Result<T> {
        let mut spool: MutexGuard<'_, _> = self.spool.lock().unwrap_or_else(|e| e.into_inner());
        if spool.is_none() {
            *spool = Some(Spool::open(&self.path)?);
        }
        match &mut *spool {
            Some(spool) => act(spool),
            None => Err(std::io::ErrorKind::NotFound.into()),
        }
    }
}

/// How much came into the log late.
#[derive(Default)]
struct Tally {
    events: u64,
    bytes: u64,
    since: Option<String>,
    until: String,
}

impl Tally {
    fn into_record(self) -> Option<Record> {
        let Self { events, bytes, since, until } = self;
        since.map(|since| Record::Late { events, bytes, since, until })
    }
}

/// The events of these lines, one submission for each run of lines of one peer.
fn runs(lines: &[u8], tally: &mut Tally) -> Vec<Submission> {
    let mut runs: Vec<Submission> = Vec::new();
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let Ok(waiting) = serde_json::from_slice::<Waiting<'_>>(line) else {
            tracing::error!("a line that waited for the log is damaged, and is left out");
            continue;
        };
        let (peer, event) = (waiting.peer.get(), waiting.event.get());
        let id = if waiting.id.get() == "null" { "" } else { waiting.id.get() };
        if runs.last().is_none_or(|run| &*run.peer != peer) {
            let (text, items) = (Vec::new(), Vec::new());
            let (peer, uid) = (peer.into(), waiting.uid);
            runs.push(Submission { peer, uid, text, items, origin: None, on_commit: None });
        }
        let Some(run) = runs.last_mut() else { continue };
        run.text.extend_from_slice(id.as_bytes());
        run.text.extend_from_slice(event.as_bytes());
        run.items.push(Item::of(id.len(), event.len(), true));
        (tally.events, tally.bytes) = (tally.events + 1, tally.bytes + event.len() as u64);
        tally.since.get_or_insert_with(|| waiting.ts.to_owned());
        waiting.ts.clone_into(&mut tally.until);
    }
    runs
}

/// The line of an event, for people and for the spool, with its LF.
fn line(peer: &Peer, event: &Checked<'_>) -> Vec<u8> {
    let (ts, uid) = (rfc3339(Clock::System.now().wall_ns), peer.uid);
    let mut line =
        format!("{{\"ts\":\"{ts}\",\"uid\":{uid},\"peer\":{},\"id\":", peer.json).into_bytes();
    match &event.id {
        Some(id) => crate::json::push_string(&mut line, id),
        None => line.extend_from_slice(b"null"),
    }
    line.extend_from_slice(b",\"event\":");
    line.extend_from_slice(event.event.as_bytes());
    line.extend_from_slice(b"}\n");
    line
}
