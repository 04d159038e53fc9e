//! Events that the disk has no room for: their client waits, or they are refused, or they go to the standard error and
//! into the log later, as `[space]` says for their class.

mod emergency;
mod missing;
mod spool;

use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;

use super::check::Checked;
use super::{Limits, Peer};
use crate::config;
use crate::engine::{Room, RoomState, Submitter};
use crate::event::Class;
use crate::kept::store::Store;
use crate::metrics::Metrics;
use emergency::Emergency;
use missing::Missing;

/// Where an event goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Into the log.
    Log,
    /// Into the log, once there is room for its class.
    LogLater,
    /// Not into the log from here, if that can be done: at once, whatever becomes of the lines before it.
    Beside,
}

/// What becomes of an event that there is no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is stored once there is room for its class; its client waits.
    Wait(Class),
    /// It is not stored, and counted.
    Refuse,
    /// It has gone to the standard error, and comes into the log by itself.
    Taken,
}

/// What all connections share of it.
pub struct Overflow {
    room: Arc<Room>,
    metrics: Arc<Metrics>,
    missing: Arc<Missing>,
    emergency: Arc<Emergency>,
}

impl Overflow {
    /// `spool` is where events wait that have gone to the standard error; what waits there from the last run comes
    /// into the log first.
    pub fn new(
        room: Arc<Room>,
        submitter: Submitter,
        spool: &Path,
        metrics: Arc<Metrics>,
        store: Option<Store>,
    ) -> Self {
        let missing = Missing::new(submitter.clone(), store);
        let emergency = Emergency::new(spool, submitter, metrics.clone());
        Self { room, metrics, missing, emergency }
    }

    /// Takes what waits into the log whenever there is room. Never returns.
    pub async fn take_in(&self) {
        self.emergency.take_in(self.room.subscribe()).await;
    }

    /// A way to wait until that changes.
    pub fn subscribe(&self) -> watch::Receiver<RoomState> {
        self.room.subscribe()
    }

    /// Where an event of this class goes. `acks` says whether the client wants to know when it is stored: then it has to
    /// wait for that, unless it is refused.
    pub fn way(&self, class: Class, acks: bool, limits: &Limits) -> Way {
        if !self.room.level().stops(class) {
            return Way::Log;
        }
        match limits.space.overflow(class) {
            config::Overflow::Refuse => Way::Beside,
            config::Overflow::Stderr if !acks => Way::Beside,
            config::Overflow::Stderr | config::Overflow::Block => Way::LogLater,
        }
    }

    /// What becomes of an event of this peer that there is no room for. It is done when this returns, so the event must
    /// not come here twice.
    pub fn judge(&self, event: &Checked<'_>, peer: &Peer, acks: bool, limits: &Limits) -> Verdict {
        match limits.space.overflow(event.class) {
            config::Overflow::Block => Verdict::Wait(event.class),
            config::Overflow::Refuse => {
                let account = self.metrics.accounts.name_of(peer.uid);
                self.missing.note(account, event.event.len() as u64);
                Verdict::Refuse
            }
            config::Overflow::Stderr if acks => {
                self.emergency.print(peer, event);
                Verdict::Wait(event.class)
            }
            config::Overflow::Stderr => {
                match self.emergency.take(peer, event, limits.space.emergency_bytes) {
                    true => Verdict::Taken,
                    false => Verdict::Wait(event.class),
                }
            }
        }
    }

    /// Writes what is left to say. Nothing is refused any more.
    pub async fn close(&self) {
        self.missing.close().await;
    }
}
