//! The service manager's file descriptor store (systemd.service(5), FileDescriptorStoreMax=;
//! sd_pid_notify_with_fds(3)).

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use sd_notify::NotifyState;

use super::layout::SLOTS;
use super::left_over::NotKept;
use super::memory::{Memory, Slot};

/// The listening socket among what is passed: FileDescriptorName= of the socket unit.
pub const EVENTS: &str = "events";
/// The memory file in the store.
pub const STATE: &str = "state";

/// The store. Its messages wait for the service manager to take them. New connections wait for it; those that
/// are over have a thread that does, or many at once would take all the threads of those that go on.
#[derive(Clone)]
pub struct Store {
    memory: Arc<Memory>,
    /// Connections that it takes.
    room: u32,
    /// No more than there are slots.
    over: Sender<Over>,
}

/// What the thread is to do.
enum Over {
    /// Let go of a connection.
    Connection(Arc<Slot>),
    /// Say that it has come so far.
    Flush(SyncSender<()>),
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
        let (over, connections) = channel();
        let started = thread::Builder::new().name("store".into()).spawn(|| let_go(connections));
        if let Err(error) = started {
            tracing::warn!(%error, "connections will not outlive this process");
            return None;
        }
        Some(Self { memory: memory.clone(), room, over })
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
        self.remove(Arc::new(slot));
        None
    }

    /// A connection begins that ends with this process.
    pub fn not_kept(&self) -> NotKept {
        self.memory.not_kept()
    }

    /// So many lines that are not stored, and so many of their bytes, are in no record yet.
    pub fn unsaid(&self, lines: u64, bytes: u64) {
        self.memory.change(|left| {
            left.refused_lines += lines;
            left.refused_bytes += bytes;
        });
    }

    /// The log has them in a record: a kill does not leave them over.
    pub fn said(&self, lines: u64, bytes: u64) {
        self.memory.change(|left| {
            left.refused_lines = left.refused_lines.saturating_sub(lines);
            left.refused_bytes = left.refused_bytes.saturating_sub(bytes);
        });
    }

    /// The connection is over. Does not wait.
    pub fn remove(&self, slot: Arc<Slot>) {
        if let Err(error) = slot.set_over() {
            tracing::warn!(%error, "that a connection is over could not be noted");
        }
        // The thread ends after the last sender.
        let _always_heard = self.over.send(Over::Connection(slot));
    }

    /// Waits until the service manager was told of all connections that are over.
    pub fn flush(&self) {
        let (tell, told) = sync_channel(1);
        let _always_heard = self.over.send(Over::Flush(tell));
        let _always_told = told.recv();
    }
}

/// A slot is given away only after the service manager was told, and after the last commit of its lines: messages
/// arrive in the order in which they were sent.
fn let_go(connections: Receiver<Over>) {
    for over in connections {
        match over {
            Over::Connection(slot) => {
                remove(&slot.name());
                slot.release();
            }
            Over::Flush(tell) => drop(tell.send(())),
        }
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
