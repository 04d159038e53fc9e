//! Writes a connection's replies, and gives up on a client that does not read them.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::watch;

use super::Stop;
use super::replies::{Next, Replies};
use crate::kept::Slot;

/// How long a client may leave its replies unread while something waits for that.
const GRACE: Duration = Duration::from_secs(5);
/// The same while the daemon stops.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// Writes replies until the last one, or until the client cannot or will not read them. Returns what it has not
/// read.
pub async fn write(
    stream: &UnixStream,
    mut slot: Option<Arc<Slot>>,
    replies: &Replies,
    stop: &watch::Receiver<Stop>,
) -> Vec<u8> {
    while let Next::Write(bytes) = replies.next().await {
        let mut left = &bytes[..];
        while !left.is_empty() {
            match stream.try_write(left) {
                Ok(n) => {
                    replies.written(n);
                    left = &left[n..];
                    if let Some(slot) = slot.take() {
                        note_greeted(&slot);
                    }
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    if wait_writable(stream, replies, stop).await.is_err() {
                        replies.give_up();
                        return [left, &replies.take_unsent()].concat();
                    }
                }
                Err(_) => {
                    replies.discard();
                    break;
                }
            }
        }
    }
    replies.take_unsent()
}

/// The first reply answers the greeting. A kill before this: the next run answers it again.
fn note_greeted(slot: &Slot) {
    if let Err(error) = slot.set_greeted() {
        tracing::warn!(%error, "that a greeting was answered will not outlive this process");
    }
}

async fn patience(mut stop: watch::Receiver<Stop>) {
    tokio::select! {
        () = tokio::time::sleep(GRACE) => {}
        () = async { drop(stop.wait_for(|stop| *stop != Stop::No).await) } => {
            tokio::time::sleep(STOP_GRACE).await;
        }
    }
}

/// Waits for the client to read: for ever, unless something waits for that.
async fn wait_writable(
    stream: &UnixStream,
    replies: &Replies,
    stop: &watch::Receiver<Stop>,
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
