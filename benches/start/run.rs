//! The daemon as a process that is started, loaded, killed and stopped.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common;
use crate::log::event;

const GREETING: &[u8] = b"{\"auditlog\":{\"ack\":true}}\n";
/// Connections that make the load, and lines of one write.
const CONNECTIONS: u64 = 4;
const LINES: u64 = 160;

pub struct Run {
    child: Child,
    /// From the execution to the first acknowledged event.
    pub first_ack: Duration,
    /// Bytes that the process had read by then.
    pub read: u64,
}

impl Run {
    /// Starts it, while a client tries to connect and to store an event.
    pub fn start(root: &Path) -> Self {
        let mut command = common::command(root);
        command.stderr(common::log(root));
        let began = Instant::now();
        let child = command.spawn().expect("auditlogd runs");
        let mut stream = loop {
            match UnixStream::connect(socket(root)) {
                Ok(stream) => break stream,
                Err(_) => std::thread::sleep(Duration::from_micros(200)),
            }
        };
        let (_, event) = event("first", u64::from(child.id()));
        stream.write_all(&[GREETING, event.as_bytes(), b"\n"].concat()).expect("sent");
        let mut replies = BufReader::new(stream).lines();
        let greeting = replies.next().expect("a greeting").expect("read");
        assert!(greeting.contains("protocol"), "{greeting}");
        let ack = replies.next().expect("an ack").expect("read");
        let first_ack = began.elapsed();
        assert!(ack.contains("\"ack\""), "{ack}");
        let read = counter(child.id(), "io", "rchar:");
        Self { child, first_ack, read }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("waited for");
    }

    pub fn stop(mut self) {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM).expect("signalled");
        let status = self.child.wait().expect("waited for");
        assert!(status.success(), "{status}");
    }
}

/// A number that the kernel counts of a process (proc(5)): the first word after `name`.
pub fn counter(pid: u32, file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).expect("read");
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.unwrap_or_else(|| panic!("{name} in {text}"))
}

pub fn socket(root: &Path) -> PathBuf {
    root.join("run/auditd.sock")
}

/// Stores so many events over some connections, and goes on until `then` has ended the daemon.
pub fn load(root: &Path, events: u64, then: impl FnOnce()) {
    let acked = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for nth in 0..CONNECTIONS {
            let acked = &acked;
            scope.spawn(move || {
                let _killed_in_between = send(root, nth, acked);
            });
        }
        while acked.load(Ordering::Relaxed) < events {
            std::thread::sleep(Duration::from_millis(1));
        }
        then();
    });
}

fn send(root: &Path, nth: u64, acked: &AtomicU64) -> std::io::Result<()> {
    let mut stream = UnixStream::connect(socket(root))?;
    let mut replies = BufReader::new(stream.try_clone()?);
    stream.write_all(GREETING)?;
    let mut line = String::new();
    replies.read_line(&mut line)?;
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
    let name = format!("load-{}-{nth}", now.as_nanos());
    let (mut sent, mut known) = (0, 0);
    loop {
        let mut write = String::new();
        for n in sent..sent + LINES {
            write.push_str(&event(&name, n).1);
            write.push('\n');
        }
        stream.write_all(write.as_bytes())?;
        sent += LINES;
        while known + 4 * LINES < sent {
            line.clear();
            if replies.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let at = line.split_once("\"line\":").map(|(_, rest)| rest);
            let digits = at.and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
            let number: u64 = digits.and_then(|d| d.parse().ok()).expect("an ack");
            acked.fetch_add(number - known, Ordering::Relaxed);
            known = number;
        }
    }
}

/// Waits until the database has every line.
pub fn wait_for_the_index(root: &Path) {
    loop {
        let status = common::tool(root, &["status"]);
        if String::from_utf8_lossy(&status.stdout).contains("up to date") {
            return;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
