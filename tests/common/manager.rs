//! A service manager of a test's own, in systemd's protocol and with its habits (version 252 of Debian 12):
//! sd_notify(3), sd_listen_fds(3), systemd.service(5) on `FileDescriptorStoreMax=`. It binds the socket,
//! starts the daemon, keeps what the daemon hands it, and gives all of it to the next one.

mod notices;
mod spawn;
mod store;
pub mod trace;

use std::fs::File;
use std::net::Shutdown;
use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::sync::{Arc, MutexGuard};
use std::thread::JoinHandle;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::{Daemon, eventually, write_config};
use notices::Notices;
pub use notices::State;
use trace::Trace;

/// What the unit files say.
#[derive(Clone)]
pub struct Unit {
    /// The daemon's configuration.
    pub config: String,
    /// `FileDescriptorStoreMax=`.
    pub store_max: usize,
    /// Tell the daemon of that in `$FDSTORE`, as version 254 and later do.
    pub announce_store: bool,
    /// `WatchdogSec=`, in microseconds.
    pub watchdog_usec: Option<u64>,
    /// A program that runs what its last arguments say, in its own place.
    pub wrapper: Vec<String>,
}

impl Default for Unit {
    fn default() -> Self {
        Self {
            config: String::new(),
            store_max: 10_000,
            announce_store: false,
            watchdog_usec: None,
            wrapper: Vec::new(),
        }
    }
}

/// How a daemon ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// `systemctl restart`: SIGUSR1 from ExecStop=, then SIGTERM.
    Restart,
    /// SIGKILL, or a crash.
    Kill,
}

impl End {
    pub const BOTH: [Self; 2] = [Self::Restart, Self::Kill];
}

/// The service manager and its one service. What a [`Daemon`] shows, it shows of the daemon that ran last.
pub struct Manager {
    daemon: Daemon,
    unit: Unit,
    listener: UnixListener,
    notices: Arc<Notices>,
    listening: Option<JoinHandle<()>>,
}

impl Manager {
    /// Starts the service with the defaults; it is ready when this returns.
    pub fn start_new() -> Self {
        Self::with(Unit::default())
    }

    /// The same with another configuration.
    pub fn with_config(config: &str) -> Self {
        Self::with(Unit { config: config.into(), ..Unit::default() })
    }

    /// The same with other unit files.
    pub fn with(unit: Unit) -> Self {
        Self::within(tempfile::tempdir().expect("temporary directory"), unit)
    }

    /// The same in this directory.
    pub fn within(root: TempDir, unit: Unit) -> Self {
        write_config(root.path(), &unit.config);
        let run = root.path().join("run");
        std::fs::create_dir_all(&run).expect("creates the run directory");
        let listener = UnixListener::bind(run.join("auditd.sock")).expect("binds");
        let path = root.path().join("notify");
        let notices = Notices::new(UnixDatagram::bind(&path).expect("binds"), unit.store_max);
        let notices = Arc::new(notices);
        let child = notices.start(|none| spawn::spawn(root.path(), &unit, &listener, none));
        let hearing = notices.clone();
        let listening = Some(std::thread::spawn(move || hearing.listen()));
        let mut manager =
            Self { daemon: Daemon { root, child }, unit, listener, notices, listening };
        manager.await_ready();
        manager
    }

    /// Starts the next daemon with the socket and all that is stored, and waits for READY=1.
    pub fn start(&mut self) {
        self.start_without_waiting();
        self.await_ready();
    }

    /// The same, ready or not.
    pub fn start_without_waiting(&mut self) {
        let spawn = |stored: &_| spawn::spawn(self.root(), &self.unit, &self.listener, stored);
        self.daemon.child = self.notices.start(spawn);
    }

    /// Starts the next daemon under the eyes of a tracer; an error if the host does not allow that. The
    /// thread that calls this is the one that must go on with it.
    pub fn start_traced(&mut self) -> nix::Result<Trace> {
        self.start_without_waiting();
        Trace::of(self.pid())
    }

    /// A traced daemon has ended: what it had said is heard.
    pub fn traced_ended(&self, trace: Trace) {
        drop(trace);
        self.notices.hear_all();
    }

    /// Waits until the daemon has said READY=1.
    pub fn await_ready(&mut self) {
        eventually("the daemon is ready", || {
            if let Some(status) = self.daemon.child.try_wait().expect("waits") {
                panic!("auditlogd ended with {status}: {}", self.log());
            }
            self.state().ready.then_some(())
        });
    }

    /// Ends the daemon and leaves its store as it is.
    pub fn end(&mut self, how: End) {
        match how {
            End::Restart => {
                self.signal(Signal::SIGUSR1);
                eventually("the daemon is stopping", || self.state().stopping.then_some(()));
                self.terminate();
            }
            End::Kill => {
                self.daemon.end();
                self.notices.hear_all();
            }
        }
    }

    /// Ends the daemon and starts the next one.
    pub fn again(&mut self, how: End) {
        self.end(how);
        self.start();
    }

    /// `systemctl stop`: SIGTERM, and what is stored is let go once the daemon has ended.
    pub fn stop(&mut self) {
        self.terminate();
        self.state().store.clear();
    }

    /// SIGTERM, and what is stored stays.
    pub fn terminate(&mut self) {
        self.signal(Signal::SIGTERM);
        let status = self.daemon.child.wait().expect("waits");
        assert!(status.success(), "auditlogd ended with {status}: {}", self.log());
        self.notices.hear_all();
    }

    /// What the daemon has said and stored. While this is held the manager hears nothing, as one that is
    /// busy with other things.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.notices.state()
    }

    /// The names in the store, in order.
    pub fn stored(&self) -> Vec<String> {
        self.state().store.names()
    }

    /// How many connections are stored.
    pub fn kept(&self) -> usize {
        self.stored().iter().filter(|name| name.starts_with('c')).count()
    }

    /// Waits until so many connections are stored.
    pub fn await_kept(&self, count: usize) {
        eventually(&format!("{count} connections are stored"), || {
            (self.kept() == count).then_some(())
        });
    }

    /// The daemon's memory between two lives.
    pub fn state_file(&self) -> File {
        self.state().store.get("state").expect("the daemon stored its state").into()
    }

    /// Puts something into the store that no daemon handed over.
    pub fn slip_in(&self, name: &str, fd: impl Into<OwnedFd>) {
        self.state().store.add(name, fd.into(), false);
    }

    /// Takes all of a name out of the store.
    pub fn lose(&self, name: &str) {
        self.state().store.remove(name);
    }
}

impl Deref for Manager {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.daemon
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.daemon.end();
        self.notices.close(Shutdown::Both);
        if let Some(listening) = self.listening.take() {
            let ended = listening.join();
            if !std::thread::panicking() {
                ended.expect("the manager hears to the end");
                assert!(self.state().nonsense.is_empty(), "{:?}", self.state().nonsense);
            }
        }
    }
}
