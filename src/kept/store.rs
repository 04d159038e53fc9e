//! The service manager's file descriptor store (systemd.service(5), FileDescriptorStoreMax=;
//! sd_pid_notify_with_fds(3)).

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use sd_notify::NotifyState;

use super::layout::SLOTS;
use super::memory::{Memory, Slot};

/// The listening socket among what is passed: FileDescriptorName= of the socket unit.
pub const EVENTS: &str = "events";
/// The memory file in the store.
pub const STATE: &str = "state";

/// The store. Its messages wait for the service manager to take them: not to be sent where others would wait too.
#[derive(Clone)]
pub struct Store {
    memory: Arc<Memory>,
    /// Connections that it takes.
    room: u32,
}

impl Store {
    /// The store of the service manager that started this process; none where there is none. `knows` says that
    /// it has this memory.
    pub fn open(memory: &Arc<Memory>, knows: bool) -> Option<Self> {
        std::env::var_os("NOTIFY_SOCKET")?;
        // Since systemd 254 the manager says how many it takes; 0 is none at all.
        let max = std::env::var("FDSTORE").ok().map_or(Some(u32::MAX), |max| max.parse().ok())?;
        let room = max.saturating_sub(1).min(SLOTS);
        if room == 0 || !(knows || put(STATE, memory.as_fd())) {
            return None;
        }
        Some(Self { memory: memory.clone(), room })
    }

    /// Keeps a new connection; none if there is no room or the service manager does not take it. A kill between
    /// accept(2) and this is the one moment at which a connection is lost.
    pub fn keep(&self, socket: &impl AsFd) -> Option<Slot> {
        let slot = match self.memory.admit(self.room, socket) {
            Ok(slot) => slot?,
            Err(error) => {
                tracing::warn!(%error, "a connection will not outlive this process");
                return None;
            }
        };
        if put(&slot.name(), socket.as_fd()) && slot.start(socket).is_ok() {
            return Some(slot);
        }
        self.remove(&slot);
        None
    }

    /// The connection is over. Its slot is given away only after the service manager was told, and after the last
    /// commit of its lines: messages arrive in the order in which they were sent.
    pub fn remove(&self, slot: &Slot) {
        remove(&slot.name());
        slot.release();
    }
}

/// Takes what has this name out of the store.
pub fn remove(name: &str) {
    let message = [NotifyState::FdStoreRemove, NotifyState::FdName(name)];
    if let Err(error) = sd_notify::notify(&message) {
        tracing::warn!(%error, name, "the service manager could not be told that it need not keep a descriptor");
    }
}

/// With FDPOLL=0 the store keeps a connection whose client has closed: what it wrote last is still in it.
fn put(name: &str, fd: BorrowedFd<'_>) -> bool {
    let message =
        [NotifyState::FdStore, NotifyState::FdName(name), NotifyState::Custom("FDPOLL=0")];
    match sd_notify::notify_with_fds(&message, &[fd]) {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, name, "the service manager does not keep a connection");
            false
        }
    }
}
