//! The fd store of a service, as systemd keeps it.

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::fstat;

/// What a daemon has handed over.
pub struct Store {
    max: usize,
    stored: Vec<Stored>,
    /// Descriptors that found no room.
    pub refused: usize,
}

struct Stored {
    name: String,
    fd: OwnedFd,
    /// Not FDPOLL=0: it goes when the other end hangs up.
    poll: bool,
}

impl Store {
    pub fn new(max: usize) -> Self {
        Self { max, stored: Vec::new(), refused: 0 }
    }

    /// FDSTORE=1. What is there already is not stored again, and what finds no room is closed.
    pub fn add(&mut self, name: &str, fd: OwnedFd, poll: bool) {
        if self.stored.iter().any(|stored| same(&stored.fd, &fd)) {
            return;
        }
        if self.stored.len() >= self.max {
            self.refused += 1;
            return;
        }
        self.stored.push(Stored { name: name.into(), fd, poll });
    }

    /// FDSTOREREMOVE=1.
    pub fn remove(&mut self, name: &str) {
        self.stored.retain(|stored| stored.name != name);
    }

    pub fn clear(&mut self) {
        self.stored.clear();
    }

    /// Another descriptor of the one with this name.
    pub fn get(&self, name: &str) -> Option<OwnedFd> {
        let stored = self.stored.iter().find(|stored| stored.name == name)?;
        Some(stored.fd.try_clone().expect("duplicates"))
    }

    /// What the next daemon is given: the latest first.
    pub fn passed(&self) -> Vec<(String, OwnedFd)> {
        let copy =
            |stored: &Stored| (stored.name.clone(), stored.fd.try_clone().expect("duplicates"));
        self.stored.iter().rev().map(copy).collect()
    }

    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.stored.iter().map(|stored| stored.name.clone()).collect();
        names.sort_unstable();
        names
    }

    /// Lets go what the other end has hung up on, unless that was not wanted.
    pub fn drop_hung_up(&mut self) {
        self.stored.retain(|stored| !stored.poll || !hung_up(&stored.fd));
    }

    /// Whether there is anything that a hang-up removes.
    pub fn polls(&self) -> bool {
        self.stored.iter().any(|stored| stored.poll)
    }
}

fn same(one: &OwnedFd, other: &OwnedFd) -> bool {
    let identity = |fd| fstat(fd).map(|stat| (stat.st_dev, stat.st_ino)).expect("fstat");
    identity(one) == identity(other)
}

fn hung_up(fd: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::empty())];
    poll(&mut fds, Some(&Timespec::default())).expect("polls");
    fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
}
