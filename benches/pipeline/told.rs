//! How the bench and its load generator talk: the one says go, the other how far it is and how it went.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use auditlogd::clock::Clock;
use nix::sys::resource::{UsageWho, getrusage};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The last argument of a load generator that waits to be told.
pub const WAIT: &str = "wait";

/// CLOCK_BOOTTIME, which is the same for both processes.
pub fn now_ns() -> u64 {
    Clock::System.now().boot_ns
}

/// Processor time of this process.
pub fn cpu_us() -> u64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("a process may ask that");
    let both = [usage.user_time(), usage.system_time()];
    both.iter().map(|time| (time.tv_sec() * 1_000_000 + time.tv_usec()) as u64).sum()
}

/// The load generator's side.
pub struct Told {
    /// Whether somebody tells; a person who starts it by hand does not.
    waits: bool,
}

impl Told {
    pub fn new(waits: bool) -> Self {
        Self { waits }
    }

    /// All is ready; returns when it may begin.
    pub fn wait_for_go(&self) {
        if self.waits {
            self.say(&"ready");
            std::io::stdin().read_line(&mut String::new()).expect("is told");
        }
    }

    /// So many are acknowledged.
    pub fn progress(&self, ns: u64, acked: u64) {
        if self.waits {
            self.say(&[ns, acked]);
        }
    }

    /// How it went; the last word.
    pub fn outcome(&self, outcome: &impl Serialize) {
        self.say(outcome);
    }

    fn say(&self, what: &impl Serialize) {
        let mut out = std::io::stdout().lock();
        let line = serde_json::to_string(what).expect("is written");
        writeln!(out, "{line}").and_then(|()| out.flush()).expect("somebody listens");
    }
}

/// The bench's side: this program, started again.
pub struct Generator {
    child: Child,
    stdin: ChildStdin,
    said: Receiver<Value>,
    /// When it said something of how far it is, and how far that was.
    pub progress: Vec<(u64, u64)>,
}

impl Generator {
    /// Starts it with these arguments and waits until it is ready.
    pub fn start(args: &[String]) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.args(args).arg(WAIT).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("this program runs again");
        let stdin = child.stdin.take().expect("a pipe");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let (tell, said) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).expect("it says JSON");
                let _nobody_listens_any_more = tell.send(line);
            }
        });
        let generator = Self { child, stdin, said, progress: Vec::new() };
        assert_eq!(generator.said.recv().expect("it gets ready"), "ready");
        generator
    }

    /// Lets it begin.
    pub fn go(&mut self) {
        self.stdin.write_all(b"go\n").expect("it listens");
    }

    /// How it went, if it has ended.
    pub fn outcome<T: DeserializeOwned>(&mut self) -> Option<T> {
        while let Ok(said) = self.said.try_recv() {
            match serde_json::from_value::<[u64; 2]>(said.clone()) {
                Ok([ns, acked]) => self.progress.push((ns, acked)),
                Err(_) => return Some(serde_json::from_value(said).expect("an outcome")),
            }
        }
        if let Some(status) = self.child.try_wait().expect("waits") {
            assert!(status.success(), "the load generator failed: {status}");
        }
        None
    }

    /// Waits until it has ended.
    pub fn wait<T: DeserializeOwned>(&mut self) -> T {
        loop {
            if let Some(outcome) = self.outcome() {
                return outcome;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
