//! A thread that is not in the daemon's own sandbox, for the little that cannot be done inside: looking at the
//! processes of clients, running the operator's programs, reading the configuration again.
//!
//! A sandbox is that of a thread and of those that it starts (landlock(7)), so this one is started first. Where
//! nobody has, in the tool and where there is no sandbox, work is done where it is asked for.

use std::io;
use std::sync::OnceLock;
use std::sync::mpsc::{SendError, Sender, channel};
use std::thread;

use rustix::process::{getpriority_process, setpriority_process};

type Job = Box<dyn FnOnce() + Send>;

static OUTSIDE: OnceLock<Sender<Job>> = OnceLock::new();

/// Starts the thread, once in a process.
///
/// # Errors
/// No thread can be started.
pub fn open() -> io::Result<()> {
    let (sender, jobs) = channel::<Job>();
    thread::Builder::new()
        .name("outside".into())
        .spawn(move || jobs.into_iter().for_each(|job| job()))?;
    let _once_is_enough = OUTSIDE.set(sender);
    Ok(())
}

/// Has `job` done out there, one after the other: it must be quick.
pub fn post(job: impl FnOnce() + Send + 'static) {
    let Some(jobs) = OUTSIDE.get() else { return job() };
    // The thread ends with the process.
    if let Err(SendError(job)) = jobs.send(Box::new(job)) {
        job();
    }
}

/// Does `job` out there, on a thread of its own with the priority of this one, and waits for it: it may take
/// its time.
///
/// # Errors
/// No thread can be started.
pub fn run<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    if OUTSIDE.get().is_none() {
        return Ok(job());
    }
    // To Linux a process of number 0 is the thread that asks.
    let priority = getpriority_process(None)?;
    let (tell, told) = channel();
    post(move || {
        let on_its_own = move || {
            let done = setpriority_process(None, priority).map(|()| job());
            let _nobody_waits = tell.send(done);
        };
        // If there is no thread, `tell` is dropped with the job.
        let _started = thread::Builder::new().name("outside-job".into()).spawn(on_its_own);
    });
    let done = told.recv().map_err(|_| io::Error::other("no thread could be started for it"))?;
    Ok(done?)
}
