//! A daemon whose system calls are watched, so that it can be killed at a moment of one's choice (ptrace(2)).
//! The one that traces is the one that started it, which needs no privilege.

use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::common::LONG;

/// What changes something that outlives the process, or is the first to know of something that does not.
const WATCHED: [libc::c_long; 24] = [
    libc::SYS_accept4,
    libc::SYS_close,
    libc::SYS_fallocate,
    libc::SYS_fdatasync,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_getsockopt,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_read,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    libc::SYS_unlinkat,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_sync_file_range,
    libc::SYS_fchown,
];

/// How often it is looked whether what is waited for has come.
const LOOK: Duration = Duration::from_millis(4);

/// A daemon that is traced, and the leader of its process group.
pub struct Trace {
    leader: Pid,
    /// Stops at system calls, else runs freely.
    watching: bool,
    /// Moments so far: the beginnings and ends of the watched calls.
    moments: usize,
}

/// Why [`Trace::run`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ran {
    /// What was waited for has come.
    Done,
    /// The daemon ended by itself.
    Ended,
    /// It was killed at the moment that was asked for.
    Killed,
}

impl Trace {
    /// Traces a process that was just started as the leader of its group, with all the threads that it will
    /// have.
    pub fn of(pid: u32) -> nix::Result<Self> {
        let leader = Pid::from_raw(pid as i32);
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_EXITKILL;
        ptrace::seize(leader, options)?;
        Ok(Self { leader, watching: false, moments: 0 })
    }

    /// Watches from here on. Its threads stand still while `meanwhile` runs, and find what that has done.
    pub fn watch<T>(&mut self, meanwhile: impl FnOnce() -> T) -> T {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.leader)).expect("tasks");
        let mut running: Vec<_> = tasks
            .map(|task| task.expect("a task").file_name().into_string().expect("a number"))
            .map(|tid| Pid::from_raw(tid.parse().expect("a number")))
            .collect();
        running.retain(|&tid| match ptrace::interrupt(tid) {
            // It has ended since.
            Err(Errno::ESRCH) => false,
            interrupted => interrupted.is_ok(),
        });
        let mut stopped = Vec::new();
        while !running.is_empty() {
            match self.wait(None).expect("it does not end now") {
                WaitStatus::PtraceEvent(tid, _, libc::PTRACE_EVENT_STOP) => {
                    running.retain(|&other| other != tid);
                    stopped.push(tid);
                }
                WaitStatus::Exited(tid, _) => running.retain(|&other| other != tid),
                status => self.go_on(status),
            }
        }
        let result = meanwhile();
        self.watching = true;
        stopped.into_iter().for_each(|tid| self.resume(tid, None));
        result
    }

    /// Lets it run as long as another thread takes for some work with it.
    pub fn run_during<T: Send>(&mut self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let work = scope.spawn(work);
            self.run(|| work.is_finished(), None);
            work.join().expect("the work is done")
        })
    }

    /// Watches from the first instruction on.
    pub fn watch_from_the_start(&mut self) {
        self.watching = true;
        ptrace::interrupt(self.leader).expect("interrupts");
    }

    pub fn moments(&self) -> usize {
        self.moments
    }

    /// Lets it run until something has come about, its end, or a moment at which it is killed.
    pub fn run(&mut self, mut until: impl FnMut() -> bool, kill_at: Option<usize>) -> Ran {
        let (start, mut looked) = (Instant::now(), Instant::now());
        loop {
            assert!(start.elapsed() < LONG, "what the traced daemon was to do never came about");
            let Some(status) = self.wait(Some(WaitPidFlag::WNOHANG)) else { return Ran::Ended };
            match status {
                WaitStatus::StillAlive if looked.elapsed() < LOOK => std::thread::sleep(LOOK / 40),
                WaitStatus::StillAlive if until() => return Ran::Done,
                WaitStatus::StillAlive => looked = Instant::now(),
                WaitStatus::PtraceSyscall(tid) if is_watched(tid) => {
                    if kill_at == Some(self.moments) {
                        self.kill();
                        return Ran::Killed;
                    }
                    self.moments += 1;
                    self.resume(tid, None);
                }
                status => self.go_on(status),
            }
        }
    }

    /// Kills it and waits for the end of all its threads.
    pub fn kill(&mut self) {
        kill(self.leader, Signal::SIGKILL).expect("kills");
        while let Some(status) = self.wait(None) {
            // A thread may report a stop that was on its way.
            self.go_on(status);
        }
    }

    /// The next thing that a thread reports; none once there are no threads.
    fn wait(&self, how: Option<WaitPidFlag>) -> Option<WaitStatus> {
        let flags = WaitPidFlag::__WALL | how.unwrap_or(WaitPidFlag::empty());
        loop {
            match waitpid(Pid::from_raw(-self.leader.as_raw()), Some(flags)) {
                Err(Errno::EINTR) => {}
                Err(Errno::ECHILD) => return None,
                status => return Some(status.expect("waits")),
            }
        }
    }

    fn go_on(&self, status: WaitStatus) {
        match status {
            WaitStatus::Stopped(tid, signal) => self.resume(tid, Some(signal)),
            WaitStatus::PtraceEvent(tid, ..) | WaitStatus::PtraceSyscall(tid) => {
                self.resume(tid, None);
            }
            _ => {}
        }
    }

    fn resume(&self, tid: Pid, signal: Option<Signal>) {
        let resumed = match self.watching {
            true => ptrace::syscall(tid, signal),
            false => ptrace::cont(tid, signal),
        };
        // It may have been killed in the meantime.
        assert!(matches!(resumed, Ok(()) | Err(Errno::ESRCH)), "{resumed:?}");
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        // Nobody else hears of its threads.
        let _may_have_ended = kill(self.leader, Signal::SIGKILL);
        while let Some(status) = self.wait(None) {
            self.go_on(status);
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn is_watched(tid: Pid) -> bool {
    ptrace::getregs(tid).is_ok_and(|regs| WATCHED.contains(&(regs.orig_rax as libc::c_long)))
}

#[cfg(target_arch = "aarch64")]
fn is_watched(tid: Pid) -> bool {
    ptrace::getregs(tid).is_ok_and(|regs| WATCHED.contains(&(regs.regs[8] as libc::c_long)))
}

/// Where the number of a call is not known, all of them.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn is_watched(_tid: Pid) -> bool {
    true
}
