//! Anchors: each new checkpoint is carried off this host, so that whoever takes it over cannot take back
//! what was sealed before.
//!
//! The writer leaves the newest checkpoint in a `slot` and goes on. Each anchor has a thread
//! (`worker`) that takes it from there when it can: a slow one skips what came in between, for a
//! checkpoint covers all before it. `file`, `journal`, `exec` and `witness` are the ways off.

mod book;
mod exec;
mod file;
mod journal;
mod slot;
mod witness;
mod worker;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::clock::Clock;
use crate::config;
use crate::engine::Sealed;
use crate::fs::Fs;
use crate::ledger::Paths;
use crate::metrics::{AnchorStatus, Metrics};
use book::Book;
use slot::Slot;
use worker::Worker;

/// Why an anchor of the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the anchor `{anchor}`: {problem}")]
pub struct BadAnchor {
    /// Its name.
    pub anchor: String,
    /// What is wrong.
    pub problem: String,
}

/// What the anchors need.
pub struct PublisherSetup {
    /// The disk, for what is known of each anchor.
    pub fs: Arc<dyn Fs>,
    /// Where the log is.
    pub paths: Paths,
    /// Whether standard error is connected to journald.
    pub journald: bool,
    /// The counters.
    pub metrics: Arc<Metrics>,
}

/// The running anchors.
pub struct Publisher {
    setup: PublisherSetup,
    slot: Arc<Slot>,
    book: Arc<Book>,
    anchors: Mutex<Vec<Running>>,
}

/// An anchor and its thread.
struct Running {
    config: config::Anchor,
    removed: Arc<AtomicBool>,
    status: Arc<Mutex<AnchorStatus>>,
}

/// A way off the host.
trait Target: Send {
    /// Hands over a checkpoint: when this returns, somebody else has it.
    fn deliver(&mut self, sealed: &Sealed, context: &Context<'_>) -> Result<Delivered, Failure>;
}

/// What a delivery has to know besides.
struct Context<'a> {
    /// Who says when the time is over.
    slot: &'a Slot,
    /// The size that this anchor took last.
    before: Option<u64>,
}

/// What came back.
#[derive(Default)]
struct Delivered {
    /// The checkpoint with a cosignature, from a witness.
    cosigned: Option<String>,
}

/// Why a checkpoint was not taken, to be read after the anchor's name.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// Something that may pass.
    #[error("{0}")]
    Failed(String),
    /// The anchor has seen another log under this log's name.
    #[error("{0}")]
    Contradiction(String),
}

/// Whether these anchors can be used; no anchor is asked.
///
/// # Errors
/// The first one that cannot.
pub fn check(config: &config::Config) -> Result<(), BadAnchor> {
    let (log_dir, state_dir) = (config.log_dir.clone(), config.state_dir.clone());
    check_all(&config.anchors, &Paths { log_dir, state_dir })
}

fn check_all(anchors: &[config::Anchor], paths: &Paths) -> Result<(), BadAnchor> {
    anchors.iter().try_for_each(|anchor| target(anchor, paths, false).map(drop))
}

fn target(
    anchor: &config::Anchor,
    paths: &Paths,
    journald: bool,
) -> Result<Box<dyn Target>, BadAnchor> {
    Ok(match anchor {
        config::Anchor::File { path } => {
            Box::new(file::FileAnchor { path: path.clone(), paths: paths.clone(), torn: false })
        }
        config::Anchor::Journal => Box::new(journal::JournalAnchor { journald }),
        config::Anchor::Exec { command, timeout_seconds } => Box::new(exec::ExecAnchor {
            command: command.clone(),
            timeout: Duration::from_secs(*timeout_seconds),
        }),
        config::Anchor::Witness { url, vkey, timeout_seconds } => {
            let timeout = Duration::from_secs(*timeout_seconds);
            let witness = witness::WitnessAnchor::new(url, vkey, timeout, paths.clone());
            let bad = |problem| BadAnchor { anchor: anchor.to_string(), problem };
            Box::new(witness.map_err(bad)?)
        }
    })
}

impl Publisher {
    /// Starts without any anchor.
    pub fn new(setup: PublisherSetup) -> Self {
        let state = |name: &str| setup.paths.state_dir.join(name);
        let book = Book::open(setup.fs.clone(), state("anchors.json"), setup.paths.cosigned());
        Self { setup, slot: Arc::default(), book: Arc::new(book), anchors: Mutex::default() }
    }

    /// Offers a new checkpoint to every anchor. Never waits for one.
    pub fn offer(&self, sealed: Sealed) {
        self.slot.offer(sealed);
    }

    /// Uses these anchors from now on. Those that stay the same go on undisturbed; new ones get the newest
    /// checkpoint at once.
    ///
    /// # Errors
    /// The first anchor that cannot be used; then nothing has changed.
    pub fn configure(&self, wanted: &[config::Anchor]) -> Result<(), BadAnchor> {
        check_all(wanted, &self.setup.paths)?;
        let mut anchors = self.lock();
        let mut before = std::mem::take(&mut *anchors);
        for anchor in wanted {
            let same = before.iter().position(|running| running.config == *anchor);
            anchors.push(match same {
                Some(at) => before.swap_remove(at),
                None => self.start(anchor)?,
            });
        }
        before.iter().for_each(|running| running.removed.store(true, Relaxed));
        drop(anchors);
        self.slot.nudge();
        Ok(())
    }

    fn start(&self, anchor: &config::Anchor) -> Result<Running, BadAnchor> {
        let name = anchor.to_string();
        let mut target = target(anchor, &self.setup.paths, self.setup.journald)?;
        let known = self.book.get(&name);
        let status = Arc::new(Mutex::new(AnchorStatus {
            anchor: name.clone(),
            size: known.as_ref().map(|entry| entry.size),
            delivered: known.map(|entry| entry.delivered),
            error: None,
            failing_since: None,
        }));
        let removed = Arc::<AtomicBool>::default();
        let worker = Worker {
            name: name.clone(),
            slot: self.slot.clone(),
            book: self.book.clone(),
            metrics: self.setup.metrics.clone(),
            clock: Clock::System,
            removed: removed.clone(),
            status: status.clone(),
        };
        let working = self.slot.work();
        let spawned = std::thread::Builder::new().name("anchor".into()).spawn(move || {
            let _until_the_end = working;
            worker.run(&mut *target);
        });
        let no_thread = |e| BadAnchor { anchor: name, problem: format!("it has no thread: {e}") };
        spawned.map_err(no_thread)?;
        Ok(Running { config: anchor.clone(), removed, status })
    }

    /// How each anchor is, in the order of the configuration.
    pub fn status(&self) -> Vec<AnchorStatus> {
        let read =
            |running: &Running| running.status.lock().unwrap_or_else(|e| e.into_inner()).clone();
        self.lock().iter().map(read).collect()
    }

    /// No checkpoint comes after the one that was offered last: gives each anchor one more try for it, for
    /// that long, and says which ones do not have it.
    pub fn stop(&self, patience: Duration) {
        self.slot.close(patience);
        let newest = self.slot.newest();
        for status in self.status() {
            if newest.is_some() && status.size != newest {
                let why = status.error.as_deref().unwrap_or("it did not answer in time");
                tracing::warn!(
                    "the anchor {} does not have the last checkpoint: {why}; the next start offers a newer one",
                    status.anchor
                );
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Running>> {
        self.anchors.lock().unwrap_or_else(|e| e.into_inner())
    }
}
