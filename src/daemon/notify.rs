//! What the service manager is told (sd_notify(3)): datagrams to the socket that `$NOTIFY_SOCKET` names.
//!
//! Its own few lines instead of `sd_notify::notify`, which waits for as long as the service manager does not
//! read: the writer must not.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use sd_notify::NotifyState;

/// How long a message that must arrive waits for a service manager that does not read.
const PATIENCE: Duration = Duration::from_secs(5);

/// The way to the service manager.
#[derive(Debug, Default)]
pub struct Manager {
    /// None without a service manager, and then nothing is sent.
    address: Option<SocketAddr>,
    /// That it could not be told was said; once is enough.
    said: AtomicBool,
}

impl Manager {
    /// The one that has started this process, if one has.
    pub fn from_env() -> Self {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return Self::default() };
        match address(&name) {
            Ok(address) => Self { address: Some(address), said: AtomicBool::new(false) },
            Err(e) => {
                tracing::warn!("NOTIFY_SOCKET={name:?} cannot be used: {e}");
                Self::default()
            }
        }
    }

    /// Whether there is one.
    pub fn is_there(&self) -> bool {
        self.address.is_some()
    }

    /// Sends these in one message; waits a while if need be.
    pub fn tell(&self, message: &[NotifyState<'_>]) {
        self.send(message, Some(PATIENCE));
    }

    /// Sends these in one message if that can be done at once; says whether it was.
    pub fn mention(&self, message: &[NotifyState<'_>]) -> bool {
        self.send(message, None)
    }

    fn send(&self, message: &[NotifyState<'_>], patience: Option<Duration>) -> bool {
        let Some(address) = &self.address else { return true };
        match send(address, message, patience) {
            Ok(()) => true,
            Err(e) => {
                if !self.said.swap(true, Relaxed) {
                    tracing::warn!("the service manager could not be told how the daemon is: {e}");
                }
                false
            }
        }
    }
}

/// A path, or with `@` in front a name in the abstract namespace.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        [b'/', ..] => SocketAddr::from_pathname(name),
        _ => Err(io::Error::other("it is neither a path nor begins with \"@\"")),
    }
}

/// A new socket each time: the service manager may have begun to listen anew.
fn send(
    address: &SocketAddr,
    message: &[NotifyState<'_>],
    patience: Option<Duration>,
) -> io::Result<()> {
    let text: String = message.iter().map(|state| format!("{state}\n")).collect();
    let socket = UnixDatagram::unbound()?;
    match patience {
        Some(_) => socket.set_write_timeout(patience)?,
        None => socket.set_nonblocking(true)?,
    }
    socket.send_to_addr(text.as_bytes(), address).map(drop)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A manager that is this test, and where it hears what it is told.
    pub fn pair() -> (Manager, UnixDatagram, tempfile::TempDir) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("notify");
        let heard = UnixDatagram::bind(&path).expect("binds");
        heard.set_nonblocking(true).expect("can be set");
        let address = address(path.as_os_str()).expect("an address");
        (Manager { address: Some(address), said: AtomicBool::new(false) }, heard, dir)
    }

    /// The messages that were sent since the last look.
    pub fn messages(heard: &UnixDatagram) -> Vec<String> {
        let mut buffer = [0; 4096];
        let next = || heard.recv(&mut buffer).ok().map(|n| buffer[..n].to_vec());
        let text = |bytes| String::from_utf8(bytes).expect("utf-8");
        std::iter::from_fn(next).map(text).collect()
    }

    #[test]
    fn a_message_has_all_its_lines() {
        let (manager, heard, _dir) = pair();
        manager.tell(&[NotifyState::Ready, NotifyState::Status("well")]);
        assert!(manager.mention(&[NotifyState::Watchdog]));
        assert_eq!(messages(&heard), ["READY=1\nSTATUS=well\n", "WATCHDOG=1\n"]);
    }

    #[test]
    fn whoever_must_not_wait_does_not_wait_for_a_manager_that_does_not_read() {
        let (manager, heard, _dir) = pair();
        let sent = (0..10_000).take_while(|_| manager.mention(&[NotifyState::Watchdog])).count();
        assert!((1..10_000).contains(&sent), "{sent}");
        assert_eq!(messages(&heard).len(), sent);
        assert!(manager.mention(&[NotifyState::Watchdog]), "it reads again");
    }

    #[test]
    fn an_abstract_name_is_one() {
        let name = format!("auditlogd-test-{}", std::process::id());
        let listens = SocketAddr::from_abstract_name(&name).expect("a name");
        let heard = UnixDatagram::bind_addr(&listens).expect("binds");
        let address = address(OsStr::new(&format!("@{name}"))).expect("an address");
        send(&address, &[NotifyState::Ready], None).expect("sent");
        heard.set_nonblocking(true).expect("can be set");
        assert_eq!(messages(&heard), ["READY=1\n"]);
    }

    #[test]
    fn what_is_no_address_is_not_taken_for_one() {
        assert!(address(OsStr::new("relative")).is_err());
        assert!(address(OsStr::new("")).is_err());
        assert!(Manager::default().mention(&[NotifyState::Ready]), "nobody to tell");
    }
}
