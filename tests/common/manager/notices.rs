//! What a daemon says to its service manager: datagrams of assignments, with descriptors (sd_notify(3)).

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::Child;
use std::sync::{Mutex, MutexGuard};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::set_socket_passcred;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::store::Store;

/// The most descriptors that one message carries (SCM_MAX_FD).
const MAX_FDS: usize = 253;
/// How often it is looked whether a stored connection was hung up on, where that matters.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// What the daemon has said since it was started, and what it has stored.
pub struct State {
    pub store: Store,
    /// READY=1 since the start, or since the last RELOADING=1.
    pub ready: bool,
    /// RELOADING=1 that came with MONOTONIC_USEC= in the same message.
    pub reloads: usize,
    pub stopping: bool,
    /// The last STATUS=.
    pub status: Option<String>,
    /// How often WATCHDOG=1 came.
    pub watchdogs: usize,
    /// Messages that systemd would not have understood, and those of other processes.
    pub nonsense: Vec<String>,
    main: u32,
}

/// The socket that they come in by.
pub struct Notices {
    socket: UnixDatagram,
    state: Mutex<State>,
}

impl Notices {
    pub fn new(socket: UnixDatagram, store_max: usize) -> Self {
        set_socket_passcred(&socket, true).expect("asks for credentials");
        let state = State {
            store: Store::new(store_max),
            ready: false,
            reloads: 0,
            stopping: false,
            status: None,
            watchdogs: 0,
            nonsense: Vec::new(),
            main: 0,
        };
        Self { socket, state: Mutex::new(state) }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Starts a daemon with what is stored. It alone may speak (`NotifyAccess=main`), and is not heard
    /// before it is known.
    pub fn start(&self, spawn: impl FnOnce(&[(String, OwnedFd)]) -> Child) -> Child {
        let mut state = self.state();
        let child = spawn(&state.store.passed());
        state.main = child.id();
        (state.ready, state.stopping, state.watchdogs) = (false, false, 0);
        child
    }

    /// Hears until [`Self::close`].
    pub fn listen(&self) {
        loop {
            let timeout = self.state().store.polls().then_some(&LOOK);
            let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
            match poll(&mut fds, timeout) {
                Err(Errno::INTR) => continue,
                polled => polled.expect("polls"),
            };
            if fds[0].revents().intersects(PollFlags::HUP | PollFlags::RDHUP) {
                return;
            }
            self.hear_all();
        }
    }

    /// Hears everything that was said by now.
    pub fn hear_all(&self) {
        let mut state = self.state();
        while let Some((text, pid, fds)) = self.receive() {
            state.hear(&text, pid, fds);
        }
        state.store.drop_hung_up();
    }

    pub fn close(&self, how: Shutdown) {
        self.socket.shutdown(how).expect("shuts down");
    }

    /// The next message: its text, who sent it, and what came with it.
    fn receive(&self) -> Option<(String, u32, Vec<OwnedFd>)> {
        let mut text = vec![0; 64 * 1024];
        let mut space =
            [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS), ScmCredentials(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let received = loop {
            match recvmsg(&self.socket, &mut [IoSliceMut::new(&mut text)], &mut control, flags) {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return None,
                received => break received.expect("receives"),
            }
        };
        let (mut pid, mut fds) = (0, Vec::new());
        for message in control.drain() {
            match message {
                RecvAncillaryMessage::ScmRights(rights) => fds.extend(rights),
                RecvAncillaryMessage::ScmCredentials(cred) => {
                    pid = cred.pid.as_raw_nonzero().get() as u32;
                }
                _ => {}
            }
        }
        if received.bytes == 0 && pid == 0 {
            return None;
        }
        text.truncate(received.bytes);
        Some((String::from_utf8(text).expect("assignments are text"), pid, fds))
    }
}

impl State {
    fn hear(&mut self, text: &str, pid: u32, fds: Vec<OwnedFd>) {
        if pid != self.main {
            return self.nonsense.push(format!("{pid}, not {}: {text}", self.main));
        }
        // A barrier is answered by closing its descriptor: all before it is done.
        if text.trim_end() == "BARRIER=1" {
            return;
        }
        let value =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        let name = value("FDNAME").filter(|name| is_name(name));
        for line in text.lines() {
            match line {
                "READY=1" => self.ready = true,
                "RELOADING=1" if value("MONOTONIC_USEC").is_some() => {
                    (self.ready, self.reloads) = (false, self.reloads + 1);
                }
                "STOPPING=1" => self.stopping = true,
                "WATCHDOG=1" => self.watchdogs += 1,
                "FDSTOREREMOVE=1" if name.is_some() => {
                    self.store.remove(name.unwrap_or_default());
                }
                "FDSTORE=1" if !fds.is_empty() => {}
                "FDPOLL=0" => {}
                _ => match line.split_once('=') {
                    Some(("STATUS", status)) => self.status = Some(status.into()),
                    Some(("FDNAME", _)) if name.is_some() => {}
                    Some(("MONOTONIC_USEC" | "ERRNO" | "MAINPID" | "EXTEND_TIMEOUT_USEC", _)) => {}
                    _ => self.nonsense.push(text.into()),
                },
            }
        }
        if value("FDSTORE") == Some("1") {
            for fd in fds {
                self.store.add(name.unwrap_or("stored"), fd, value("FDPOLL") != Some("0"));
            }
        }
    }
}

/// What systemd takes for a name: 1 to 255 printable ASCII characters without a colon.
fn is_name(name: &str) -> bool {
    let ok = |byte: u8| (b' '..0x7f).contains(&byte) && byte != b':';
    (1..=255).contains(&name.len()) && name.bytes().all(ok)
}
