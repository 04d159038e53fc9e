//! Where a connection begins, or goes on.

use tokio::net::UnixStream;

use super::Connection;
use crate::engine::Receipt;
use crate::ingest::batch::Lines;
use crate::ingest::framing::Framer;
use crate::ingest::peer::Peer;
use crate::ingest::replies::Outbox;
use crate::ingest::tape::Tape;
use crate::kept::{Place, Resumed, Slot};

impl Connection {
    /// One that begins. With a slot it outlives this process.
    pub fn new(stream: UnixStream, peer: Peer, slot: Option<Slot>) -> Self {
        if let Some(Err(error)) = slot.as_ref().map(|slot| slot.set_peer(&peer.json, peer.uid)) {
            tracing::warn!(%error, "who a client is will be asked again by the next run");
        }
        let tape = slot.map(|slot| Tape::new(slot, Place::default()));
        let outbox = if tape.is_some() { Outbox::kept() } else { Outbox::default() };
        let (framer, lines) = (Framer::default(), Lines::default());
        Self { stream, peer, framer, lines, outbox, position: 0, tape }
    }

    /// One that outlived the last run.
    pub fn resume(
        stream: UnixStream,
        slot: Slot,
        (json, uid): (String, u32),
        resumed: Resumed,
        log_id: &str,
    ) -> Self {
        let Resumed { place, held, greeted, mark, replies } = resumed;
        let ack = mark.ack.map(|ack| (ack.line, Receipt { seq: ack.seq, mac: ack.mac }));
        let outbox = match (place.acks, greeted) {
            (false, _) => Outbox::kept(),
            (true, false) if replies.is_empty() => Outbox::resume(Outbox::greeting(log_id), ack),
            (true, _) => Outbox::resume(replies, ack),
        };
        Self {
            stream,
            peer: Peer { json: json.into(), uid },
            framer: Framer::resume(held, place.partial.len, place.partial.over),
            lines: Lines::resume(place.lines, place.acks),
            outbox,
            position: place.consumed,
            tape: Some(Tape::new(slot, place)),
        }
    }

    /// Whose connection it is.
    pub fn uid(&self) -> u32 {
        self.peer.uid
    }
}
