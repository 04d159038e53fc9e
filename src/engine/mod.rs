//! The engine: the only place that joins ledger and index, and the only writer.
//!
//! [`Submitter`] is how events come in; `writer` commits them; `feed` hands what was committed to the
//! `indexer`, which follows the ledger from wherever it stopped. Whoever wants something else of the two asks by
//! their handles: [`WriterHandle`] for records, rotation and what is to be deleted, [`IndexHandle`] for rows.

mod account;
mod feed;
mod handle;
mod index_handle;
mod indexer;
mod intent;
mod lock;
mod queue;
mod repeats;
mod room;
mod rows;
mod submit;
mod verify;
mod watch;
mod writer;

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

pub use crate::index::{PruneRows, RowsPruned};
pub use account::{Audit, Exposure, Finding, Gap, Gapped, Kind, SHORTEST};
pub use handle::{NotRotated, Pruned, Rotated, WriterHandle};
pub use index_handle::IndexHandle;
pub use indexer::{FollowError, IndexSetup, reindex_offline};
pub use lock::{Lock, LockError};
pub use room::{Room, RoomState};
pub use rows::{Sink, each as each_row};
pub use submit::{CommitFailed, Flow, Item, OnCommit, Receipt, Stopped, Submission, Submitter};
#[cfg(test)]
pub(crate) use submit::{TestQueue, test_pair};
pub use verify::{Database, Phase, verify_all};
pub use writer::{Measure, SpaceSetup, WriterError};

use crate::clock::{Clock, Now};
use crate::config;
use crate::event::FieldMap;
use crate::kept::{Memory, Promise};
use crate::ledger::LedgerError;
use crate::ledger::open::{Setup, open};
use crate::metrics::Metrics;
use crate::priority;
use crate::record::Record;
use account::Book;
use feed::Feed;
use handle::Done;
use repeats::Repeats;
use watch::Watch;
use writer::{Output, Writer};

/// What the writer is asked to do.
pub(crate) enum Command {
    /// Put events into the ledger.
    Append(submit::Queued),
    /// Put one of the daemon's own records into it, and tell whoever waits for that.
    Record(Record, Option<OnStored>),
    /// Close the epoch, and open a new segment if the active file was renamed.
    Reopen(Done),
    /// Close the epoch, rename the active file and open a new segment, for this reason.
    Rotate(String, Done<Result<Rotated, NotRotated>>),
    /// Write these records and close the epoch, unless it is before this time.
    Prune(Vec<Record>, i64, Done<Pruned>),
    /// Work like this from now on, and write that in the log.
    Configure(Box<Configured>, Record),
    /// Write that the daemon stops, seal, and end.
    Stop(String),
}

/// What of the configuration the engine can change while it runs.
pub struct Configured {
    /// Batches, epochs and segments.
    pub limits: config::Ledger,
    /// For how long events are known again.
    pub repeats: config::Repeats,
    /// What happens when the disk fills up.
    pub space: config::Space,
    /// `[maintenance] min_free_bytes`
    pub warn_bytes: u64,
    /// The index's vocabulary.
    pub fields: Arc<FieldMap>,
}

/// What the engine needs to start.
pub struct EngineSetup {
    /// The ledger.
    pub ledger: Setup,
    /// Batches and epochs.
    pub limits: config::Ledger,
    /// For how long events are known again.
    pub repeats: config::Repeats,
    /// What happens when the disk fills up.
    pub space: SpaceSetup,
    /// Bytes of events that may wait for the writer.
    pub queue_bytes: usize,
    /// What a crash can cost at most.
    pub exposure: Exposure,
    /// What is kept of connections beyond this process, if anything is.
    pub kept: Option<Arc<Memory>>,
    /// The index.
    pub index: IndexSetup,
    /// Where the time comes from.
    pub clock: Clock,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// Called with each new checkpoint, from the writer's thread: it must not block.
    pub on_seal: OnSeal,
    /// Called from the writer's thread when it ends, whatever the reason.
    pub on_end: Box<dyn FnOnce() + Send>,
    /// Called each time the writer's loop has come round: it must not block.
    pub on_turn: OnTurn,
    /// Called from the index thread when it stands still or goes on, which is in the list of problems, and when it has
    /// come to the ledger's end after the start.
    pub on_index: OnIndex,
}

/// What the log has come to with a seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The tree's size, the seal included.
    pub size: u64,
    /// The log's id, 32 hex digits.
    pub log_id: String,
    /// The checkpoint of that tree, a signed note.
    pub checkpoint: String,
}

/// Called after a seal.
pub type OnSeal = Box<dyn Fn(Sealed) + Send>;

/// Called between two turns of the writer's loop, when nothing is due any more. Returns CLOCK_BOOTTIME, nanoseconds,
/// at which the loop has to come round again even if there is nothing to do; none if it need not.
pub type OnTurn = Box<dyn FnMut(Now) -> Option<u64> + Send>;

/// Called from the writer's thread once a record is durable: it must not block.
pub(crate) type OnStored = Box<dyn FnOnce() + Send>;

/// Called when there is something new to tell of the index.
pub type OnIndex = Box<dyn Fn() + Send>;

/// The running engine: a thread that writes, a thread that indexes.
pub struct Engine {
    commands: WriterHandle,
    submitter: Submitter,
    index: IndexHandle,
    room: Arc<Room>,
    log_id: String,
    writer: JoinHandle<Result<(), WriterError>>,
    indexer: JoinHandle<()>,
    end: Receiver<()>,
}

/// What a start has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// Whether the log was created just now: its owner has to be told, once.
    pub created: bool,
    /// Why it is not known which of the connections' lines the last run stored last, if it is not.
    pub unsettled: Option<String>,
}

impl Engine {
    /// Opens the ledger, writes that the daemon started, and goes on in threads of its own. Returning means
    /// that a first sync succeeded.
    pub fn start(setup: EngineSetup, started: Record) -> Result<(Self, Started), LedgerError> {
        let (own_peer, on_read) = (setup.ledger.own_peer.clone(), setup.ledger.on_read.clone());
        let now = setup.clock.now();
        let paths = setup.ledger.paths.clone();
        let opened = open(setup.ledger, now)?;
        // Before this run's first line: it must not be taken for one of the last run's.
        let kept = setup.kept.as_ref();
        let unsettled =
            kept.and_then(|kept| intent::settle(kept, &paths.log_dir, opened.ledger.log_id()));
        let log_id = opened.ledger.log_id().to_owned();
        let next = opened.ledger.next_seq();
        let mut repeats = Repeats::new(setup.repeats, next);
        // Both read the end of the log, each on a core of its own if there are two.
        let (found, recalled) = std::thread::scope(|scope| {
            let recount = || account::recount(&paths.log_dir, &log_id, next, &on_read);
            let recounting = std::thread::Builder::new().spawn_scoped(scope, recount);
            let recalled = repeats::recall(&mut repeats, &paths, &log_id, now);
            let found = match recounting {
                Ok(recounting) => recounting.join().unwrap_or_else(|panic| resume_unwind(panic)),
                Err(_) => recount(),
            };
            (found, recalled)
        });
        let left = kept.and_then(|kept| {
            let left = kept.left_over();
            left.inspect_err(|e| tracing::warn!("what the last run left over is not known: {e}"))
                .ok()?
        });
        let since_ns = found.last_ns.unwrap_or(now.wall_ns);
        let gaps = account::gaps(setup.exposure, opened.crashed, left, since_ns..now.wall_ns);
        let book = Book::new(found, setup.metrics.clone(), now.boot_ns);
        if let Err(error) = recalled {
            tracing::warn!(%error, "not all of the newest events could be read: what clients send again may be stored twice");
        }
        let feed = Arc::new(Feed::new(setup.index.queue_bytes, next));
        let (commands, queue) = queue::queue(setup.queue_bytes);
        let submitter = Submitter::new(commands.clone(), setup.metrics.clone());
        let room = setup.space.room.clone();
        let mut writer = Writer::new(
            opened.ledger,
            own_peer,
            Watch::new(setup.clock, now),
            (setup.limits, setup.space),
            queue,
            (setup.kept.clone().map(Promise::new), repeats),
            Output {
                feed: feed.clone(),
                metrics: setup.metrics.clone(),
                book,
                on_seal: setup.on_seal,
                on_turn: setup.on_turn,
            },
        );
        // Every start seals.
        writer.offer_checkpoint()?;
        writer.write_own(opened.recovered.into_iter().chain(gaps).chain([started]).collect())?;
        if let Some(Err(error)) = setup.kept.as_ref().map(|kept| kept.forget_left_over()) {
            tracing::warn!(%error, "the next start may say once more what the last run left over");
        }
        // Before anybody writes: the reserve is there, and who may write is known.
        writer.look_at_space()?;

        let (ended, end) = sync_channel(1);
        let on_end = setup.on_end;
        let writer = spawn("writer", move || {
            let result = writer.run();
            on_end();
            let _ = ended.send(());
            result
        })?;
        let (jobs, index_jobs) = channel();
        let handle = IndexHandle { feed: feed.clone(), jobs };
        let (index, id, metrics) = (setup.index, log_id.clone(), setup.metrics);
        let on_index = setup.on_index;
        let follow = move || {
            if let Err(error) = priority::lower(priority::INDEX) {
                tracing::warn!(%error, "the index has the same priority as the ledger");
            }
            indexer::run(&index, &id, &feed, index_jobs, &metrics, on_index);
        };
        let indexer = spawn("index", follow)?;
        let commands = WriterHandle(commands);
        let engine =
            Self { commands, submitter, index: handle, room, log_id, writer, indexer, end };
        Ok((engine, Started { created: opened.created, unsettled }))
    }

    /// The log's id, 32 hex digits.
    pub fn log_id(&self) -> &str {
        &self.log_id
    }

    /// A way to hand in events.
    pub fn submitter(&self) -> Submitter {
        self.submitter.clone()
    }

    /// Whether there is room for events.
    pub fn room(&self) -> Arc<Room> {
        self.room.clone()
    }

    /// A handle for whoever answers questions about the index.
    pub fn index(&self) -> IndexHandle {
        self.index.clone()
    }

    /// Writes one of the daemon's own records.
    pub fn record(&self, record: Record) {
        let _ended_writer_is_noticed_elsewhere =
            self.commands.0.send(Command::Record(record, None));
    }

    /// Writes one of the daemon's own records; returns when it is durable, or `false` if the writer has
    /// ended.
    pub fn record_durably(&self, record: Record) -> bool {
        self.commands.record_durably(record)
    }

    /// Closes the epoch and opens a new segment if the active file was renamed; returns when that is
    /// durable, or `false` if the writer has ended.
    pub fn reopen(&self) -> bool {
        self.commands.ask(Command::Reopen).is_some()
    }

    /// A way to the writer for whoever changes the log from another thread.
    pub fn writer(&self) -> WriterHandle {
        self.commands.clone()
    }

    /// Puts what is configured now in force, with the record that says so.
    pub fn configure(&self, configured: Configured, record: Record) {
        let command = Command::Configure(Box::new(configured), record);
        let _ended_writer_is_noticed_elsewhere = self.commands.0.send(command);
    }

    /// Commits what was submitted, seals, lets the index catch up for at most `deadline`, and ends. Only
    /// then is nothing open.
    pub fn stop(self, reason: &str, deadline: Duration) -> Result<(), WriterError> {
        let _already_ended = self.commands.0.send(Command::Stop(reason.to_owned()));
        let _sent_or_dropped = self.end.recv();
        let result = self.writer.join().unwrap_or(Err(WriterError::Panicked));
        self.index.feed.close(deadline);
        if self.indexer.join().is_err() {
            tracing::error!(
                "the index thread panicked; run `auditlog reindex` after the next start"
            );
        }
        result
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, LedgerError> {
    let spawned = std::thread::Builder::new().name(name.into()).spawn(run);
    spawned.map_err(LedgerError::io("given a thread", name.as_ref()))
}
