//! Process 1, as in a container: the kernel gives it no default action for any signal, and hands it every orphan of
//! the programs that anchors and archives run. So the daemon itself runs as a child, and this passes signals on to it
//! and reaps whatever ends.

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitCode, ExitStatus};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid, waitpid};
use nix::unistd::Pid;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

/// Whether this is process 1.
pub fn is_init() -> bool {
    std::process::id() == 1
}

/// Runs this program as a child until it ends; its status, or 128 and the signal that killed it. When process 1
/// ends, the kernel kills what is left.
///
/// # Errors
/// Signals cannot be caught, or the child cannot be started.
pub fn run() -> io::Result<ExitCode> {
    // First of all: what comes from here on is passed on once there is somebody to pass it to.
    let mut signals = Signals::new([SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR1])?;
    let mut daemon = start()?;
    for signal in signals.forever() {
        if signal != SIGCHLD {
            pass_on(signal, &daemon);
        }
        // At each signal: several that arrive at once may be seen as one.
        if let Some(status) = reap(&mut daemon)? {
            return Ok(code(status));
        }
    }
    Ok(ExitCode::FAILURE)
}

fn start() -> io::Result<Child> {
    let mut args = std::env::args_os();
    let mut command = Command::new("/proc/self/exe");
    if let Some(name) = args.next() {
        command.arg0(name);
    }
    // A watchdog that is meant for process 1 is meant for the daemon.
    if std::env::var("WATCHDOG_PID").is_ok_and(|pid| pid == "1") {
        command.env_remove("WATCHDOG_PID");
    }
    command.args(args).spawn()
}

fn pass_on(signal: i32, daemon: &Child) {
    // It was not reaped yet, so that the number is its own.
    let pid = Pid::from_raw(daemon.id() as i32);
    if let Ok(signal) = Signal::try_from(signal) {
        let _it_may_have_ended = kill(pid, signal);
    }
}

/// Reaps all that has ended; the daemon's status if it has.
fn reap(daemon: &mut Child) -> io::Result<Option<ExitStatus>> {
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    loop {
        match waitid(Id::All, look).map(|ended| ended.pid()) {
            Ok(Some(pid)) if pid.as_raw() as u32 == daemon.id() => return daemon.wait().map(Some),
            Ok(Some(orphan)) => drop(waitpid(orphan, None)),
            Ok(None) | Err(Errno::ECHILD) => return Ok(None),
            Err(Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

fn code(status: ExitStatus) -> ExitCode {
    let signal = || status.signal().map_or(1, |signal| 128 + signal);
    u8::try_from(status.code().unwrap_or_else(signal)).map_or(ExitCode::FAILURE, ExitCode::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_the_childs_or_says_which_signal_killed_it() {
        // As wait(2) encodes them: the code in the second byte, the signal in the first.
        for (raw, want) in [(0, 0), (1 << 8, 1), (2 << 8, 2), (9, 137), (15, 143)] {
            assert_eq!(code(ExitStatus::from_raw(raw)), ExitCode::from(want), "{raw}");
        }
    }
}
