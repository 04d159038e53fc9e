//! The writer: one thread, one function that commits.

mod account;
mod epochs;
mod held;
mod ladder;
mod memory;
mod persist;
mod segments;
mod sign;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use super::account::Book;
use super::feed::{Feed, Followed};
use ladder::Ladder;
use persist::Stall;
use segments::Age;

use super::intent;
use super::queue::Receiver;
use super::repeats::Repeats;
use super::submit::{CommitFailed, Queued, Receipt};
use super::watch::{Look, Watch};
use super::{Command, Configured, OnSeal, OnTurn, Pruned};
use crate::clock::{Now, rfc3339};
use crate::config;
use crate::kept::Promise;
use crate::ledger::seal::Reason;
use crate::ledger::{Ledger, LedgerError, Written};
use crate::metrics::Metrics;
use crate::record::Record;

pub use ladder::{Measure, SpaceSetup};

/// Why the writer ended early.
#[derive(Debug, thiserror::Error)]
pub enum WriterError {
    /// What is on disk is unknown, so nothing is tried again in place.
    #[error(
        "{0}; what was not acknowledged may or may not be stored; the daemon stops, and its next start finds out"
    )]
    Ledger(#[from] LedgerError),
    /// A defect.
    #[error("the writer panicked; its next start finds out what is stored")]
    Panicked,
}

/// Whom the writer tells what it did. None of them makes it wait.
pub(super) struct Output {
    /// The index.
    pub feed: Arc<Feed>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// What became of clients' lines.
    pub book: Book,
    /// The anchors.
    pub on_seal: OnSeal,
    /// The watchdog.
    pub on_turn: OnTurn,
}

pub(super) struct Writer {
    ledger: Ledger,
    own_peer: Arc<str>,
    watch: Watch,
    limits: config::Ledger,
    queue: Receiver,
    /// Where it is said what is about to be stored, if connections outlive this process.
    promise: Option<Promise>,
    /// What is stored of late, so that it is not stored again.
    repeats: Repeats,
    output: Output,
    /// CLOCK_BOOTTIME when the last seal was written.
    sealed_at: u64,
    /// CLOCK_BOOTTIME of the open epoch's first commit.
    epoch_began: Option<u64>,
    age: Age,
    /// How full the disk is.
    ladder: Ladder,
    /// Events that came while no event is stored, in order.
    held: VecDeque<Queued>,
    /// The disk takes nothing, and it is waited for.
    stall: Option<Stall>,
    /// Whether it is waited for at all: not before the daemon has started.
    patient: bool,
    /// Records of what happened in the middle of something else.
    unsaid: Vec<Record>,
    /// CLOCK_BOOTTIME at which the watchdog wants to hear of the writer again.
    turn_due_at: u64,
}

impl Writer {
    pub fn new(
        ledger: Ledger,
        own_peer: Arc<str>,
        watch: Watch,
        (limits, space): (config::Ledger, SpaceSetup),
        queue: Receiver,
        (promise, repeats): (Option<Promise>, Repeats),
        output: Output,
    ) -> Self {
        let sealed_at = watch.now().boot_ns;
        let epoch_began = (ledger.epoch_lines() > 0).then_some(sealed_at);
        output.metrics.ledger_head.set(ledger.next_seq());
        output.metrics.segment.set(ledger.segment());
        let age = Age::found(ledger.segment_opened_ns(), watch.now());
        let turn_due_at = 0;
        let ladder = Ladder::new(space, ledger.directories());
        Self {
            ledger,
            own_peer,
            watch,
            limits,
            queue,
            promise,
            repeats,
            output,
            sealed_at,
            epoch_began,
            age,
            ladder,
            held: VecDeque::new(),
            stall: None,
            patient: false,
            unsaid: Vec::new(),
            turn_due_at,
        }
    }

    /// Works until it is told to stop, or until the disk fails.
    pub fn run(mut self) -> Result<(), WriterError> {
        self.patient = true;
        let result = self.serve();
        if result.is_err() {
            // Whoever still waits is told; whoever comes later finds the queue gone.
            self.held.drain(..).for_each(refuse);
            while let Ok(command) = self.queue.try_recv() {
                if let Command::Append(queued) = command {
                    refuse(queued);
                }
            }
        }
        Ok(result?)
    }

    fn serve(&mut self) -> Result<(), LedgerError> {
        let mut next = None;
        loop {
            let command = match next.take() {
                Some(command) => command,
                None => match self.queue.recv_timeout(self.until_something_is_due()) {
                    Ok(command) => command,
                    Err(RecvTimeoutError::Timeout) => {
                        self.do_what_is_due()?;
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => {
                        return self.stop("nobody is left".into());
                    }
                },
            };
            match command {
                Command::Append(queued) if self.ladder.is_full() => self.held.push_back(queued),
                Command::Append(first) => {
                    let batch;
                    (batch, next) = self.gather(first);
                    self.commit(batch)?;
                }
                Command::Record(record, stored) => {
                    self.write_own(vec![record])?;
                    if let Some(stored) = stored {
                        stored();
                    }
                }
                Command::Reopen(done) => self.reopen(&done)?,
                Command::Rotate(reason, done) => {
                    let _asker_may_be_gone = done.send(self.rotate(reason)?);
                }
                Command::Prune(records, not_before_ns, done) => {
                    let _asker_may_be_gone = done.send(self.prune(&records, not_before_ns)?);
                }
                Command::Configure(configured, record) => {
                    let Configured { limits, repeats, space, warn_bytes, fields } = *configured;
                    self.limits = limits;
                    self.repeats.configure(repeats);
                    self.ladder.configure(space, warn_bytes);
                    // The index must not use a map that the ledger does not name, nor use the old one
                    // for an event behind the record: verification relies on both.
                    self.write_own(vec![record])?;
                    self.output.feed.set_fields(fields);
                }
                Command::Stop(reason) => return self.stop(reason),
            }
            self.do_what_is_due()?;
        }
    }

    /// Between two commits, never inside of one.
    fn do_what_is_due(&mut self) -> Result<(), LedgerError> {
        self.look_at_space()?;
        // A rotation closes the epoch too.
        self.rotate_if_due()?;
        self.account_if_due()?;
        self.seal_if_due()?;
        self.forget_if_due()?;
        // Last: it says that the disk has taken all that was to be written.
        self.turn_due_at = (self.output.on_turn)(self.watch.now()).unwrap_or(u64::MAX);
        Ok(())
    }

    fn until_something_is_due(&self) -> Duration {
        let due_at = self.seal_due_at().min(self.rotation_due_at());
        let due_at = due_at.min(self.forgetting_due_at()).min(self.turn_due_at);
        let due_at = due_at.min(self.ladder.due_at()).min(self.output.book.due_at());
        Duration::from_nanos(due_at.saturating_sub(self.watch.now().boot_ns))
    }

    /// Whatever has arrived meanwhile, up to one batch, and the command that ended it.
    fn gather(&self, first: Queued) -> (Vec<Queued>, Option<Command>) {
        let most = self.queue.batch_bytes(self.limits.batch_bytes);
        let mut bytes = first.submission.text.len();
        let mut batch = vec![first];
        while bytes < most {
            match self.queue.try_recv() {
                Ok(Command::Append(queued)) => {
                    bytes += queued.submission.text.len();
                    batch.push(queued);
                }
                Ok(other) => return (batch, Some(other)),
                Err(_) => return (batch, None),
            }
        }
        // Full, and as a rule more waits.
        self.output.feed.note_burst();
        (batch, None)
    }

    /// Stores a batch, then acknowledges it.
    fn commit(&mut self, mut batch: Vec<Queued>) -> Result<(), LedgerError> {
        match self.store(&mut batch) {
            Ok(receipts) => {
                // A crash here: clients that were not told send their events again.
                batch
                    .into_iter()
                    .zip(receipts)
                    .for_each(|(queued, receipt)| queued.tell(Ok(receipt)));
                Ok(())
            }
            Err(e) => {
                batch.into_iter().for_each(refuse);
                Err(e)
            }
        }
    }

    /// Stamp, sign, append, sync, publish. Repeats are taken out of the batch.
    fn store(&mut self, batch: &mut [Queued]) -> Result<Vec<Option<Receipt>>, LedgerError> {
        let now = self.prepare()?;
        let ts = rfc3339(now.wall_ns);
        let first = self.ledger.next_seq();
        self.repeats.begin(now, first);
        let mut receipts = Vec::with_capacity(batch.len());
        let mut first_mac = None;
        for queued in &mut *batch {
            receipts.push(self.sign(&ts, queued, &mut first_mac)?);
        }
        if first_mac.is_none() {
            // Nothing but repeats, and what they repeat is on disk.
            return Ok(receipts);
        }
        self.age.begin(now);
        if let (Some(promise), Some(mac)) = (&mut self.promise, first_mac) {
            intent::promise(promise, batch, first, &mac);
        }
        // A crash up to here: nothing is on disk, nobody was told.
        // A crash within: any prefix may be on disk; the start keeps the whole lines and seals them.
        let lines = self.persist(Ledger::store)?;
        // From here on everything is on disk, whatever happens.
        self.publish(first, lines);
        let accepted =
            |queued: &Queued| queued.submission.items.iter().filter(|i| i.accepted).count();
        self.output.metrics.events_stored.add(batch.iter().map(accepted).sum::<usize>() as u64);
        Ok(receipts)
    }

    /// Commits the daemon's own records.
    pub fn write_own(&mut self, records: Vec<Record>) -> Result<(), LedgerError> {
        let ts = rfc3339(self.prepare()?.wall_ns);
        self.store_own(&ts, &records)
    }

    /// Commits the records of what is to be deleted, and seals them.
    fn prune(&mut self, records: &[Record], not_before_ns: i64) -> Result<Pruned, LedgerError> {
        let now = self.prepare()?;
        if now.wall_ns < not_before_ns {
            return Ok(Pruned::TooEarly);
        }
        // What the sums were last said in may be among it.
        let sums = self.output.book.all(self.ledger.next_seq(), now.boot_ns);
        self.store_own(&rfc3339(now.wall_ns), &[&sums, records].concat())?;
        self.close_epoch(Reason::Time, now)?;
        Ok(Pruned::Done)
    }

    fn store_own(&mut self, ts: &str, records: &[Record]) -> Result<(), LedgerError> {
        let first = self.ledger.next_seq();
        for record in records {
            self.ledger.sign(ts, b"", &self.own_peer, record.to_json().as_bytes())?;
        }
        let lines = self.persist(Ledger::store)?;
        self.publish(first, lines);
        let aging =
            |record: &Record| !matches!(record, Record::Reopened { .. } | Record::Account(_));
        if records.iter().any(aging) {
            self.age.begin(self.watch.now());
        }
        Ok(())
    }

    /// What comes before a commit and before a seal: is the file still ours, did the clock step? Returns
    /// the time to stamp it with.
    fn prepare(&mut self) -> Result<Now, LedgerError> {
        let Look { now, unstepped, step } = self.watch.look();
        // Until the record of the step is written, time goes on as if there had been none.
        let closed = self.mend_closed(unstepped)?;
        let reopened = self.mend_segment(unstepped)?;
        let begins = reopened.is_some();
        let mut records: Vec<_> = step.into_iter().chain(closed).chain(reopened).collect();
        if begins {
            records.extend(self.sums_behind(&records, unstepped));
        }
        if !records.is_empty() {
            self.store_own(&rfc3339(now.wall_ns), &records)?;
        }
        Ok(now)
    }

    fn stop(&mut self, reason: String) -> Result<(), LedgerError> {
        let now = self.prepare()?;
        let gaps = self.refuse_held(now);
        if !gaps.is_empty() {
            self.store_own(&rfc3339(now.wall_ns), &gaps)?;
        }
        let mut last = self.output.book.changed(self.ledger.next_seq(), now.boot_ns);
        last.push(Record::Stopped { reason });
        self.store_own(&rfc3339(now.wall_ns), &last)?;
        self.close_epoch(Reason::Stop, now)
    }

    fn publish(&mut self, first: u64, lines: Written) {
        let next = self.ledger.next_seq();
        self.output.metrics.commits.add(1);
        self.output.metrics.bytes_appended.add(lines.len() as u64);
        self.ladder.wrote(lines.len() as u64);
        self.output.metrics.ledger_head.set(next);
        self.output.metrics.epoch.set(self.ledger.epoch());
        self.epoch_began.get_or_insert(self.watch.now().boot_ns);
        lines.pieces().iter().for_each(|piece| self.output.book.count(piece));
        self.output.feed.publish(first, Followed { lines, next });
    }
}

fn refuse(queued: Queued) {
    queued.tell(Err(CommitFailed));
}
