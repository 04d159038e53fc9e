//! The service manager's file descriptor store (systemd.service(5), FileDescriptorStoreMax=;
//! sd_pid_notify_with_fds(3)).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use sd_notify::NotifyState;
use tokio::sync::oneshot;

use super::layout::SLOTS;
use super::memory::{Memory, Slot};

/// The listening socket among what is passed: FileDescriptorName= of the socket unit.
pub const EVENTS: &str = "events";
/// The memory file in the store.
pub const STATE: &str = "state";

/// The way to the store: a thread of its own, because the service manager may be slow to take messages. They
/// arrive in the order in which they were sent.
#[derive(Clone)]
pub struct Store {
    jobs: Sender<Job>,
    memory: Arc<Memory>,
    /// Connections that it takes.
    room: u32,
}

enum Job {
    Put(String, OwnedFd, oneshot::Sender<bool>),
    Remove(String),
}

impl Store {
    /// The store of the service manager that started this process; none where there is none.
    ///
    /// `knows` says that it has this memory.
    pub fn open(memory: &Arc<Memory>, knows: bool) -> Option<Self> {
        std::env::var_os("NOTIFY_SOCKET")?;
        // Since systemd 254 the manager says how many it takes; 0 is none at all.
        let max = std::env::var("FDSTORE").ok().map_or(Some(u32::MAX), |max| max.parse().ok())?;
        let room = max.saturating_sub(1).min(SLOTS);
        if room == 0 || !(knows || put(STATE, memory.as_fd())) {
            return None;
        }
        let (jobs, queue) = channel();
        let thread = std::thread::Builder::new().name("fdstore".into());
        thread.spawn(move || work(&queue)).ok()?;
        Some(Self { jobs, memory: memory.clone(), room })
    }

    /// Keeps a new connection; none if there is no room or the service manager does not take it. It is kept
    /// once this returns.
    pub async fn keep(&self, socket: &impl AsFd, uid: u32, peer: &str) -> Option<Slot> {
        let slot = match self.memory.admit(uid, peer) {
            Ok(slot) => slot?,
            Err(error) => {
                tracing::warn!(%error, "a connection will not outlive this process");
                return None;
            }
        };
        let name = slot.name();
        if Slot::number_of(&name).is_some_and(|number| number >= self.room) {
            slot.release();
            return None;
        }
        let (done, kept) = oneshot::channel();
        let put = socket.as_fd().try_clone_to_owned().ok();
        let sent = put.is_some_and(|fd| self.jobs.send(Job::Put(name, fd, done)).is_ok());
        if sent && kept.await == Ok(true) && slot.start(socket).is_ok() {
            return Some(slot);
        }
        self.remove(&slot);
        None
    }

    /// The connection is over.
    pub fn remove(&self, slot: &Slot) {
        let _thread_lives_as_long_as_a_sender = self.jobs.send(Job::Remove(slot.name()));
        slot.release();
    }
}

fn work(queue: &Receiver<Job>) {
    for job in queue {
        match job {
            Job::Put(name, fd, done) => {
                let _connection_may_be_gone = done.send(put(&name, fd.as_fd()));
            }
            Job::Remove(name) => remove(&name),
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
