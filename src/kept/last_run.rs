//! What the service manager passes at the start: the listening socket, and what the last run left in its store.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::memory::{Memory, Slot};
use super::store::{self, EVENTS, STATE, Store};
use crate::kernel::Passed;

/// What was passed.
#[derive(Default)]
pub struct LastRun {
    /// The socket that clients connect to.
    pub listener: Option<OwnedFd>,
    /// The memory of connections; none without a store.
    pub memory: Option<Arc<Memory>>,
    /// Where connections are kept.
    pub store: Option<Store>,
    /// The connections that it held.
    pub connections: Vec<Left>,
}

/// A connection that was left to this run.
pub struct Left {
    /// Its socket.
    pub fd: OwnedFd,
    /// Its slot; none if it ends with this process.
    pub slot: Option<Slot>,
    /// Whether the slot says how far it had come.
    pub known: bool,
    /// Why lines that follow may be stored already, if they may.
    pub replayed: Option<String>,
}

impl LastRun {
    /// For this reason lines of any connection may be stored already.
    pub fn doubt(&mut self, reason: &str) {
        for left in &mut self.connections {
            left.replayed.get_or_insert_with(|| reason.to_owned());
        }
    }

    /// Sorts what was passed.
    pub fn of(passed: Vec<Passed>) -> Self {
        let mut last = Self::default();
        let (mut state, mut sockets) = (None, Vec::new());
        for (name, fd) in passed {
            match (&*name, Slot::number_of(&name)) {
                (EVENTS, _) => last.listener = Some(fd),
                (STATE, _) => state = Some(fd),
                (_, Some(number)) => sockets.push((number, fd)),
                (_, None) => {
                    tracing::warn!(
                        "the service manager passed {name:?}, which is not the daemon's: it is closed"
                    );
                    store::remove(&name);
                }
            }
        }
        let known = state.and_then(|fd| match Memory::open(fd) {
            Ok(memory) => Some(memory),
            Err(error) => {
                tracing::warn!(%error, "how far the connections of the last run had come is not known");
                store::remove(STATE);
                None
            }
        });
        let knows = known.is_some();
        let memory = known.map_or_else(Memory::create, Ok);
        let memory = memory.inspect_err(|error| {
            tracing::warn!(%error, "connections will not outlive this process");
        });
        let left = |(number, fd)| Left::of(memory.as_ref().ok(), number, fd);
        last.connections = sockets.into_iter().map(left).collect();
        let Ok(memory) = memory else { return last };
        last.store = Store::open(&memory, knows);
        last.memory = last.store.is_some().then_some(memory);
        last
    }
}

impl Left {
    fn of(memory: Option<&Arc<Memory>>, number: u32, fd: OwnedFd) -> Self {
        let gone = || "the memory of the last run is gone".to_owned();
        let claimed = memory.map_or(Ok(None), |memory| memory.claim(number, &fd));
        let (slot, known, replayed) = match claimed {
            Ok(Some((slot, true))) => (Some(slot), true, None),
            Ok(Some((slot, false))) => (Some(slot), false, Some(gone())),
            Ok(None) => (None, false, Some(gone())),
            Err(error) => (None, false, Some(error.to_string())),
        };
        Self { fd, slot, known, replayed }
    }
}
