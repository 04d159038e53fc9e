//! The daemon under test, and whoever starts it again when it has ended, as a service manager would.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common::{command, eventually, log, tool, write_config};
use crate::knobs::{Knob, Knobs};

pub struct Host {
    root: PathBuf,
    knobs: Option<Knobs>,
    child: Child,
    /// Daemons so far.
    pub starts: u64,
}

impl Host {
    /// Starts the first daemon below `root`.
    pub fn start(root: &Path, config: &str) -> Self {
        write_config(root, config);
        let knobs = Knobs::new(root);
        let child = spawn(root, knobs.as_ref());
        let mut host = Self { root: root.into(), knobs, child, starts: 1 };
        host.revive();
        host
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn socket(&self) -> PathBuf {
        self.root.join("run/auditd.sock")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid() as i32), signal).expect("signals");
    }

    /// Turns a knob, if there are any.
    pub fn set(&self, knob: Knob, value: i64) {
        if let Some(knobs) = &self.knobs {
            knobs.set(knob, value);
        }
    }

    /// Whether there are knobs.
    pub fn has_knobs(&self) -> bool {
        self.knobs.is_some()
    }

    /// Kills it; it may have ended by itself.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().expect("waits");
    }

    /// Starts the daemon if it has ended, and waits until it answers.
    pub fn revive(&mut self) {
        eventually("the daemon answers", || {
            self.restart_if_ended();
            self.answers().then_some(())
        });
    }

    /// Starts the daemon if it has ended.
    pub fn restart_if_ended(&mut self) {
        if self.child.try_wait().expect("waits").is_some() {
            self.child = spawn(&self.root, self.knobs.as_ref());
            self.starts += 1;
        }
    }

    fn answers(&self) -> bool {
        let greet = || {
            let mut stream = UnixStream::connect(self.socket())?;
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            stream.write_all(b"{\"auditlog\":{\"ack\":true}}\n")?;
            BufReader::new(stream).read_line(&mut String::new())
        };
        greet().is_ok_and(|read| read > 0)
    }

    /// Waits until the database has every line of the ledger.
    pub fn settle(&self) {
        eventually("the index is up to date", || {
            let status = tool(&self.root, &["status"]);
            String::from_utf8_lossy(&status.stdout).contains("up to date").then_some(())
        });
    }

    /// Stops it as a service manager does.
    pub fn stop(mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.child.wait().expect("waits")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let said = fs::read_to_string(self.root.join("stderr")).unwrap_or_default();
            eprintln!("auditlogd said:\n{said}");
        }
    }
}

fn spawn(root: &Path, knobs: Option<&Knobs>) -> Child {
    let mut command = command(root);
    if let Some(knobs) = knobs {
        knobs.apply(&mut command);
    }
    command.stderr(log(root)).spawn().expect("auditlogd runs")
}
