//! A connection that outlives the daemon: its bytes are read with MSG_PEEK and stay in the kernel until the
//! lines in them are durable (see [`crate::kept`]).

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::socket::{MsgFlags, recv};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::Notify;

use super::framing::Framer;
use crate::engine::{OnCommit, Receipt};
use crate::kept::{Ack, Mark, Origin, Partial, Place, Slot};

/// How far the connection is: read, durable, consumed.
pub struct Tape {
    slot: Arc<Slot>,
    progress: Arc<Progress>,
    place: Place,
    /// The position behind what was read.
    read: u64,
    /// Submissions handed to the writer.
    submitted: u64,
    /// What may be consumed once the writer has got so far, oldest first.
    steps: VecDeque<Step>,
}

/// The end of some whole lines.
struct Step {
    /// Its position.
    end: u64,
    /// Event lines up to there.
    lines: u64,
    /// The client has asked for acks before it.
    acks: bool,
    /// Submissions that must be committed first.
    after: u64,
}

/// What the writer tells the connection.
#[derive(Default)]
struct Progress {
    /// Submissions that are durable.
    committed: AtomicU64,
    changed: Notify,
}

impl Tape {
    /// At the place where the connection begins or goes on.
    pub fn new(slot: Slot, place: Place) -> Self {
        let read = place.consumed;
        let (slot, progress) = (Arc::new(slot), Arc::default());
        Self { slot, progress, place, read, submitted: 0, steps: VecDeque::new() }
    }

    /// The connection's notes.
    pub fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// Reads without consuming.
    pub fn read(&mut self, stream: &UnixStream, buffer: &mut [u8]) -> io::Result<usize> {
        let n = stream.try_io(Interest::READABLE, || {
            let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
            Ok(recv(stream.as_raw_fd(), buffer, flags)?)
        })?;
        self.read += n as u64;
        Ok(n)
    }

    /// A submission of the lines from `start` on is about to be handed over. `mark` is up to where the
    /// connection's lines are durable then, but for its ack, which `line` is to get.
    pub fn submit(
        &mut self,
        start: (u64, u64),
        mark: Mark,
        line: Option<u64>,
        then: OnCommit,
    ) -> (Origin, OnCommit) {
        self.submitted += 1;
        let (slot, progress) = (self.slot.clone(), self.progress.clone());
        let on_commit = Box::new(move |result: Result<Option<Receipt>, _>| {
            if let Ok(receipt) = &result {
                // A kill before this: the intent says the same. It is in force until the next batch.
                note(&slot, mark, line.zip(*receipt));
                progress.committed.fetch_add(1, Ordering::Release);
                progress.changed.notify_one();
            }
            then(result);
        });
        (self.slot.origin(start.0, start.1, mark.acks), on_commit)
    }

    /// All bytes before `end` are lines that were dealt with; `lines` event lines up to there.
    pub fn step(&mut self, end: u64, lines: u64, acks: bool) {
        if self.steps.back().is_some_and(|step| step.end == end) || end <= self.place.consumed {
            return;
        }
        self.steps.push_back(Step { end, lines, acks, after: self.submitted });
    }

    /// Consumes what is durable.
    pub fn settle(&mut self, stream: &UnixStream) -> io::Result<()> {
        let committed = self.progress.committed.load(Ordering::Acquire);
        let durable = self.steps.iter().take_while(|step| step.after <= committed).count();
        let last = self.steps.drain(..durable).next_back();
        match last {
            Some(Step { end, lines, acks, .. }) => {
                self.consume(stream, Place { consumed: end, lines, acks, ..Place::default() })
            }
            None => Ok(()),
        }
    }

    /// Whether all that was handed over is durable and consumed.
    pub fn is_settled(&self) -> bool {
        self.steps.is_empty() && self.progress.committed.load(Ordering::Acquire) == self.submitted
    }

    /// Waits until [`Self::settle`] may have something to do.
    pub async fn changed(&self) {
        self.progress.changed.notified().await;
    }

    /// Takes the part of a line that was read out of the kernel: its buffer may be full of it, and the client
    /// waits for room to send the rest.
    pub fn spill(&mut self, stream: &UnixStream, framer: &Framer) -> io::Result<()> {
        let (held, len, over) = framer.partial();
        if self.read == self.place.consumed || !self.is_settled() || len == 0 {
            return Ok(());
        }
        let known = self.place.partial;
        let partial = match known.len {
            // The area with the bytes of the line before may be named by the place until this one is.
            0 => Partial { area: known.area ^ 1, ..Partial::default() },
            _ => known,
        };
        let from = (partial.held as usize).min(held.len());
        self.slot.write_partial(partial.area, from, &held[from..])?;
        let partial = Partial { over, held: held.len() as u32, len, ..partial };
        self.consume(stream, Place { consumed: self.read, partial, ..self.place })
    }

    fn consume(&mut self, stream: &UnixStream, mut place: Place) -> io::Result<()> {
        let known = self.place.partial;
        if place.partial.len == 0 {
            place.partial.area = known.area;
        }
        let pending =
            u32::try_from(place.consumed - self.place.consumed).map_err(io::Error::other)?;
        let peeked = u32::try_from(self.read - self.place.consumed).map_err(io::Error::other)?;
        self.slot.consume(stream, place, pending, peeked)?;
        self.place = place;
        if known.len > 0 && place.partial.len == 0 {
            self.slot.clear_area(known.area)?;
        }
        Ok(())
    }
}

/// Notes up to where lines are durable.
fn note(slot: &Slot, mark: Mark, ack: Option<(u64, Receipt)>) {
    let ack = match ack {
        Some((line, Receipt { seq, mac })) => Some(Ack { line, seq, mac }),
        None => slot.mark().ok().and_then(|mark| mark.ack),
    };
    if let Err(error) = slot.set_mark(Mark { ack, ..mark }) {
        tracing::warn!(%error, "what is durable could not be noted: a kill now may store it twice");
    }
}
