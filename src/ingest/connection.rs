//! One connection: read, check, submit; and beside it, write what the commits answer.
//!
//! Waiting for bytes takes no buffer: a read goes into the thread's own, and is taken apart there.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{Shutdown, shutdown};
use tokio::net::UnixStream;
use tokio::sync::watch;

use super::batch::{Batch, Check, Desk, Lines};
use super::framing::Framer;
use super::peer::Peer;
use super::replies::{End, Next, Replies};
use super::{Shared, check};
use crate::engine::{Item, Stopped, Submission};
use crate::record::Record;

/// Bytes that one read takes at most.
const READ: usize = 128 * 1024;
/// Other connections get their turn after this many bytes.
const TURN: usize = 2 * READ;
/// How long a client may leave its replies unread while something waits for that.
const GRACE: Duration = Duration::from_secs(5);
/// The same while the daemon stops.
const STOP_GRACE: Duration = Duration::from_secs(1);

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

/// Serves a client until it closes, the daemon stops or the writer fails. Returns when everything it
/// sent is committed and it was told so.
pub async fn run(stream: UnixStream, shared: Arc<Shared>, stop: watch::Receiver<bool>) {
    let peer = match Peer::of(&stream).await {
        Ok(peer) => peer,
        Err(error) => return tracing::warn!(%error, "a connection has no peer and was closed"),
    };
    let replies = Arc::new(Replies::default());
    let mut reader = Reader {
        stream: &stream,
        shared: &shared,
        replies: &replies,
        peer,
        framer: Framer::default(),
        lines: Lines::default(),
        rest: Vec::new(),
        turn: 0,
    };
    let reading = async {
        // If the writer is gone, the replies say so.
        let _ = reader.run(stop.clone()).await;
        replies.finish();
    };
    tokio::join!(reading, write_replies(&stream, &replies, &stop));
    if replies.ended() == Some(End::NotRead) && !*stop.borrow() {
        reader.record_not_read().await;
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
    replies: &'a Arc<Replies>,
    peer: Peer,
    framer: Framer,
    lines: Lines,
    /// Bytes that were read when a batch was full.
    rest: Vec<u8>,
    /// Bytes since other connections last had their turn.
    turn: usize,
}

impl Reader<'_> {
    async fn run(&mut self, mut stop: watch::Receiver<bool>) -> Result<(), Stopped> {
        let mut stopping = false;
        while self.replies.room().await {
            if !stopping && *stop.borrow() {
                stopping = true;
                self.refuse_more();
            }
            match self.read() {
                Read::Batch(batch) => self.hand_over(batch).await?,
                Read::Nothing => self.wait(&mut stop, stopping).await,
                Read::End => return self.finish().await,
            }
        }
        Ok(())
    }

    /// Waits for bytes, for the stop or for the end, whichever there is to wait for.
    async fn wait(&self, stop: &mut watch::Receiver<bool>, stopping: bool) {
        let stopped = async { drop(stop.wait_for(|stop| *stop).await) };
        tokio::select! {
            () = stopped, if !stopping => {}
            () = self.replies.until_ended() => {}
            // An error here shows in the read.
            _ = self.stream.readable() => {}
        }
    }

    fn read(&mut self) -> Read {
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            return Read::Batch(self.take(&rest));
        }
        SCRATCH.with_borrow_mut(|buffer| match self.stream.try_read(buffer) {
            Ok(0) => Read::End,
            Ok(n) => Read::Batch(self.take(&buffer[..n])),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                Read::Nothing
            }
            // The client closed without reading its replies; what it sent was read before this.
            Err(_) => Read::End,
        })
    }

    /// Nothing that a client's write succeeded for is lost: it can write no more from here on, and what
    /// the kernel holds is read to its end.
    fn refuse_more(&self) {
        if let Err(error) = shutdown(self.stream.as_raw_fd(), Shutdown::Read) {
            tracing::debug!(%error, "a connection could not be shut down for reading");
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Batch {
        let limits = self.shared.limits();
        let desk = Desk { limits: &limits, rejects: &self.shared.rejects, uid: self.peer.uid };
        let mut batch = Batch::of(bytes.len());
        let taken = self.framer.feed(bytes, limits.max_line(), |line| {
            self.lines.take(&line, check::check, &desk, &mut batch)
        });
        self.rest = bytes[taken..].to_vec();
        self.turn += taken;
        batch
    }

    /// The client sends no more: what it left without LF is its last line.
    async fn finish(&mut self) -> Result<(), Stopped> {
        let limits = self.shared.limits();
        let desk = Desk { limits: &limits, rejects: &self.shared.rejects, uid: self.peer.uid };
        let mut batch = Batch::default();
        let last: Check = check::check_unterminated;
        self.framer.finish(|line| self.lines.take(&line, last, &desk, &mut batch));
        self.hand_over(batch).await
    }

    /// Waits while the writer's queue is full: meanwhile nothing is read.
    async fn hand_over(&mut self, batch: Batch) -> Result<(), Stopped> {
        if batch.greeted {
            self.replies.greet(&self.shared.context.log_id);
        }
        self.shared.context.metrics.lines_rejected.add(batch.refused);
        if batch.items.is_empty() {
            self.replies.push(&batch.rejects);
        } else {
            let line = batch.last;
            let on_commit = Some(self.replies.expect(&batch.rejects, line));
            let Batch { text, items, .. } = batch;
            let peer = self.peer.json.clone();
            let submission = Submission { peer, text, items, on_commit };
            self.shared.context.submitter.submit(submission).await?;
        }
        if self.turn >= TURN || !self.rest.is_empty() {
            self.turn = 0;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn record_not_read(&self) {
        let record = Record::Disconnected { reason: "replies_not_read", lines: self.lines.count };
        let text = record.to_json().into_bytes();
        let items = vec![Item { id_len: 0, event_len: text.len() as u32, accepted: false }];
        let peer = self.peer.json.clone();
        let submission = Submission { peer, text, items, on_commit: None };
        if self.shared.context.submitter.submit(submission).await.is_err() {
            tracing::warn!("the record of a closed connection could not be written");
        }
    }
}

/// Writes replies until the last one, or until the client cannot or will not read them.
async fn write_replies(stream: &UnixStream, replies: &Replies, stop: &watch::Receiver<bool>) {
    while let Next::Write(bytes) = replies.next().await {
        let mut left = &bytes[..];
        while !left.is_empty() {
            match stream.try_write(left) {
                Ok(n) => {
                    replies.written(n);
                    left = &left[n..];
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    if wait_writable(stream, replies, stop).await.is_err() {
                        return replies.give_up();
                    }
                }
                Err(_) => {
                    replies.discard();
                    break;
                }
            }
        }
    }
}

async fn patience(mut stop: watch::Receiver<bool>) {
    tokio::select! {
        () = tokio::time::sleep(GRACE) => {}
        () = async { drop(stop.wait_for(|stop| *stop).await) } => {
            tokio::time::sleep(STOP_GRACE).await;
        }
    }
}

/// Waits for the client to read: for ever, unless something waits for that.
async fn wait_writable(
    stream: &UnixStream,
    replies: &Replies,
    stop: &watch::Receiver<bool>,
) -> io::Result<()> {
    loop {
        if replies.is_overdue() {
            return tokio::select! {
                result = stream.writable() => result,
                () = patience(stop.clone()) => Err(ErrorKind::TimedOut.into()),
            };
        }
        tokio::select! {
            result = stream.writable() => return result,
            () = replies.changed() => {}
        }
    }
}
