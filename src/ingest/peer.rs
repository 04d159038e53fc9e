//! Who is at the other end: what the kernel vouches for, never what the client says.
//!
//! pid, uid and gid are those of the process that called connect(2) at that moment; a process that
//! inherits or is handed the connection later writes under its name. Unit and executable are looked up
//! in /proc by pid and are therefore only trusted while that pid verifiably is still that process.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::socket::{UnixCredentials, getsockopt, sockopt};
use tokio::sync::{Semaphore, oneshot};

use crate::{json, outside};

/// The most bytes of JSON text, without quotes, that an executable's path takes.
const MAX_EXE: usize = 1024;
/// The same for a unit's name.
const MAX_UNIT: usize = 512;
/// Look-ups at once: each holds a descriptor, and the thread that does them takes one after the other.
static LOOKING_UP: Semaphore = Semaphore::const_new(4);
/// Ends a string that was cut.
const CUT: &str = "…";

/// The process that opened a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// `{"pid":…,"uid":…,"gid":…,"unit":…,"exe":…}`, at most 1,700 bytes.
    pub json: Arc<str>,
    /// Its user.
    pub uid: u32,
}

impl Peer {
    /// Asks the kernel about the other end of a connected Unix socket. A process in a sandbox may not look at one
    /// that is not, so that is done outside.
    pub async fn of(socket: &impl AsFd) -> io::Result<Self> {
        Self::guarded(socket, Some).await
    }

    /// The same for a connection that was accepted by the last run: the process may have ended since, and its pid
    /// be another one's. Only a kernel that gives a handle on the process can tell.
    pub async fn of_earlier(socket: &impl AsFd) -> io::Result<Self> {
        Self::guarded(socket, |guard| match guard {
            Guard::Handle(_) => Some(guard),
            Guard::StartTime(_) => None,
        })
        .await
    }

    async fn guarded(
        socket: &impl AsFd,
        trusted: impl FnOnce(Guard) -> Option<Guard>,
    ) -> io::Result<Self> {
        let cred = getsockopt(socket, sockopt::PeerCredentials)?;
        let pid = cred.pid();
        // Nobody closes it: that fails never.
        let _turn = LOOKING_UP.acquire().await;
        let facts = match Guard::of(socket, pid).and_then(trusted) {
            Some(guard) => look_up_outside(guard, pid).await,
            None => Facts::default(),
        };
        Ok(Self::new(cred, facts))
    }

    /// This very process.
    pub fn of_self() -> io::Result<Self> {
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair()?;
        let cred = getsockopt(&ours, sockopt::PeerCredentials)?;
        let facts = Guard::of(&ours, cred.pid()).map(|guard| look_up(&guard, cred.pid()));
        Ok(Self::new(cred, facts.unwrap_or_default()))
    }

    fn new(cred: UnixCredentials, facts: Facts) -> Self {
        let process = Some((cred.pid(), cred.gid()));
        let (unit, exe) = (facts.unit.as_deref(), facts.exe.as_deref());
        Self { json: to_json(process, cred.uid(), unit, exe), uid: cred.uid() }
    }

    /// A user without a particular process: `pid`, `gid`, `unit` and `exe` are null.
    pub fn of_uid(uid: u32) -> Self {
        Self { json: to_json(None, uid, None, None), uid }
    }
}

/// What /proc says about a process, where it can be had.
#[derive(Debug, Default, PartialEq, Eq)]
struct Facts {
    unit: Option<String>,
    exe: Option<String>,
}

/// What tells whether a pid still means the same process.
enum Guard {
    /// A handle on the process, from the socket itself.
    Handle(OwnedFd),
    /// When the process that has the pid now started (kernels before 6.5).
    StartTime(Option<String>),
}

impl Guard {
    /// None if the process is known to be gone, or unknown: pid 0 is a process of another pid namespace, which
    /// has no entry in this /proc.
    fn of(socket: &impl AsFd, pid: i32) -> Option<Self> {
        if pid <= 0 {
            return None;
        }
        match getsockopt(socket, sockopt::PeerPidfd) {
            Ok(fd) => Some(Guard::Handle(fd)),
            Err(Errno::ESRCH | Errno::EINVAL | Errno::ENODATA) => None,
            Err(_) => Some(Guard::StartTime(start_time(pid))),
        }
    }

    fn holds(&self, pid: i32) -> bool {
        match self {
            Guard::Handle(fd) => {
                let path = format!("/proc/self/fdinfo/{}", fd.as_raw_fd());
                fs::read_to_string(path).is_ok_and(|info| pid_of_handle(&info) == Some(pid))
            }
            Guard::StartTime(before) => before.is_some() && *before == start_time(pid),
        }
    }
}

async fn look_up_outside(guard: Guard, pid: i32) -> Facts {
    let (tell, told) = oneshot::channel();
    outside::post(move || {
        let _the_connection_is_gone = tell.send(look_up(&guard, pid));
    });
    told.await.unwrap_or_default()
}

/// Reads first, then checks that the pid was not given to another process in the meantime.
fn look_up(guard: &Guard, pid: i32) -> Facts {
    let facts = Facts {
        unit: fs::read_to_string(format!("/proc/{pid}/cgroup")).ok().as_deref().and_then(unit_of),
        exe: fs::read_link(format!("/proc/{pid}/exe"))
            .ok()
            .map(|path| path.to_string_lossy().into_owned()),
    };
    if guard.holds(pid) { facts } else { Facts::default() }
}

/// The `Pid:` line of a pidfd's fdinfo; the kernel writes -1 there once the process is reaped.
fn pid_of_handle(fdinfo: &str) -> Option<i32> {
    fdinfo.lines().find_map(|line| line.strip_prefix("Pid:"))?.trim().parse().ok()
}

/// Field 22 of /proc/PID/stat. Field 2, the name, is in parentheses and may hold anything.
fn start_time(pid: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19).map(str::to_owned)
}

/// The outermost service or scope of a /proc/PID/cgroup: the system's own service manager named it, while
/// a user may give units of a manager of their own any name. Of the unified hierarchy, or else of systemd's.
fn unit_of(cgroup: &str) -> Option<String> {
    let path = |prefix| cgroup.lines().find_map(|line: &str| line.strip_prefix(prefix));
    let unit = |path: &str| {
        let is_unit = |part: &&str| {
            part.strip_suffix(".service")
                .or(part.strip_suffix(".scope"))
                .is_some_and(|name| !name.is_empty())
        };
        // systemd puts `_` before names that would clash with a file of the cgroup file system.
        path.split('/').find(is_unit).map(|part| part.strip_prefix('_').unwrap_or(part).to_owned())
    };
    path("0::").and_then(unit).or_else(|| path("1:name=systemd:").and_then(unit))
}

fn to_json(
    process: Option<(i32, u32)>,
    uid: u32,
    unit: Option<&str>,
    exe: Option<&str>,
) -> Arc<str> {
    let mut out = match process {
        Some((pid, gid)) => format!(r#"{{"pid":{pid},"uid":{uid},"gid":{gid},"unit":"#),
        None => format!(r#"{{"pid":null,"uid":{uid},"gid":null,"unit":"#),
    }
    .into_bytes();
    push_bounded(&mut out, unit, MAX_UNIT);
    out.extend_from_slice(br#","exe":"#);
    push_bounded(&mut out, exe, MAX_EXE);
    out.push(b'}');
    String::from_utf8_lossy(&out).into()
}

/// Appends a JSON string of at most `max` bytes between its quotes, or null. A longer one is cut and
/// ends in `…`.
fn push_bounded(out: &mut Vec<u8>, text: Option<&str>, max: usize) {
    let Some(text) = text else { return out.extend_from_slice(b"null") };
    let start = out.len();
    json::push_string(out, text);
    if out.len() - start <= max + 2 {
        return;
    }
    let mut kept = String::new();
    let mut escaped = Vec::new();
    let mut room = max - CUT.len();
    for c in text.chars() {
        escaped.clear();
        json::push_string(&mut escaped, c.encode_utf8(&mut [0; 4]));
        match room.checked_sub(escaped.len() - 2) {
            Some(left) => room = left,
            None => break,
        }
        kept.push(c);
    }
    kept.push_str(CUT);
    out.truncate(start);
    json::push_string(out, &kept);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    fn facts_of(socket: &UnixStream, pid: i32) -> Facts {
        Guard::of(socket, pid).map(|guard| look_up(&guard, pid)).unwrap_or_default()
    }

    #[tokio::test]
    async fn the_other_end_is_known_by_its_pid_user_and_executable() {
        let (ours, _theirs) = UnixStream::pair().expect("pair");
        let peer = Peer::of(&ours).await.expect("peer");
        let value: serde_json::Value = serde_json::from_str(&peer.json).expect("json");
        assert_eq!(value["pid"], std::process::id());
        assert_eq!(value["uid"], nix::unistd::getuid().as_raw());
        assert_eq!(value["gid"], nix::unistd::getgid().as_raw());
        let exe = std::env::current_exe().expect("exe");
        assert_eq!(value["exe"], exe.to_str().expect("utf-8"));
        assert_eq!(peer.uid, nix::unistd::getuid().as_raw());
    }

    #[test]
    fn a_process_that_is_gone_has_no_unit_and_no_executable() {
        let (ours, _theirs) = UnixStream::pair().expect("pair");
        assert_eq!(facts_of(&ours, i32::MAX), Facts::default());
        assert_eq!(facts_of(&ours, 0), Facts::default());
    }

    #[test]
    fn another_process_that_has_the_pid_now_is_not_taken_for_the_peer() {
        let (ours, _theirs) = UnixStream::pair().expect("pair");
        let mut other = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("cat runs and waits for its input");
        assert_eq!(facts_of(&ours, other.id() as i32), Facts::default());
        other.kill().and_then(|()| other.wait()).expect("ends");
        assert!(!Guard::StartTime(Some("0".into())).holds(std::process::id() as i32));
        assert!(Guard::StartTime(start_time(1)).holds(1));
    }

    #[test]
    fn the_unit_is_the_one_that_the_system_manager_named() {
        let unit = |text: &str| unit_of(text);
        assert_eq!(unit("0::/system.slice/foo.service\n"), Some("foo.service".into()));
        assert_eq!(unit("0::/system.slice/foo.service/worker-1\n"), Some("foo.service".into()));
        let user = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/sshd.service\n";
        assert_eq!(unit(user), Some("user@1000.service".into()));
        let session = "0::/user.slice/user-1000.slice/session-3.scope\n";
        assert_eq!(unit(session), Some("session-3.scope".into()));
        assert_eq!(unit("0::/system.slice/_memory.service\n"), Some("memory.service".into()));
        let hybrid = "12:pids:/x.service\n1:name=systemd:/system.slice/ssh.service\n0::/\n";
        assert_eq!(unit(hybrid), Some("ssh.service".into()));
        assert_eq!(unit("0::/\n"), None);
        assert_eq!(unit("0::/.service\n"), None);
        assert_eq!(unit(""), None);
    }

    #[test]
    fn strings_are_escaped_and_bounded() {
        let exe = "/\u{85}\"".repeat(2000);
        let peer = to_json(Some((7, 8)), 9, Some(&"ü".repeat(400)), Some(&exe));
        assert!(peer.len() <= 1700, "{}", peer.len());
        let value: serde_json::Value = serde_json::from_str(&peer).expect("json");
        let found = value["exe"].as_str().expect("text").strip_suffix(CUT).expect("marked as cut");
        assert!(exe.starts_with(found));
        assert_eq!(value["unit"].as_str().expect("text").len(), MAX_UNIT - 1);
    }

    #[test]
    fn a_user_without_a_process_has_only_a_uid() {
        let peer = Peer::of_uid(1000);
        assert_eq!(&*peer.json, r#"{"pid":null,"uid":1000,"gid":null,"unit":null,"exe":null}"#);
    }
}
