//! The daemon's engine within this process, with the test's own clock, on a log that outlives it.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use auditlogd::config::Repeats;
use auditlogd::engine::{Item, Receipt, Submission};
use auditlogd::fs::Real;
use tempfile::TempDir;

use crate::common::lab::{new_root, now};
use crate::common::running::Running;

/// An event with an id of its client's.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    pub uid: u32,
    pub id: &'a str,
    pub text: &'a str,
}

impl<'a> Sent<'a> {
    /// The event of this id that user 7 sends.
    pub fn of(id: &'a str) -> Self {
        Self { uid: 7, id, text: "{}" }
    }
}

/// A host on which the engine runs now and then.
pub struct Host {
    pub root: TempDir,
    pub running: Option<Running>,
    pub boot: u32,
    pub limits: Repeats,
}

impl Host {
    pub fn new(window: usize, seconds: u64) -> Self {
        let limits = Repeats { window, seconds };
        let mut host = Self { root: new_root(), running: None, boot: 1, limits };
        host.start_at(now(10));
        host
    }

    pub fn start_at(&mut self, now: auditlogd::clock::Now) {
        let limits = self.limits;
        let started = Running::start_with(
            Arc::new(Real::default()),
            self.root.path(),
            self.boot,
            now,
            |config| {
                config.ingest.repeats = limits;
                config.ledger.rotate_bytes = 0;
                config.ledger.rotate_seconds = 0;
            },
        );
        self.running = Some(started.expect("the engine starts"));
    }

    pub fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs")
    }

    /// Ends the engine; nothing passes until it is started again.
    pub fn stop(&mut self) -> auditlogd::clock::Now {
        let running = self.running.take().expect("it runs");
        let now = running.now();
        running.stop().expect("stops");
        now
    }

    pub fn again(&mut self) {
        let now = self.stop();
        self.start_at(now);
    }

    /// Hands in events of one user as one submission; the last one's line.
    pub fn send(&self, events: &[Sent<'_>]) -> u64 {
        let uid = events[0].uid;
        let (mut text, mut items) = (Vec::new(), Vec::new());
        for event in events {
            let id = if event.id.is_empty() { String::new() } else { format!("{:?}", event.id) };
            text.extend_from_slice(id.as_bytes());
            text.extend_from_slice(event.text.as_bytes());
            items.push(Item::of(id.len(), event.text.len(), true));
        }
        let (told, answer) = sync_channel(1);
        let submission = Submission {
            peer: format!(r#"{{"pid":1,"uid":{uid},"gid":0,"unit":null,"exe":null}}"#).into(),
            uid,
            text,
            items,
            origin: None,
            on_commit: Some(Box::new(move |result| told.send(result).expect("somebody waits"))),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let submitter = self.running().engine.submitter();
        runtime.block_on(submitter.flow(0).submit(submission)).expect("submitted");
        let receipt: Option<Receipt> = answer.recv().expect("told").expect("committed");
        receipt.expect("a receipt").seq
    }

    /// The line of one event.
    pub fn store(&self, event: Sent<'_>) -> u64 {
        self.send(&[event])
    }

    pub fn repeated(&self) -> u64 {
        self.running().metrics().events_repeated.get()
    }

    /// Whether the event of this id is known; it is stored if it is not.
    pub fn knows(&self, id: &str) -> bool {
        let before = self.repeated();
        self.store(Sent::of(id));
        self.repeated() > before
    }
}
