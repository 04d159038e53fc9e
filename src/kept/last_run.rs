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
    /// Those of the last run.
    pub connections: Vec<(Slot, OwnedFd)>,
    /// Those of which the memory knows nothing. They are not in the store any more.
    pub unknown: Vec<OwnedFd>,
}

impl LastRun {
    /// Sorts what was passed.
    pub fn of(passed: Vec<Passed>) -> Self {
        let mut last = Self::default();
        let (mut state, mut sockets) = (None, Vec::new());
        for (name, fd) in passed {
            match (&*name, Slot::number_of(&name)) {
                (EVENTS, _) => last.listener = Some(fd),
                (STATE, _) => state = Some(fd),
                (_, Some(number)) => sockets.push((name, number, fd)),
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
        let memory = match known.map_or_else(Memory::create, Ok) {
            Ok(memory) => memory,
            Err(error) => {
                tracing::warn!(%error, "connections will not outlive this process");
                last.unknown = sockets.into_iter().map(|(_, _, fd)| fd).collect();
                return last;
            }
        };
        for (name, number, fd) in sockets {
            match memory.claim(number) {
                Some(slot) => last.connections.push((slot, fd)),
                None => {
                    store::remove(&name);
                    last.unknown.push(fd);
                }
            }
        }
        last.store = Store::open(&memory, knows);
        last.memory = last.store.is_some().then_some(memory);
        last
    }
}
