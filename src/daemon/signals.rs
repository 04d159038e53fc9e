//! Signals, and what else wakes the main thread.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

/// What the main thread waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wake {
    /// SIGHUP, or somebody asked for a reload on the control socket.
    Hangup,
    /// SIGUSR1: end, and leave the connections with the service manager.
    HandOver,
    /// SIGTERM or SIGINT, by name.
    Stop(&'static str),
    /// Somebody ends the log for good.
    Decommission {
        /// Why, for people.
        reason: String,
        /// Who.
        uid: u32,
    },
    /// The writer has ended without being told to.
    WriterEnded,
}

/// Wakes the main thread.
#[derive(Clone)]
pub struct Waker(Sender<Wake>);

impl Waker {
    /// Says that a user ends the log for good.
    pub fn decommission(&self, reason: String, uid: u32) {
        let _main_has_ended = self.0.send(Wake::Decommission { reason, uid });
    }

    /// Says that a reload is asked for.
    pub fn reload(&self) {
        let _main_has_ended = self.0.send(Wake::Hangup);
    }

    /// Says that the writer has ended.
    pub fn writer_ended(&self) {
        let _main_has_ended = self.0.send(Wake::WriterEnded);
    }
}

/// What the main thread was woken for.
pub struct Woken(Receiver<Wake>);

impl Woken {
    /// Waits for the next event, for so long at most; `None` if there was none.
    pub fn next(&self, patience: Option<Duration>) -> Option<Wake> {
        let woken = match patience {
            Some(patience) => self.0.recv_timeout(patience),
            None => self.0.recv().map_err(RecvTimeoutError::from),
        };
        match woken {
            Ok(wake) => Some(wake),
            Err(RecvTimeoutError::Timeout) => None,
            // The signal thread holds a sender for as long as the process lives.
            Err(RecvTimeoutError::Disconnected) => Some(Wake::WriterEnded),
        }
    }
}

/// Catches signals from now on.
pub fn listen() -> io::Result<(Waker, Woken)> {
    let (sender, receiver) = channel();
    let mut signals = Signals::new([SIGHUP, SIGUSR1, SIGTERM, SIGINT])?;
    let waker = Waker(sender.clone());
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            let wake = match signal {
                SIGHUP => Wake::Hangup,
                SIGUSR1 => Wake::HandOver,
                SIGTERM => Wake::Stop("SIGTERM"),
                _ => Wake::Stop("SIGINT"),
            };
            if sender.send(wake).is_err() {
                return;
            }
        }
    })?;
    Ok((waker, Woken(receiver)))
}

/// Ends the process if an ordered stop takes longer than `deadline`: what was acknowledged is on disk,
/// and the next start seals it.
pub fn exit_after(deadline: Duration) {
    let armed = std::thread::Builder::new().name("deadline".into()).spawn(move || {
        std::thread::sleep(deadline);
        tracing::error!(
            "the stop took longer than stop_seconds ({deadline:?}); ending without a seal"
        );
        std::process::exit(1);
    });
    if let Err(e) = armed {
        tracing::warn!("the stop has no deadline: {e}");
    }
}
