//! From bytes to a batch, and what a batch waits for before it is handed over.

use tokio::sync::watch;

use super::{Reader, committed};
use crate::engine::Stopped;
use crate::ingest::batch::{Batch, Check, Desk};
use crate::ingest::framing::Then;
use crate::ingest::quota::Grant;
use crate::ingest::tape::Tape;
use crate::ingest::{Limits, Peer, Shared, Stop, check};

impl Reader<'_> {
    /// Takes lines, as many as one batch holds and the grant allows.
    pub(super) fn take(&mut self, bytes: &[u8], grant: &mut Grant) -> Batch {
        let limits = self.shared.limits();
        // After a drain nobody hears anything again.
        let settled = self.draining || self.tape.as_ref().is_none_or(Tape::is_settled);
        let desk = desk(self.shared, &self.peer, &limits, settled);
        let before = self.lines.count;
        let mut batch = Batch::of(self.position, bytes.len(), before);
        let (lines, framer) = (&mut self.lines, &mut self.framer);
        let taken = framer.feed(bytes, limits.max_line(), |line, end| {
            let then = lines.take(&line, end, check::check, &desk, &mut batch);
            let last = then == Then::Next && lines.count - before >= grant.events();
            if last { Then::Stop } else { then }
        });
        grant.spend(self.lines.count - before, 0);
        self.rest = bytes[taken..].to_vec();
        self.turn += taken;
        self.position += taken as u64;
        batch
    }

    /// The client sends no more: what it left without LF is its last line.
    pub(super) async fn finish(&mut self, stop: &mut watch::Receiver<Stop>) -> Result<(), Stopped> {
        let last: Check = check::check_unterminated;
        if self.framer.partial().1 > 0
            && !self.wait_until_settled(stop).await
            && *stop.borrow() == Stop::HandOver
            && self.tape.is_some()
        {
            return Ok(());
        }
        let limits = self.shared.limits();
        let desk = desk(self.shared, &self.peer, &limits, true);
        let mut batch = Batch::of(self.position, 0, self.lines.count);
        let lines = &mut self.lines;
        self.framer.finish(|line| lines.take(&line, 0, last, &desk, &mut batch));
        match self.wait_for_room(&batch, stop).await {
            true => self.hand_over(batch).await,
            false => Ok(()),
        }
    }

    /// Waits until the disk has room for the batch's event. A drain does not wait: what there is room for after all, the
    /// writer knows. False if the next run is to read it again.
    pub(super) async fn wait_for_room(
        &mut self,
        batch: &Batch,
        stop: &mut watch::Receiver<Stop>,
    ) -> bool {
        let Some(class) = batch.waits else { return true };
        let mut room = self.shared.overflow.subscribe();
        let stopped = async { drop(stop.wait_for(|stop| *stop != Stop::No).await) };
        tokio::select! {
            // The room is never gone: the daemon holds it.
            _ = room.wait_for(|room| !room.level.stops(class)) => return true,
            () = self.replies.until_ended() => {
                // A kept connection still has them.
                self.given_up = if self.tape.is_none() { batch.text.len() as u64 } else { 0 };
                return false;
            }
            () = stopped => {}
        }
        self.tape.is_none() || *stop.borrow() == Stop::Drain
    }

    /// Waits until all that was handed over is durable; false if the connection or the run ends before that.
    pub(super) async fn wait_until_settled(&mut self, stop: &mut watch::Receiver<Stop>) -> bool {
        let stopped = async { drop(stop.wait_for(|stop| *stop != Stop::No).await) };
        tokio::select! {
            () = stopped => false,
            () = self.wait_for_commits() => self.replies.ended().is_none(),
        }
    }

    /// The same, or until the connection ends.
    pub(super) async fn wait_for_commits(&mut self) {
        self.settle();
        while self.tape.as_ref().is_some_and(|tape| !tape.is_settled()) {
            tokio::select! {
                () = self.replies.until_ended() => return,
                () = committed(self.tape.as_ref()) => self.settle(),
            }
        }
    }
}

fn desk<'a>(shared: &'a Shared, peer: &'a Peer, limits: &'a Limits, settled: bool) -> Desk<'a> {
    let Shared { rejects, overflow, context, .. } = shared;
    let account = context.metrics.accounts.name_of(peer.uid);
    Desk { limits, rejects, peer, account, overflow, settled }
}
