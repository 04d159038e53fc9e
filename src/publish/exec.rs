//! An anchor that is a program: the checkpoint on its standard input, nothing else of ours in its
//! environment, and an end to its patience.

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

use super::{Context, Delivered, Failure, Target};
use crate::engine::Sealed;

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

pub(super) struct ExecAnchor {
    /// The program and its arguments; not empty.
    pub command: Vec<String>,
    pub timeout: Duration,
}

impl Target for ExecAnchor {
    fn deliver(&mut self, sealed: &Sealed, context: &Context<'_>) -> Result<Delivered, Failure> {
        let started = self.start(sealed);
        let mut running =
            started.map_err(|e| Failure::Failed(format!("it could not be started: {e}")))?;
        let patience = context.slot.patience(self.timeout);
        while !patience.left().is_zero() {
            running.listen();
            match running.child.try_wait() {
                Ok(Some(status)) => return running.verdict(status),
                Ok(None) => {}
                Err(e) => return Err(Failure::Failed(format!("it was lost sight of: {e}"))),
            }
        }
        if patience.is_short() {
            running.kill(SHORT_GRACE);
            return Err(Failure::Failed("it did not end before the daemon and was killed".into()));
        }
        running.kill(GRACE);
        Err(Failure::Failed(format!("it took longer than {:?} and was killed", self.timeout)))
    }
}

impl ExecAnchor {
    fn start(&self, sealed: &Sealed) -> io::Result<Running> {
        let (output, said) = io::pipe()?;
        // Only our end: the program's writes wait like any others.
        fcntl(&output, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let (program, args) = self.command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut child = Command::new(program)
            .args(args)
            .env_clear()
            .env("PATH", PATH)
            .env("AUDITLOGD_LOG_ID", &sealed.log_id)
            .env("AUDITLOGD_SIZE", sealed.size.to_string())
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(said.try_clone()?)
            .stderr(said)
            .spawn()?;
        // A note fits into the pipe at once. A program that does not want it may end well all the same.
        let _it_may_not_read =
            child.stdin.take().map(|mut input| input.write_all(sealed.checkpoint.as_bytes()));
        Ok(Running { child, output: Some(output), words: Vec::new() })
    }
}

/// A program that was started and not yet waited for.
struct Running {
    child: Child,
    /// None once everybody who could write has closed it.
    output: Option<PipeReader>,
    words: Vec<u8>,
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
                self.words.extend_from_slice(&chunk[..n]);
                let surplus = self.words.len().saturating_sub(MAX_OUTPUT);
                self.words.drain(..surplus);
            }
            Err(_nothing_now) => {}
        }
    }

    fn verdict(mut self, status: ExitStatus) -> Result<Delivered, Failure> {
        if status.success() {
            return Ok(Delivered::default());
        }
        // A pipe holds no more than these.
        (0..16).for_each(|_| self.take());
        let words = String::from_utf8_lossy(&self.words);
        let words: Vec<&str> = words.split_whitespace().collect();
        let words = words.join(" ");
        let from = words.char_indices().rev().nth(SHOWN).map_or(0, |(at, _)| at);
        Err(Failure::Failed(match &words[from..] {
            "" => format!("it ended with {status}"),
            said => format!("it ended with {status} and said: {said}"),
        }))
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
