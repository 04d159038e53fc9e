//! One connection: read, check, submit; and beside it, write what the commits answer.
//!
//! Waiting for bytes takes no buffer: a read goes into the thread's own, and is taken apart there.

mod begin;
mod taking;

use std::cell::RefCell;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use nix::sys::socket::{Shutdown, shutdown};
use rustix::io::ioctl_fionread;
use tokio::net::UnixStream;
use tokio::sync::watch;

use super::batch::{Batch, Lines};
use super::counting::{self, Counting};
use super::framing::Framer;
use super::peer::Peer;
use super::quota::{Grant, Meter, Seat};
use super::replies::{End, Outbox, Replies};
use super::tape::Tape;
use super::{Shared, Stop, answers};
use crate::engine::{Flow, Stopped, Submission};
use crate::kept::Mark;
use crate::record::Record;

/// Bytes that one read takes at most: what a connection holds in memory.
pub const READ: usize = 64 * 1024;
/// Other connections get their turn after this many bytes.
const TURN: usize = 2 * READ;

/// Whether there are no tokens to read with.
const OVER_QUOTA: bool = true;
const WITHIN_QUOTA: bool = false;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

/// A client, and where its connection is.
pub struct Connection {
    stream: UnixStream,
    peer: Peer,
    framer: Framer,
    lines: Lines,
    outbox: Outbox,
    /// The position of the next byte that is taken apart.
    position: u64,
    /// None if the connection ends with this process.
    tape: Option<Tape>,
}

impl Connection {
    /// Serves the client until it closes, the daemon stops or the writer fails. Returns when everything it
    /// sent is committed and it was told so; with a daemon that hands over, when what was taken in is. `replayed`
    /// says why some of what it reads may be stored already.
    pub async fn run(
        self,
        shared: &Shared,
        seat: &Seat,
        stop: watch::Receiver<Stop>,
        replayed: Option<String>,
    ) {
        let Self { stream, peer, framer, lines, outbox, position, tape } = self;
        let replies = Arc::new(Replies::of(outbox));
        let slot = tape.as_ref().map(Tape::slot).cloned();
        let metrics = &shared.context.metrics;
        let listed = metrics.open.begin(peer.json.clone());
        let mut reader = Reader {
            counting: Counting::of(metrics, peer.uid, &listed.connection),
            stream: &stream,
            shared,
            flow: shared.context.submitter.flow(peer.uid),
            meter: Meter::new(seat, shared.context.limits.clone()),
            replies: &replies,
            peer,
            framer,
            lines,
            position,
            tape,
            rest: Vec::new(),
            turn: 0,
            draining: false,
            given_up: 0,
        };
        if let Some(reason) = replayed {
            reader.record(Record::Replayed { reason }).await;
        }
        let reading = async {
            // If the writer is gone, the replies say so.
            let _ = reader.run(stop.clone()).await;
            replies.finish();
        };
        let ((), unsent) = tokio::join!(reading, answers::write(&stream, slot, &replies, &stop));
        let (stop, ended) = (*stop.borrow(), replies.ended());
        if ended == Some(End::NotRead) && !(stop == Stop::HandOver && reader.tape.is_some()) {
            let lines = reader.lines.count;
            reader.record(Record::Disconnected { reason: "replies_not_read", lines }).await;
            if let Some(gap) = reader.gap() {
                reader.record(gap).await;
            }
        }
        reader.end(stop, ended, &unsent);
    }
}

/// What a read brought.
enum Read {
    Batch(Batch),
    Nothing,
    End,
}

struct Reader<'a> {
    stream: &'a UnixStream,
    shared: &'a Shared,
    flow: Flow,
    meter: Meter,
    replies: &'a Arc<Replies>,
    peer: Peer,
    framer: Framer,
    lines: Lines,
    position: u64,
    tape: Option<Tape>,
    /// Bytes that were read when a batch was full.
    rest: Vec<u8>,
    /// Bytes since other connections last had their turn.
    turn: usize,
    /// What clients have written is taken in, and nothing more comes.
    draining: bool,
    /// Bytes of events that were read and then given up.
    given_up: u64,
    counting: Counting,
}

impl Reader<'_> {
    async fn run(&mut self, mut stop: watch::Receiver<Stop>) -> Result<(), Stopped> {
        while self.replies.room().await {
            self.settle();
            let how = *stop.borrow();
            match (how, &self.tape) {
                (Stop::No, _) => {}
                (Stop::HandOver, Some(_)) => {
                    self.wait_for_commits().await;
                    return Ok(());
                }
                _ if !self.draining => {
                    self.draining = true;
                    self.refuse_more();
                }
                _ => {}
            }
            let granted = if self.draining { Some(self.meter.open()) } else { self.meter.take() };
            let Some(mut grant) = granted else {
                self.wait(&mut stop, OVER_QUOTA).await;
                continue;
            };
            let read = self.read(&mut grant);
            // What was not spent is for the user's other connections.
            drop(grant);
            match read {
                Read::Batch(batch) => {
                    if !self.wait_for_room(&batch, &mut stop).await {
                        self.wait_for_commits().await;
                        return Ok(());
                    }
                    let unsettled = batch.unsettled;
                    self.hand_over(batch).await?;
                    if unsettled {
                        self.wait_until_settled(&mut stop).await;
                    }
                }
                Read::Nothing => self.wait(&mut stop, WITHIN_QUOTA).await,
                Read::End => return self.finish(&mut stop).await,
            }
        }
        Ok(())
    }

    /// Waits for bytes, and tokens to read them with, for a commit, for the stop or for the end, whichever there is
    /// to wait for.
    async fn wait(&mut self, stop: &mut watch::Receiver<Stop>, over_quota: bool) {
        // A line that comes again is not all in the framer.
        if let Some(tape) = self.tape.as_mut().filter(|_| self.rest.is_empty())
            && let Err(error) = tape.spill(self.stream, &self.framer)
        {
            tracing::warn!(%error, "half a line could not be kept");
        }
        let stopped = async { drop(stop.wait_for(|stop| *stop != Stop::No).await) };
        let ready = async {
            if self.rest.is_empty() {
                // An error here shows in the read.
                let _ = self.stream.readable().await;
            }
            if over_quota {
                self.meter.wait().await;
            }
        };
        tokio::select! {
            () = stopped, if !self.draining => {}
            () = self.replies.until_ended() => {}
            () = committed(self.tape.as_ref()) => {}
            () = ready => {}
        }
    }

    /// What is durable need not be kept for the next run.
    fn settle(&mut self) {
        if let Some(tape) = &mut self.tape
            && let Err(error) = tape.settle(self.stream)
        {
            tracing::warn!(%error, "what is stored could not be taken out of a connection");
        }
    }

    fn read(&mut self, grant: &mut Grant) -> Read {
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            return Read::Batch(self.take(&rest, grant));
        }
        SCRATCH.with_borrow_mut(|buffer| {
            let most = grant.bytes().min(READ);
            let buffer = &mut buffer[..most];
            let read = match &mut self.tape {
                Some(tape) => tape.read(self.stream, buffer),
                None => self.stream.try_read(buffer),
            };
            match read {
                Ok(0) => Read::End,
                Ok(n) => {
                    grant.spend(0, n as u64);
                    Read::Batch(self.take(&buffer[..n], grant))
                }
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                    Read::Nothing
                }
                // The client closed without reading its replies; what it sent was read before this.
                Err(_) => Read::End,
            }
        })
    }

    /// Nothing that a client's write succeeded for is lost: it can write no more from here on, and what
    /// the kernel holds is read to its end.
    fn refuse_more(&self) {
        if let Err(error) = shutdown(self.stream.as_raw_fd(), Shutdown::Read) {
            tracing::debug!(%error, "a connection could not be shut down for reading");
        }
    }

    /// Waits while the writer's queue is full: meanwhile nothing is read.
    async fn hand_over(&mut self, batch: Batch) -> Result<(), Stopped> {
        if batch.greeted {
            self.replies.greet(&self.shared.context.log_id);
        }
        self.counting.taken(self.lines.count - batch.before, batch.left);
        self.shared.context.metrics.lines_rejected.add(batch.refused);
        let (end, lines, acks) = (self.lines_end(), self.lines.count, self.lines.acks);
        if batch.items.is_empty() {
            self.replies.push(&batch.rejects);
            self.step(end, lines, acks);
            // Now: what is done must not be done again by the next run.
            self.settle();
        } else {
            let submission = self.submission(batch);
            self.flow.submit(submission).await?;
            self.step(end, lines, acks);
        }
        if self.turn >= TURN || !self.rest.is_empty() {
            self.turn = 0;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    fn step(&mut self, end: u64, lines: u64, acks: bool) {
        if let Some(tape) = &mut self.tape {
            tape.step(end, lines, acks);
        }
    }

    fn submission(&mut self, batch: Batch) -> Submission {
        let Lines { count: lines, acks, .. } = self.lines;
        let mark = Mark { position: self.lines_end(), lines, acks, ack: None };
        let on_commit = self.replies.expect(&batch.rejects, batch.last);
        let (origin, on_commit) = match &mut self.tape {
            Some(tape) => {
                let (origin, on_commit) =
                    tape.submit((batch.start, batch.before), mark, batch.last, on_commit);
                (Some(origin), on_commit)
            }
            None => (None, on_commit),
        };
        let Batch { text, items, .. } = batch;
        let on_commit = Some(self.counting.then(&items, on_commit));
        Submission {
            peer: self.peer.json.clone(),
            uid: self.peer.uid,
            text,
            items,
            origin,
            on_commit,
        }
    }

    /// The position behind the last whole line.
    fn lines_end(&self) -> u64 {
        let (_, partial, _) = self.framer.partial();
        self.position - partial
    }

    /// Writes a record about the client.
    async fn record(&mut self, record: Record) {
        let submission = Submission::record((self.peer.json.clone(), self.peer.uid), &record);
        if self.flow.submit(submission).await.is_err() {
            tracing::warn!("a record of a connection could not be written");
        }
    }

    /// What of the client's lines ends with the connection: the record of it.
    fn gap(&self) -> Option<Record> {
        let (_, partial, _) = self.framer.partial();
        // Some of what a kept connection holds may be stored already.
        let held = ioctl_fionread(self.stream).unwrap_or_default();
        let bytes = held + self.rest.len() as u64 + partial + self.given_up;
        counting::lost(self.peer.uid, bytes)
    }

    /// The connection is over, or the next run goes on with it.
    fn end(self, stop: Stop, ended: Option<End>, unsent: &[u8]) {
        let (Some(tape), Some(store)) = (self.tape, &self.shared.context.store) else { return };
        if stop != Stop::HandOver && !matches!(ended, Some(End::Failed(_))) {
            // The service manager may be slow to let go of it, and the client waits for the end.
            let _closed_by_the_client = shutdown(self.stream.as_raw_fd(), Shutdown::Both);
            return store.remove(tape.slot().clone());
        }
        if !unsent.is_empty()
            && let Err(error) = tape.slot().set_replies(unsent)
        {
            tracing::warn!(%error, "replies that a client has not read are lost");
        }
    }
}

/// Waits for a commit of the connection's lines.
async fn committed(tape: Option<&Tape>) {
    match tape {
        Some(tape) => tape.changed().await,
        None => std::future::pending().await,
    }
}
