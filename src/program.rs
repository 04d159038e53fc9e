//! Running a program of the operator's: no shell, nothing of ours in its environment, an end to its patience,
//! and its last words where it fails. The daemon's own sandbox is not its.

use std::ffi::OsStr;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use crate::outside;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What is kept of what the program says: its last words.
const MAX_OUTPUT: usize = 4096;
/// What of them is shown.
const SHOWN: usize = 300;
/// Between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
/// The same when the daemon is about to end.
const SHORT_GRACE: Duration = Duration::from_millis(100);
/// How often the program is looked at when it says nothing.
const TICK_MS: u16 = 20;

/// What is run.
pub struct Program<'a> {
    /// The program and its first arguments; not empty.
    pub command: &'a [String],
    /// Its last arguments.
    pub args: &'a [&'a OsStr],
    /// Its environment besides `PATH`.
    pub env: &'a [(&'a str, String)],
    /// Its standard input; it must fit into a pipe.
    pub input: &'a [u8],
}

/// Why a program gets no more time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// It had all this time.
    TimedOut(Duration),
    /// The daemon is about to end.
    Stopping,
}

impl Program<'_> {
    /// Runs it until it ends, or until `interrupt` says that it has to: then it is killed with all it started.
    ///
    /// # Errors
    /// Unless it ended with status 0: why, to be read after its name.
    pub fn run(&self, interrupt: &dyn Fn() -> Option<Interrupt>) -> Result<(), String> {
        let mut running = self.start().map_err(|e| format!("it could not be started: {e}"))?;
        let why = loop {
            if let Some(why) = interrupt() {
                break why;
            }
            running.listen();
            match running.child.try_wait() {
                Ok(Some(status)) => return running.verdict(status),
                Ok(None) => {}
                Err(e) => return Err(format!("it was lost sight of: {e}")),
            }
        };
        match why {
            Interrupt::Stopping => {
                running.kill(SHORT_GRACE);
                Err("it did not end before the daemon and was killed".into())
            }
            Interrupt::TimedOut(limit) => {
                running.kill(GRACE);
                Err(format!("it took longer than {limit:?} and was killed"))
            }
        }
    }

    fn start(&self) -> io::Result<Running> {
        let (output, said) = io::pipe()?;
        // Only our end: the program's writes wait like any others.
        fcntl(&output, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let (program, args) = self.command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command
            .args(args)
            .args(self.args)
            .env_clear()
            .env("PATH", PATH)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(said.try_clone()?)
            .stderr(said);
        let mut child = outside::run(move || command.spawn())??;
        // A program that does not want it may end well all the same.
        let _it_may_not_read = child.stdin.take().map(|mut input| input.write_all(self.input));
        Ok(Running { child, output: Some(output), said: Vec::new() })
    }
}

/// A program that was started and not yet waited for.
struct Running {
    child: Child,
    /// None once everybody who could write has closed it.
    output: Option<PipeReader>,
    said: Vec<u8>,
}

impl Running {
    /// Takes what it says, or lets some time pass.
    fn listen(&mut self) {
        let mut fds: Vec<PollFd<'_>> =
            self.output.iter().map(|o| PollFd::new(o.as_fd(), PollFlags::POLLIN)).collect();
        let _timeout_or_interrupted = poll(&mut fds, PollTimeout::from(TICK_MS));
        self.take();
    }

    fn take(&mut self) {
        let mut chunk = [0; MAX_OUTPUT];
        let Some(output) = &mut self.output else { return };
        match output.read(&mut chunk) {
            Ok(0) => self.output = None,
            Ok(n) => {
                self.said.extend_from_slice(&chunk[..n]);
                let surplus = self.said.len().saturating_sub(MAX_OUTPUT);
                self.said.drain(..surplus);
            }
            Err(_nothing_now) => {}
        }
    }

    fn verdict(mut self, status: ExitStatus) -> Result<(), String> {
        if status.success() {
            return Ok(());
        }
        // A pipe holds no more than these.
        (0..16).for_each(|_| self.take());
        let words = String::from_utf8_lossy(&self.said);
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        let from = words.char_indices().rev().nth(SHOWN).map_or(0, |(at, _)| at);
        Err(match &words[from..] {
            "" => format!("it ended with {status}"),
            said => format!("it ended with {status} and said: {said}"),
        })
    }

    /// SIGTERM to it and all it started, and SIGKILL to what is left.
    fn kill(mut self, grace: Duration) {
        let group = Pid::from_raw(self.child.id() as i32);
        let _gone_already = killpg(group, Signal::SIGTERM);
        let asked = Instant::now();
        // Seen, but not waited for: until then nobody else can get the group's number.
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        while asked.elapsed() < grace
            && matches!(
                waitid(Id::Pid(group), flags),
                Ok(WaitStatus::StillAlive) | Err(Errno::EINTR)
            )
        {
            self.listen();
        }
        let _gone_already = killpg(group, Signal::SIGKILL);
        let _reaped = self.child.wait();
    }
}
